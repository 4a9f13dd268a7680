// What runs in a web shell, in a real Chromium: the shell that the image has, or the word that it has none; real vim and less as people have them;
// the user and the folder that the form asks for; links that a program prints.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { closeBrowser } from "./browser.mjs";
import { atEnd } from "./ending.mjs";
import { BUSYBOX } from "./engine.mjs";
import { comfort } from "./programs.mjs";
import { Typist, container, shopWithShell } from "./shell-page.mjs";
import { until } from "./shop.mjs";

after(closeBrowser);

const WEB = ['CMD ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]', "ENV PATH=/bin", "EXPOSE 8080"];

/** An image with these files beside a web server and the tools of busybox. */
function image(files) {
  const tools = Object.fromEntries(["sh", "ash", "seq", "top"].map((tool) => [`bin/${tool}`, "->busybox"]));
  return (docker, reference) => docker.image(reference, { "bin/busybox": BUSYBOX, ...tools, "www/healthz": "ok\n", ...files }, WEB);
}

/** How many lines the screen has. */
function rows(typist) {
  return typist.pane().locator(".xterm-rows > div").count();
}

/** Gives the window another height, and waits until the terminal has another number of lines; gives it. */
async function resize(typist, height) {
  const before = await rows(typist);
  await typist.page.setViewportSize({ width: 1100, height });
  return until("another number of lines", async () => {
    const now = await rows(typist);
    return now !== before && now;
  });
}

test("bash is taken before ash, and vim, less and top draw, follow the window and give the screen back", { timeout: 600_000 }, async (t) => {
  const shop = await shopWithShell(t, {}, {}, image(await comfort()));
  const typist = await Typist.sit(t, shop);
  const { page } = typist;
  await typist.open();
  await typist.run('echo "this is bash ${BASH_VERSION:-not at all}"', /^this is bash \d/m);

  await typist.run("echo before-''vim", /^before-vim/m);
  await typist.line("vim /note");
  await typist.shows(/^~$/m);
  assert.doesNotMatch(await typist.screen(), /before-vim/, "vim has a screen of its own");
  await page.keyboard.type("i");
  await typist.shows(/-- INSERT --/);
  await page.keyboard.type("hello from vim");
  await page.keyboard.press("Enter");
  await page.keyboard.type("grüße aus 東京 🚢");
  await page.keyboard.press("Escape");
  await until("vim left its insert mode", async () => !/INSERT/.test(await typist.screen()));
  for (const height of [600, 1000]) {
    const lines = await resize(typist, height);
    await until(`vim knows its ${lines} lines`, async () => {
      await page.keyboard.type(":set lines?\n");
      await typist.shows(new RegExp(`^ *lines=${lines}$`, "m"), 0, 2);
      return true;
    });
    await typist.shows(/^hello from vim\n/);
    // Its own last line is below all of its text, and that is the window's last.
    const screen = (await typist.screen()).trimEnd().split("\n");
    assert.equal(screen.length, lines, screen.join("\n"));
  }
  await page.keyboard.type(":wq\n");
  await typist.shows(/^before-vim\n.*vim \/note\n(.*\n)*?.*# ?$/m);
  assert.doesNotMatch(await typist.screen(), /hello from vim|^~$/m, "the screen is as it was before vim");
  assert.equal(await shop.docker.do(["exec", await container(shop), "busybox", "cat", "/note"]), "hello from vim\ngrüße aus 東京 🚢");

  await typist.run("echo before-''less", /^before-less/m);
  await typist.line("seq 1 500 | less");
  await typist.shows(/^1\n2\n/);
  await page.keyboard.type("G");
  await typist.shows(/^500\n/m);
  await page.keyboard.type("g");
  await typist.shows(/^1\n2\n/);
  await page.keyboard.type("/25[0]\n");
  await typist.shows(/^250\n251\n/);
  await page.keyboard.type("n");
  await typist.shows(/Pattern not found/);
  await page.keyboard.press("Enter");
  const lines = await resize(typist, 700);
  await page.keyboard.type("g");
  await typist.shows(new RegExp(`^1\\n2\\n[\\s\\S]*^${lines - 1}\\n:$`, "m"));
  await page.keyboard.type("q");
  await typist.shows(/^before-less\n.*seq 1 500 \| less\n(.*\n)*?.*# ?$/m);

  await typist.line("top");
  await typist.shows(/^Mem: .*\nCPU: [\s\S]*PID.*COMMAND[\s\S]* top$/m);
  await page.keyboard.type("q");
  await typist.run("echo af''ter", /^after/m);
});

test("an image without any shell says so, and a command of it runs all the same", { timeout: 480_000 }, async (t) => {
  const shop = await shopWithShell(t, {}, {}, (docker, reference) => docker.bareImage(reference));
  const typist = await Typist.sit(t, shop);
  const { page } = typist;
  await page.getByRole("button", { name: "Open shell" }).click();
  await typist.pane().getByText("No shell", { exact: true }).waitFor();
  const told = await typist.pane().getByRole("alert").innerText();
  assert.match(told, /^This image has no shell: none of bash, ash, sh is in it\. .*name it in the field “Command”/);
  assert.doesNotMatch(told, /OCI|exec/);
  const answer = typist.pane().locator("details", { hasText: "What the engine answered" });
  assert.equal(await answer.locator("code").isVisible(), false);
  await answer.locator("summary").click();
  assert.match(await answer.locator("code").innerText(), /sh/);
  await typist.visitor.picture("shell-none");
  await page.getByRole("button", { name: /^Close web/ }).click();
  // Busybox by the name of its httpd is all that there is.
  await page.getByLabel("Command").fill("/httpd --help");
  await page.getByRole("button", { name: "Open shell" }).click();
  await typist.shows(/Usage: httpd/);
});

test("a shell has the user and the folder that were asked for, and one that cannot be had is named", { timeout: 480_000 }, async (t) => {
  const files = { "etc/passwd": "root:x:0:0::/:/bin/sh\nclerk:x:1234:2345::/srv/desk:/bin/sh\n", "etc/group": "root:x:0:\nclerks:x:2345:\n", "srv/desk/paper": "\n" };
  const shop = await shopWithShell(t, {}, {}, image(files));
  const typist = await Typist.sit(t, shop);
  const { page } = typist;
  const ask = async (user, folder) => {
    await page.getByLabel("User", { exact: false }).fill(user);
    await page.getByLabel("Folder").fill(folder);
  };
  await page.getByText("As another user, in another folder").click();
  await ask("clerk", "/srv/desk");
  await typist.open();
  await typist.run("echo I am $(id -u):$(id -g) in $(pwd)", /^I am 1234:2345 in \/srv\/desk$/m);
  await page.getByRole("button", { name: /^Close web/ }).click();
  await typist.pane().waitFor({ state: "detached" });
  await ask("4321:8765", "");
  await typist.open();
  await typist.run("echo I am $(id -u):$(id -g) in $(pwd)", /^I am 4321:8765 in \/$/m);
  for (const [user, folder, named] of [["nobody-here", "", /nobody-here/], ["", "/no/such/folder", /\/no\/such\/folder/]]) {
    await page.getByRole("button", { name: /^Close web/ }).click();
    await typist.pane().waitFor({ state: "detached" });
    await ask(user, folder);
    await page.getByRole("button", { name: "Open shell" }).click();
    await typist.pane().getByText("Closed", { exact: true }).waitFor();
    assert.match(await typist.pane().getByRole("alert").innerText(), named);
  }
});

/** Points with the mouse at the middle of a word that stands in a line after "see". Gives where that is. */
async function point(typist, word) {
  const box = await until(`${word} is drawn`, () => typist.pane().locator(".xterm-rows").evaluate((rows, word) => {
    const walk = document.createTreeWalker(rows, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      const at = node.data.indexOf(word);
      if (at < 0 || !node.parentElement.closest(".xterm-rows > div").textContent.startsWith("see ")) continue;
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + word.length);
      const { x, y, width, height } = range.getBoundingClientRect();
      return { x: x + width / 2, y: y + height / 2 };
    }
    return undefined;
  }, word));
  // A link is one once the mouse is over it.
  await typist.page.mouse.move(box.x - 2, box.y);
  await typist.page.mouse.move(box.x, box.y);
  return box;
}

test("a link in the output opens in a window that knows nothing of this one, and nothing but the web is a link", { timeout: 480_000 }, async (t) => {
  const seen = [];
  const site = createServer((request, answer) => {
    seen.push({ path: request.url, referer: request.headers.referer });
    answer.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>there</title><link rel=icon href=data:,>");
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  atEnd(t, () => site.close());
  const there = `http://127.0.0.1:${site.address().port}`;

  const shop = await shopWithShell(t);
  const typist = await Typist.sit(t, shop);
  const { page } = typist;
  await typist.open();
  const dialogs = [];
  page.on("dialog", (dialog) => {
    dialogs.push(dialog.message());
    dialog.accept();
  });
  const osc = (address, text) => `\\033]8;;${address}\\033\\\\${text}\\033]8;;\\033\\\\`;
  const lines = ["see javascript:alert(1)", "see ftp://example.org/file", `see ${osc("javascript:alert(2)", "a-hidden-script")}`, `see ${there}/plain?a=1&b=2.`, `see ${osc(`${there}/hidden`, "a-hidden-link")}`];
  await typist.run(`printf '${lines.join("\\n")}\\n'`, /^see a-hidden-link/m);
  const hand = ({ x, y }) => page.evaluate(([x, y]) => getComputedStyle(document.elementFromPoint(x, y)).cursor === "pointer", [x, y]);
  for (const word of ["alert(1)", "example.org", "a-hidden-script"]) {
    const { x, y } = await point(typist, word);
    await page.mouse.click(x, y);
  }
  for (const [word, path] of [["plain", "/plain?a=1&b=2"], ["a-hidden-link", "/hidden"]]) {
    const at = await point(typist, word);
    await until("the mouse shows that it is a link", () => hand(at));
    const [opened] = await Promise.all([page.context().waitForEvent("page"), page.mouse.click(at.x, at.y)]);
    await opened.waitForURL(`${there}${path}`);
    assert.equal(await opened.evaluate(() => window.opener), null);
    await opened.close();
  }
  assert.deepEqual(seen, [{ path: "/plain?a=1&b=2", referer: undefined }, { path: "/hidden", referer: undefined }]);
  assert.equal(page.context().pages().length, 1, "what is no address of the web opened nothing");
  assert.equal(dialogs.length, 1, "a link that hides its address asks before it leads there");
  assert.ok(dialogs[0].includes(`${there}/hidden`), dialogs[0]);
});
