// A web shell whose network goes away, in a real Chromium: without a word, by the browser's own, or for good with its tab.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser } from "./browser.mjs";
import { freePort } from "./portal.mjs";
import { Typist, Wire, container, shopWithShell } from "./shell-page.mjs";
import { until } from "./shop.mjs";

after(closeBrowser);

/** A shell over a wire. */
async function ground(t) {
  const wire = await Wire.lay(t);
  wire.target = await freePort();
  const shop = await shopWithShell(t, { SLIPWAY_LISTEN: `127.0.0.1:${wire.target}`, SLIPWAY_PUBLIC_URL: wire.url });
  const typist = await Typist.sit(t, shop, { url: wire.url });
  await typist.open();
  const { page } = typist;
  const ways = [
    { name: "a network that swallows everything", go: () => wire.hold(), back: () => wire.release() },
    { name: "a browser without a network", go: () => page.context().setOffline(true), back: () => page.context().setOffline(false) },
  ];
  return { shop, typist, page, ways, wire };
}

/** The number that the counter came to, as the page shows it. */
async function shown(typist) {
  const numbers = [...(await typist.screen()).matchAll(/^n(\d+)$/gm)];
  return Number(numbers.at(-1)?.[1] ?? 0);
}

/** The programs that run in the container. */
async function programs(shop, id) {
  return (await shop.docker.do(["top", id, "-eo", "pid,args"])).split("\n").slice(1).map((line) => line.trim().replace(/^\d+ +/, ""));
}

test("a connection that is dead without a word is said to be, and then everything is there once", { timeout: 900_000 }, async (t) => {
  const { shop, typist, page, ways } = await ground(t);
  // What is typed meanwhile is for the shell afterwards.
  await typist.run("stty -echo; i=0; while [ ! -e /stop ]; do i=$((i+1)); echo n$i; sleep 0.1; done; echo end-$i; stty echo", /^n1$/m);
  for (const [at, { name, go, back }] of ways.entries()) {
    const before = await until("the counter goes on", () => shown(typist));
    await go();
    await typist.line(`echo typed-''${at}-once`);
    await typist.pane().getByText("Connection lost", { exact: true }).waitFor({ timeout: 180_000 });
    // Within the pane as well, with what happens next; it is said once and counts down in silence.
    await typist.pane().getByRole("status").filter({ hasText: "No connection to the portal. It is tried again by itself, and what you type waits." }).waitFor();
    await typist.pane().getByText(/^Trying again (now|in \d+ s)\.$/).waitFor();
    await back();
    await typist.pane().getByText("Open", { exact: true }).waitFor({ timeout: 180_000 });
    await until(`the counter goes on after ${name}`, async () => (await shown(typist)) > before + 10, 180);
    typist.forgiveCuts();
  }
  await shop.docker.do(["exec", await container(shop), "busybox", "touch", "/stop"]);
  const [, last] = await typist.shows(/^end-(\d+)/m, 0, 180);
  await typist.shows(/^typed-1-once\n.*[#$]\s*$/m);
  const screen = await typist.screen();
  for (const at of ways.keys()) assert.equal([...screen.matchAll(new RegExp(`^typed-${at}-once$`, "gm"))].length, 1, screen);
  await typist.counted(Number(last));
});

test("a tab that is closed leaves nothing in the container once nobody comes back", { timeout: 900_000 }, async (t) => {
  const shop = await shopWithShell(t);
  const id = await container(shop);
  const alone = await programs(shop, id);
  const typist = await Typist.sit(t, shop);
  const { page } = typist;
  const watcher = await typist.visitor.context.newPage();
  const gone = (seconds) => until("nothing of the shell runs", async () => {
    const now = await programs(shop, id);
    if (now.length !== alone.length) throw new Error(now.join("; "));
    return true;
  }, seconds);
  const busy = async (seconds) => {
    await typist.line(`sleep ${seconds}1 & (trap '' HUP; exec busybox sleep ${seconds}2) & sleep ${seconds}3`);
    await until("it all runs", async () => {
      const now = await programs(shop, id);
      if (now.filter((program) => program.includes(`sleep ${seconds}`)).length !== 3) throw new Error(now.join("; "));
      return true;
    });
  };

  // Closed by its button: at once, and not after the minute for which whoever was cut off is waited for.
  await typist.open();
  await busy("1000");
  await page.getByRole("button", { name: /^Close web/ }).click();
  await gone(50);
  await typist.pane().waitFor({ state: "detached" });

  // Closed with its tab: a tab may come back, and is waited for.
  await typist.open();
  await busy("2000");
  await page.close();
  const closed = Date.now();
  await gone(240);
  assert.ok(Date.now() - closed > 30_000, "it was waited for");
  await watcher.goto(`${shop.portal.url}/projects/${shop.project}/shells`);
  await watcher.getByText("Its window was closed").first().waitFor();
  await watcher.getByText("No shell is open").waitFor();
  assert.deepEqual(await programs(shop, id), alone);
});

test("a connection that is dead is said to be though nobody types", { timeout: 900_000 }, async (t) => {
  const { shop, typist, ways } = await ground(t);
  await typist.run("i=0; while [ ! -e /stop ]; do i=$((i+1)); echo n$i; sleep 0.1; done; echo end-$i", /^n1$/m);
  for (const { name, go, back } of ways) {
    const before = await until("the counter goes on", () => shown(typist));
    await go();
    await typist.pane().getByText("Connection lost", { exact: true }).waitFor({ timeout: 180_000 });
    await back();
    await typist.pane().getByText("Open", { exact: true }).waitFor({ timeout: 180_000 });
    await until(`the counter goes on after ${name}`, async () => (await shown(typist)) > before + 10, 180);
    typist.forgiveCuts();
  }
  await shop.docker.do(["exec", await container(shop), "busybox", "touch", "/stop"]);
  const [, last] = await typist.shows(/^end-(\d+)/m, 0, 180);
  await typist.counted(Number(last));
});

test("whoever does not want to wait tries at once, and goes on typing", { timeout: 600_000 }, async (t) => {
  const { typist, page, wire } = await ground(t);
  await typist.run("kept=in-this-''shell; echo $kept", /^in-this-shell/m);
  assert.equal(await typist.pane().getByText("No connection to the portal").count(), 0);
  // Every try fails until the proxy is mended.
  wire.strips = true;
  wire.cut();
  await typist.pane().getByText(/^Trying again in \d+ s\.$/).waitFor();
  await typist.visitor.picture("shell-lost");
  const sockets = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  await typist.pane().getByRole("button", { name: "Try now" }).click();
  await until("another try", () => sockets.length > 0);
  await until("the keyboard is at the terminal", () => page.evaluate(() => document.activeElement.matches(".xterm-helper-textarea")));
  await typist.line("echo typed-''meanwhile");
  wire.strips = false;
  await typist.shows(/^typed-meanwhile/m, 0, 180);
  await typist.pane().getByText("No connection to the portal").waitFor({ state: "detached" });
  await typist.run("echo still $kept", /^still in-this-shell/m);
  typist.forgiveCuts();
});
