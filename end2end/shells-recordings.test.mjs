// Recordings of web shells, in a real Chromium: the project's switch, the file that is downloaded, and the player.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { closeBrowser } from "./browser.mjs";
import { Typist, shopWithShell } from "./shell-page.mjs";
import { until } from "./shop.mjs";

after(closeBrowser);

/** Sets the project's switch as an admin does, by the form of its settings. */
async function record(typist, shop, on) {
  const { page } = typist;
  await page.goto(`${shop.portal.url}/projects/${shop.project}/settings`);
  await page.locator("html[data-ready]").waitFor();
  await page.getByLabel("Record shells").setChecked(on);
  await page.getByRole("button", { name: "Save settings" }).click();
  await page.getByText("Settings saved").waitFor();
  await page.goto(typist.address);
  await page.locator("html[data-ready]").waitFor();
}

/** Opens a shell, lets it print a word, and ends it. */
async function use(typist, word) {
  await typist.open();
  await typist.run(`echo this-is-''${word}`, new RegExp(`^this-is-${word}`, "m"));
  await typist.line("exit");
  await typist.pane().getByText("Ended with code 0").waitFor();
}

test("a project's shells are recorded or not as its settings say, and every page says which", { timeout: 600_000 }, async (t) => {
  const shop = await shopWithShell(t);
  const typist = await Typist.sit(t, shop);
  const { page, visitor } = typist;
  const all = `${shop.portal.url}/projects/${shop.project}/shells`;

  await record(typist, shop, false);
  await page.getByText("Recording is switched off in this project").waitFor();
  assert.equal(await page.getByText("is recorded, with who opened them").count(), 0);
  await typist.open();
  await typist.pane().getByText("Not recorded", { exact: true }).waitFor();
  assert.equal(await typist.pane().getByText("Recorded", { exact: true }).count(), 0);
  await visitor.picture("shell-not-recorded");
  await page.getByRole("button", { name: /^Close web/ }).click();
  await typist.pane().waitFor({ state: "detached" });
  await use(typist, "unseen");
  const { items } = await shop.call(200, "GET", `/projects/${shop.project}/shells`);
  assert.deepEqual(items.map((shell) => shell.recorded), [false, false]);
  await page.goto(all);
  await page.locator("html[data-ready]").waitFor();
  // For a moment after its end a shell is among those that are open and those that ended.
  await until("both are there once", async () => (await page.getByRole("row").getByText("Not recorded", { exact: true }).count()) === 2);
  assert.equal(await page.getByRole("link", { name: /recording of/ }).count(), 0, "there is none to watch or to download");
  await page.goto(`${all}/${items[0].id}`);
  await page.getByText("Recording was switched off in the project's settings when this shell was opened.").waitFor();
  assert.equal(await page.getByRole("link", { name: "Download" }).count(), 0);
  assert.equal((await shop.portal.api("GET", `/projects/${shop.project}/shells/${items[0].id}/recording`)).status, 404);

  await record(typist, shop, true);
  await page.getByText("What shells print here is recorded, with who opened them").waitFor();
  await use(typist, "seen");
  await page.goto(all);
  await page.locator("html[data-ready]").waitFor();
  await until("its recording is there once", async () => (await page.getByRole("link", { name: /^Download the recording of web/ }).count()) === 1);
});

/** What an asciicast v2 holds: its header, and its events in their order. Fails where it is none. */
function asciicast(text) {
  assert.ok(text.endsWith("\n"), "the last line is whole");
  const [header, ...events] = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(header.version, 2);
  assert.ok(Number.isInteger(header.width) && header.width > 0 && Number.isInteger(header.height) && header.height > 0, JSON.stringify(header));
  let last = 0;
  for (const event of events) {
    const [at, kind, data] = event;
    assert.ok(event.length === 3 && typeof data === "string" && ["o", "i", "r", "m"].includes(kind), JSON.stringify(event));
    assert.ok(at >= last, `${at} comes after ${last}`);
    last = at;
  }
  return { header, events };
}

test("the recording that is downloaded is an asciicast of what was seen, and of nothing else", { timeout: 600_000 }, async (t) => {
  const shop = await shopWithShell(t);
  const typist = await Typist.sit(t, shop);
  const { page } = typist;
  const began = Math.floor(Date.now() / 1000);
  await page.getByLabel("Why?").fill("to see what is kept");
  await typist.open();
  await typist.run("printf '\\033[32mgr\\303\\274n\\033[0m \\346\\235\\261\\n'", /^grün 東/m);
  await typist.run("stty -echo; echo pass''word; read -r word; stty echo; echo length-${#word}", /^password/m);
  await typist.line("correct-horse");
  await typist.shows(/^length-13/m);
  const columns = (await typist.run("stty size", /^\d+ (\d+)$/m))[1];
  await page.setViewportSize({ width: 900, height: 900 });
  await until("the new width", async () => (await typist.run("stty size", /^\d+ (\d+)$/m))[1] !== columns);
  await typist.run("echo the-''end", /^the-end/m);
  await typist.line("exit");
  await typist.pane().getByText("Ended with code 0").waitFor();

  await page.getByRole("link", { name: "Shells and recordings" }).click();
  await page.getByRole("link", { name: /^Watch the recording of web/ }).first().click();
  await page.getByText("to see what is kept").waitFor();
  // What it printed last may be written a moment after it has ended.
  const { text, header, events, printed } = await until("all of it is kept", async () => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download", exact: true }).click()]);
    assert.match(download.suggestedFilename(), /\.cast$/);
    const text = await readFile(await download.path(), "utf8");
    const { header, events } = asciicast(text);
    const printed = events.filter(([, kind]) => kind === "o").map(([, , data]) => data).join("");
    return printed.includes("the-end\r\n") && { text, header, events, printed };
  });
  assert.match(header.title, new RegExp(`^${shop.project}/web .* by admin`), "what it is of, and whose");
  assert.match(header.title, /to see what is kept/, "and what for");
  assert.ok(header.timestamp >= began && header.timestamp <= Date.now() / 1000, `it began at ${header.timestamp}`);
  assert.equal(header.width, Number(columns));
  assert.ok(printed.includes("\u001b[32mgrün\u001b[0m 東\r\n"), printed);
  assert.match(printed, /length-13\r\n[\s\S]*the-end\r\n/);
  assert.doesNotMatch(text, /correct-horse/, "what was typed and not shown is not kept");
  const sizes = events.filter(([, kind]) => kind === "r").map(([, , data]) => data);
  assert.ok(sizes.length > 0 && sizes.every((size) => /^\d+x\d+$/.test(size)), sizes.join());
});

/** A recording with idle time and a mark. */
const RECORDING = [
  { version: 2, width: 60, height: 12 },
  [0.2, "o", "first\r\n"],
  [1.0, "o", "\u001b[31mred\u001b[0m\r\n"],
  [60.0, "m", "release"],
  [60.5, "r", "80x20"],
  [61.0, "o", "after the mark\r\n"],
  [63.0, "o", "last\r\n"],
].map((line) => JSON.stringify(line)).join("\n") + "\n";

test("a recording is played, sought and sped up, a large one to its very end", { timeout: 600_000 }, async (t) => {
  const shop = await shopWithShell(t);
  const typist = await Typist.sit(t, shop);
  const { page } = typist;
  await typist.open();
  await typist.run("echo kept-in-the-''recording", /^kept-in-the-recording/m);
  await typist.line("exit");
  await page.getByText("Ended with code 0").waitFor();
  const { items } = await shop.call(200, "GET", `/projects/${shop.project}/shells`);
  const address = `${shop.portal.url}/projects/${shop.project}/shells/${items[0].id}`;
  await until("its end is on record", async () => !(await shop.call(200, "GET", `/projects/${shop.project}/shells/${items[0].id}`)).open);

  const player = page.locator(".player");
  const shown = async () => (await player.locator(".xterm-rows").innerText()).replaceAll("\u00a0", " ");
  const shows = (pattern, seconds = 60) => until(`${pattern} in the player`, async () => {
    const now = await shown();
    if (!pattern.test(now)) throw new Error(now);
    return true;
  }, seconds);
  await page.goto(address);
  await player.getByRole("button", { name: "Play" }).click();
  await player.getByRole("combobox", { name: "Speed" }).selectOption("8");
  await shows(/^kept-in-the-recording/m);
  await typist.visitor.picture("shell-player");

  let recording = RECORDING;
  await page.route(/\/shells\/[^/]+\/recording/, (route) => route.fulfill({ contentType: "application/x-asciicast", body: recording }));
  await page.goto(address);
  await page.locator("html[data-ready]").waitFor();
  // 0.2 + 0.8 + 2 (of 59) + 0.5 + 0.5 + 2 seconds.
  await player.getByText("0:00 / 0:06").waitFor();
  await player.getByLabel("Skip idle time").uncheck();
  await player.getByText("0:00 / 1:03").waitFor();
  await player.getByRole("button", { name: /release/ }).click();
  await player.getByText("1:00 / 1:03").waitFor();
  await shows(/^red/m);
  assert.doesNotMatch(await shown(), /after the mark/);
  const position = player.getByRole("slider", { name: "Position" });
  await position.press("End");
  await shows(/^last/m);
  await position.press("Home");
  await until("an empty screen", async () => !/first/.test(await shown()));
  await position.press("ArrowRight");
  await shows(/^red/m);
  await player.getByText("0:05 / 1:03").waitFor();
  await player.getByLabel("Skip idle time").check();
  await player.getByRole("combobox", { name: "Speed" }).selectOption("4");
  await player.getByRole("button", { name: "Play" }).click();
  await shows(/^last/m);
  await player.getByRole("button", { name: "Play" }).waitFor();
  await player.getByText("0:06 / 0:06").waitFor();

  // The shell printed more meanwhile.
  recording += `${JSON.stringify([64.0, "o", "and more\r\n"])}\n[65.0, "o", "not who`;
  await player.getByRole("button", { name: "Read again" }).click();
  await player.getByText("0:06 / 0:07").waitFor();
  await position.press("End");
  await shows(/^and more/m);

  const line = `${"x".repeat(70)}\r\n`.repeat(100);
  const events = Array.from({ length: 4_600 }, (_, n) => JSON.stringify([n / 10, "o", line]));
  recording = [JSON.stringify({ version: 2, width: 80, height: 24 }), ...events, JSON.stringify([460, "o", "the very end\r\n"])].join("\n") + "\n";
  assert.ok(recording.length > 32 * 1024 * 1024, `${recording.length} bytes`);
  await page.goto(address);
  await page.locator("html[data-ready]").waitFor();
  await player.getByText("0:00 / 7:40").waitFor({ timeout: 180_000 });
  const longest = await typist.longestFrame(async () => {
    await position.press("End");
    await shows(/^the very end/m, 240);
  });
  t.diagnostic(`the longest frame on the way to the end of ${recording.length} bytes: ${longest.toFixed(0)} ms`);
});
