// The web shell as a person meets it, in a real Chromium: programs that draw, pastes, connections that break, several shells beside each other, search
// and sizes. Floods, recordings, dead networks and what else runs in one: `shells-*.test.mjs`.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { closeBrowser } from "./browser.mjs";
import { chance } from "./chance.mjs";
import { contrast } from "./contrast.mjs";
import { freePort } from "./portal.mjs";
import { Typist, Wire, container, shopWithShell } from "./shell-page.mjs";
import { until } from "./shop.mjs";

after(closeBrowser);

test("a shell opens by one press, says that it is recorded, and has the window's size from the first byte", { timeout: 600_000 }, async (t) => {
  const shop = await shopWithShell(t);
  const typist = await Typist.sit(t, shop);
  const { page } = typist;
  assert.equal(await page.locator(".shell").count(), 0, "nothing is opened before somebody asks for it");
  await page.getByText("is recorded").first().waitFor();
  await page.getByRole("link", { name: "Shells and recordings" }).waitFor();
  await typist.visitor.picture("shell-bar");

  // Enter in a field is enough.
  await page.getByLabel("Command").fill("sh -c 'stty size; exec sh'");
  await page.getByLabel("Why?").fill("to look around");
  await page.keyboard.press("Enter");
  await typist.prompt();
  const [, rows, columns] = await typist.shows(/^(\d+) (\d+)$/m);
  assert.ok(Number(rows) > 10 && Number(columns) > 60, `the size at the first byte: ${rows} x ${columns}`);
  assert.equal((await typist.run("stty size", /^(\d+) (\d+)$/m))[0], `${rows} ${columns}`, "and it is still that");
  await typist.pane().getByText("Recorded", { exact: true }).waitFor();
  assert.equal(await page.getByLabel("Why?").inputValue(), "", "the next shell has a reason of its own");
  await typist.visitor.picture("shell-open");

  await page.setViewportSize({ width: 800, height: 900 });
  const narrow = await until("the new width", async () => {
    const [, , now] = await typist.run("stty size", /^(\d+) (\d+)$/m);
    return Number(now) < Number(columns) && Number(now);
  });
  assert.ok(narrow > 20);
  await typist.line("exit 3");
  await page.getByText("Ended with code 3").waitFor();
  await page.getByRole("button", { name: "Open again" }).click();
  await typist.prompt();

  // A storm of sizes ends with the right one, and no program ever hears of a window without lines.
  const follow = "trap 'stty size >>/sizes' WINCH; : >/sizes; echo ready; while :; do sleep 0.05; done";
  await typist.run(`sh -c "${follow}"`, /^ready/m);
  for (let width = 420; width < 1400; width += 35) await page.setViewportSize({ width, height: 500 + (width % 300) });
  // Higher than all of them before.
  await page.setViewportSize({ width: 1200, height: 1000 });
  const sizes = await until("the program heard of the last size", async () => {
    const heard = (await shop.docker.do(["exec", await container(shop), "busybox", "cat", "/sizes"])).split("\n").filter(Boolean);
    const rows = await typist.pane().locator(".xterm-rows > div").count();
    if (!heard.at(-1)?.startsWith(`${rows} `)) throw new Error(`${heard.join("; ")}, and ${rows} lines on the screen`);
    return heard;
  });
  await page.keyboard.press("Control+C");
  const last = await typist.run("stty size", /^\d+ \d+$/m);
  assert.ok(sizes.every((size) => size.split(" ").every((side) => Number(side) > 0)), sizes.join("; "));
  assert.equal(sizes.at(-1), last[0]);
});

test("a link opens a shell at once, and a command only after somebody looked at it", { timeout: 480_000 }, async (t) => {
  const shop = await shopWithShell(t);
  const [task] = await shop.tasks("web");
  const typist = await Typist.sit(t, shop, { ask: `?task=${task.id}` });
  await typist.prompt();
  const { page } = typist;
  await page.goto(`${typist.address}?task=${task.id}&command=${encodeURIComponent("touch /made-by-a-link")}`);
  await page.locator("html[data-ready]").waitFor();
  await page.getByText("This link wants to run a command").waitFor();
  assert.equal(await page.locator(".shell").count(), 0);
  assert.equal(await page.getByLabel("Command").inputValue(), "touch /made-by-a-link");
  const there = async () => (await shop.docker.run(["exec", await container(shop), "busybox", "test", "-e", "/made-by-a-link"])).code === 0;
  assert.equal(await there(), false);
  await page.getByRole("button", { name: "Open shell" }).click();
  await page.getByText("Ended with code 0").waitFor();
  assert.equal(await there(), true);
});

test("programs that draw: vi, less and top, with their keys and the window's size", { timeout: 600_000 }, async (t) => {
  const shop = await shopWithShell(t);
  const typist = await Typist.sit(t, shop);
  const { page } = typist;
  await typist.open();

  await typist.line("echo before; vi /note");
  await typist.shows(/^~$/m);
  await page.keyboard.type("ihello from vi");
  await page.keyboard.press("Enter");
  await page.keyboard.type("second line");
  await page.keyboard.press("Escape");
  // Keys that follow it at once would make another key of it: a person sees first that vi left the insert mode.
  await typist.shows(/^- \/note/m);
  await page.keyboard.press("ArrowUp");
  await page.keyboard.type("0x");
  await page.setViewportSize({ width: 1000, height: 700 });
  await page.keyboard.type(":wq\n");
  await typist.prompt();
  assert.equal(await shop.docker.do(["exec", await container(shop), "busybox", "cat", "/note"]), "ello from vi\nsecond line");

  await typist.line("seq 1 500 | less");
  await typist.shows(/^1$/m);
  await page.keyboard.type("G");
  await typist.shows(/^500$/m);
  await page.keyboard.type("g/250\n");
  await typist.shows(/^250$/m);
  await page.keyboard.type("q");
  await typist.prompt();

  await typist.line("top");
  await typist.shows(/PID.*COMMAND/m);
  await page.keyboard.type("q");
  await typist.prompt();

  // The alternate screen goes and leaves what was there.
  await typist.run("echo under; printf '\\033[?1049h'; echo over; read x; printf '\\033[?1049l'", /^over/m);
  assert.doesNotMatch(await typist.screen(), /^under/m);
  await page.keyboard.press("Enter");
  await typist.shows(/^under/m);
});

test("wide characters, emoji, colours, the mouse, and a character cut in two", { timeout: 480_000 }, async (t) => {
  const shop = await shopWithShell(t);
  const typist = await Typist.sit(t, shop);
  const { page } = typist;
  await typist.open();
  // Each of them two cells wide: the bar behind stands in the same column. Asked of the terminal itself, by where the cursor is.
  await typist.run("printf '\\344\\270\\255|\\n\\360\\237\\232\\242|\\n\\344\\270'; sleep 0.3; printf '\\255|\\n'", /\u4e2d\s*\|[\s\S]*\u{1f6a2}\s*\|[\s\S]*\u4e2d\s*\|/u);
  assert.doesNotMatch(await typist.screen(), /\ufffd/);
  await typist.run("stty raw -echo; printf '\\360\\237\\232\\242\\033[6n'; dd bs=1 count=6 2>/dev/null | tr -d '\\033'; stty sane; echo", /\[\d+;3R/);
  await typist.run("printf '\\033[31mred\\033[0m \\033[38;2;1;200;3mtrue\\033[0m \\033[1mbold\\033[0m\\n'", /^red true bold/m);
  const style = (text) => typist.pane().locator(".xterm-rows span", { hasText: new RegExp(`^${text}$`) }).first().evaluate((span) => {
    const { color, fontWeight } = getComputedStyle(span);
    return { color, fontWeight };
  });
  const [red, plain] = [await style("red"), await page.locator(".xterm-rows").evaluate((rows) => getComputedStyle(rows).color)];
  assert.notEqual(red.color, plain);
  assert.ok(Number((await style("bold")).fontWeight) >= 600);

  // The mouse is told to a program that asks for it, and selects text again afterwards.
  await typist.run("printf '\\033[?1000h\\033[?1006h'; echo click; cat >/dev/null", /^click/m);
  await typist.pane().locator(".xterm-screen").click({ position: { x: 60, y: 60 } });
  await typist.shows(/\^\[\[<0;\d+;\d+M/);
  await page.keyboard.press("Control+C");
  await typist.run("printf '\\033[?1000l\\033[?1006l'; echo qui''et", /^quiet/m);
});

test("a paste of 1 MiB arrives whole, a bracketed one in its brackets, and what is selected is copied", { timeout: 600_000 }, async (t) => {
  const shop = await shopWithShell(t);
  const typist = await Typist.sit(t, shop, { options: { permissions: ["clipboard-read", "clipboard-write"] } });
  const { page } = typist;
  await typist.open();
  const text = Array.from({ length: 16_384 }, (_, n) => `${String(n).padStart(63, "0")}\n`).join("");
  assert.equal(text.length, 1024 * 1024);
  await page.evaluate((text) => navigator.clipboard.writeText(text), text);
  await typist.run("stty -echo; echo rea''dy; cat >/paste; stty echo; wc -c /paste; md5sum /paste", /^ready/m);
  await page.getByRole("button", { name: "Paste" }).click();
  // Once it is all there: the end of the file would overtake nothing, but a person waits as well.
  await until("all bytes", async () => (await shop.docker.do(["exec", await container(shop), "busybox", "wc", "-c", "/paste"])).startsWith(`${text.length} `), 240);
  await page.keyboard.press("Control+D");
  await typist.shows(/^1048576 \/paste/m);
  await typist.shows(new RegExp(`^${createHash("md5").update(text).digest("hex")}`, "m"));

  await page.evaluate(() => navigator.clipboard.writeText("two\nlines"));
  await typist.run("printf '\\033[?2004h'; echo brack''ets; cat >/dev/null", /^brackets/m);
  await page.keyboard.press("Control+Shift+V");
  await typist.shows(/\^\[\[200~two/);
  await typist.shows(/lines\^\[\[201~/);
  await page.keyboard.press("Control+C");

  await typist.run("printf '\\033[?2004l'; echo copy-''me", /^copy-me/m);
  assert.equal(await page.getByRole("button", { name: "Copy" }).isDisabled(), true);
  const row = typist.pane().locator(".xterm-rows > div", { hasText: /^copy-me/ });
  const box = await row.boundingBox();
  await page.mouse.dblclick(box.x + 12, box.y + box.height / 2);
  await until("what is selected can be copied", async () => page.getByRole("button", { name: "Copy" }).isEnabled());
  await page.keyboard.press("Control+Shift+C");
  await until("the copy", async () => (await page.evaluate(() => navigator.clipboard.readText())).includes("copy-me"));
});

test("a connection that is cut forty times loses nothing and doubles nothing, printed or typed", { timeout: 900_000 }, async (t) => {
  const wire = await Wire.lay(t);
  wire.target = await freePort();
  const shop = await shopWithShell(t, { SLIPWAY_LISTEN: `127.0.0.1:${wire.target}`, SLIPWAY_PUBLIC_URL: wire.url });
  const typist = await Typist.sit(t, shop, { url: wire.url });
  const { page } = typist;
  await typist.open();

  const random = chance(5);
  await typist.run("i=0; while [ ! -e /stop ]; do i=$((i+1)); echo n$i; sleep 0.03; done; echo end-$i", /^n1$/m);
  let cuts = 0;
  while (cuts < 40) {
    await delay(60 + random() * 380);
    cuts += wire.cut();
  }
  await shop.docker.do(["exec", await container(shop), "busybox", "touch", "/stop"]);
  const [, last] = await typist.shows(/^end-(\d+)/m, 0, 180);
  await page.getByText("Open", { exact: true }).waitFor();
  typist.forgiveCuts();

  await typist.counted(Number(last));

  // What is typed while it is cut arrives once, in its order.
  await typist.run("stty -echo; echo rea''dy; cat >/typed; stty echo; echo clo''sed", /^ready/m);
  let typed = "";
  for (let n = 0; n < 30; n += 1) {
    const line = `word ${n}\n`;
    typed += line;
    await page.keyboard.type(line);
    if (n % 3 === 0) wire.cut();
  }
  await page.keyboard.press("Control+D");
  await typist.shows(/^closed/m, 0, 180);
  assert.equal(await shop.docker.do(["exec", await container(shop), "busybox", "cat", "/typed"]), typed.trim());
  typist.forgiveCuts();
});

test("whatever ends a shell or takes it away is said", { timeout: 600_000 }, async (t) => {
  const wire = await Wire.lay(t);
  wire.target = await freePort();
  const shop = await shopWithShell(t, { SLIPWAY_LISTEN: `127.0.0.1:${wire.target}`, SLIPWAY_PUBLIC_URL: wire.url });
  const typist = await Typist.sit(t, shop, { url: wire.url });
  const { page } = typist;
  const told = () => typist.pane().getByRole("alert");

  // Another window of the same person takes it, and gives it back.
  const opened = page.waitForEvent("websocket", (socket) => /\/shell\?/.test(socket.url()));
  await typist.open();
  await typist.run("kept=in-this-''shell; echo $kept", /^in-this-shell/m);
  const address = (await opened).url();
  const session = await until("the session's name", async () => {
    const { items } = await shop.call(200, "GET", `/projects/${shop.project}/shells?open=true`);
    return items[0]?.id;
  });
  await page.evaluate(({ address, session }) => {
    // What the page has received so far is not known here: it is told by the server where it may begin.
    const attach = (received) => {
      window.other = new WebSocket(`${address}&session=${session}&received=${received}`);
      window.other.onmessage = ({ data }) => {
        const begin = typeof data === "string" && data.match(/bytes (\d+) to/);
        if (begin) attach(begin[1]);
      };
    };
    attach(0);
  }, { address, session });
  await typist.pane().getByText("Open elsewhere").waitFor();
  await page.getByRole("button", { name: "Take it back" }).click();
  await typist.pane().getByText("Open", { exact: true }).waitFor();
  await typist.run("echo still $kept", /^still in-this-shell/m);

  // Its task stops.
  await shop.call(202, "POST", shop.path("web", "/restart"), {});
  await until("why it closed", async () => /stopped/.test(await told().innerText()));

  // A proxy that strips the upgrade.
  wire.strips = true;
  await until("the new task", async () => (await shop.tasks("web")).some((task) => task.state === "running"));
  await page.getByRole("button", { name: /^Close web/ }).click();
  await page.reload();
  await page.locator("html[data-ready]").waitFor();
  await page.getByRole("button", { name: "Open shell" }).click();
  await until("what the proxy does wrong", async () => /proxy.*Upgrade and Connection/s.test(await told().innerText()));
  wire.strips = false;
  typist.forgiveCuts();
  await page.getByRole("button", { name: "Open again" }).click();
  await typist.prompt();

  // Signed out in another tab.
  const other = await typist.visitor.context.newPage();
  await other.goto(`${wire.url}/account`);
  await other.locator("html[data-ready]").waitFor();
  await other.getByLabel(/^Account of/).click();
  // What the first page still asks for is answered to nobody.
  typist.visitor.announce(401, /./);
  await other.getByRole("button", { name: "Sign out" }).click();
  await typist.pane().getByText("Closed", { exact: true }).waitFor();
  await until("why it closed", async () => /sign/i.test(await told().innerText()));
});

test("several shells beside each other, full screen, search, letters, screen reader and colours", { timeout: 600_000 }, async (t) => {
  const shop = await shopWithShell(t, {}, { replicas: 2 });
  const typist = await Typist.sit(t, shop);
  const { page } = typist;
  await typist.open();
  await page.getByLabel("Task").selectOption({ index: 1 });
  await typist.open();
  await typist.run("echo from-''two; hostname", /^from-two\n(\S+)/m, 1);
  assert.doesNotMatch(await typist.screen(0), /from-two/);
  const [first, second] = [await typist.pane(0).boundingBox(), await typist.pane(1).boundingBox()];
  assert.ok(second.x > first.x + first.width - 1 && Math.abs(second.y - first.y) < 2, "they stand beside each other");
  await typist.visitor.picture("shell-two");
  await page.setViewportSize({ width: 390, height: 844 });
  // Where there is room for one, one is shown.
  await typist.pane(0).waitFor({ state: "hidden" });
  await typist.pane(1).waitFor();
  await page.getByRole("group", { name: "Shells" }).getByRole("button").first().click();
  await typist.pane(0).waitFor();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 390, `nothing is wider than a telephone: ${wide}`);
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.getByRole("button", { name: /^Close web\.\d+/ }).last().click();
  await until("one shell less", async () => (await page.locator(".shell").count()) === 1);

  const tools = typist.pane();
  await tools.locator(".xterm-screen").click();
  await typist.run("seq 1 2000", /^2000/m);
  await page.keyboard.press("Control+Shift+F");
  await page.getByRole("searchbox", { name: "Search in the output" }).fill("777");
  await tools.getByText(/^[12] of 2$/).waitFor();
  const before = await tools.getByText(/^[12] of 2$/).innerText();
  await page.keyboard.press("Enter");
  await until("the other match", async () => (await tools.getByText(/^[12] of 2$/).innerText()) !== before);
  await typist.shows(/^1?777$/m);
  await page.getByRole("searchbox", { name: "Search in the output" }).fill("nowhere to be found");
  await tools.getByText("No match").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("searchbox", { name: "Search in the output" }).waitFor({ state: "detached" });

  const columns = async () => Number((await typist.run("stty size", /^\d+ (\d+)$/m))[1]);
  const usual = await columns();
  await tools.getByRole("button", { name: "Larger letters" }).click();
  await tools.getByRole("button", { name: "Larger letters" }).click();
  await tools.locator(".xterm-screen").click();
  await until("fewer columns", async () => (await columns()) < usual);

  assert.equal(await tools.locator(".xterm-accessibility").count(), 0);
  await tools.getByRole("button", { name: "Screen reader" }).click();
  await tools.locator(".xterm-accessibility").waitFor({ state: "attached" });

  const colour = () => tools.locator(".xterm-rows").evaluate((rows) => getComputedStyle(rows).color);
  await page.emulateMedia({ colorScheme: "light" });
  const light = await until("dark letters", async () => { const now = await colour(); return /rgb\(23, 32, 43\)/.test(now) && now; });
  await page.emulateMedia({ colorScheme: "dark" });
  await until("light letters", async () => (await colour()) !== light);
  await page.emulateMedia({ colorScheme: null });

  await tools.getByRole("button", { name: "Full screen" }).click();
  await until("the whole window", async () => {
    const box = await tools.boundingBox();
    const size = await page.evaluate(() => [innerWidth, innerHeight]);
    return box.x === 0 && box.y === 0 && Math.abs(box.width - size[0]) < 2 && Math.abs(box.height - size[1]) < 2;
  });
  await tools.getByRole("button", { name: "Full screen" }).click();
  await until("its place again", async () => (await tools.boundingBox()).x > 0);

  // The keyboard gets out of the terminal, and what was chosen is kept.
  await tools.locator(".xterm-screen").click();
  await typist.run("kept=in-this-''shell; echo $kept", /^in-this-shell/m);
  await page.keyboard.press("Control+Shift+X");
  await until("the keyboard is out of it", () => page.evaluate(() => document.activeElement !== null && document.activeElement.closest(".shell header") !== null));
  await page.reload();
  await page.locator("html[data-ready]").waitFor();
  // So is the shell: the page goes on with it, and says that the screen it had is gone.
  await typist.shows(/the shell goes on/);
  const remark = typist.pane().locator(".xterm-rows span", { hasText: "goes on" }).first();
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await until(`it can be read on the ${colorScheme} page`, async () => (await remark.evaluate(contrast)) >= 4.5);
  }
  await page.emulateMedia({ colorScheme: null });
  await typist.pane().locator(".xterm-screen").click();
  await typist.run("echo still $kept", /^still in-this-shell/m);
  assert.equal(await page.locator(".shell").count(), 1);
  assert.equal(await page.getByRole("button", { name: "Screen reader" }).getAttribute("aria-pressed"), "true");
  assert.ok((await columns()) < usual, "the letters are as large as before");
});
