// Floods in a web shell, in a real Chromium: neither the page nor the portal grows by them, the page answers meanwhile, their end arrives, and Ctrl-C ends one.
// How quickly is told, and judged by nobody here: that depends on the machine. `make bench` has the figures.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { closeBrowser } from "./browser.mjs";
import { Typist, shopWithShell } from "./shell-page.mjs";
import { until } from "./shop.mjs";

after(closeBrowser);

const MiB = 1024 * 1024;
/** How much is shown by mistake. It is more than portal and page may grow by, and what is kept of a flood is far less, so that more would prove no more. */
const SIZE = Number(process.env.SLIPWAY_TEST_FLOOD_MIB ?? 64) * MiB;
/** What a flood keeps waiting comes late where the machine has much to do. */
const LONG = 180;

/** Memory of the portal's own, in bytes: without the pages of its binary, which is read as it is run. */
async function anonymous(shop) {
  const [, kilobytes] = (await readFile(`/proc/${shop.portal.process.pid}/status`, "utf8")).match(/^RssAnon:\s+(\d+) kB/m);
  return Number(kilobytes) * 1024;
}

/** The page's heap, after what nobody needs is gone. */
async function heapOf(page) {
  const probe = await page.context().newCDPSession(page);
  await probe.send("Performance.enable");
  return async () => {
    await probe.send("HeapProfiler.collectGarbage");
    const { metrics } = await probe.send("Performance.getMetrics");
    return metrics.find((metric) => metric.name === "JSHeapUsedSize").value;
  };
}

test("a flood harms neither page nor memory, and Ctrl-C ends it", { timeout: 600_000 }, async (t) => {
  const shop = await shopWithShell(t);
  const typist = await Typist.sit(t, shop);
  const { page } = typist;
  await typist.open();
  const heap = await heapOf(page);
  const before = await heap();
  const seconds = Number(process.env.SLIPWAY_TEST_FLOOD_SECONDS ?? 6);
  const longest = await typist.longestFrame(async () => {
    await typist.line("yes 'a line of a flood'");
    await typist.shows(/^a line of a flood\n[\s\S]*^a line of a flood$/m, 0, LONG);
    const end = Date.now() + seconds * 1000;
    while (Date.now() < end) {
      // The page answers meanwhile.
      await page.getByLabel("Why?").fill(String(Date.now()));
      await delay(250);
    }
  });
  const grown = (await heap()) - before;
  await typist.pane().locator(".xterm-screen").click();
  const pressed = Date.now();
  await page.keyboard.press("Control+C");
  // Lines that were on their way may come behind the echo of the keys: the prompt is what says that it is over.
  await typist.shows(/\n[^\n]*[#$]\s*$/, 0, LONG);
  const took = Date.now() - pressed;
  t.diagnostic(`longest frame ${longest.toFixed(0)} ms, heap grown by ${(grown / MiB).toFixed(1)} MiB, prompt ${took} ms after Ctrl-C`);
  assert.ok(grown < 64 * MiB, `the page's heap grew by ${grown} bytes`);
  await typist.run("echo do''ne", /^done/m);
});

test("what a flood of any size prints arrives to its end, and neither page nor portal grows with it", { timeout: 1_200_000 }, async (t) => {
  const shop = await shopWithShell(t);
  const typist = await Typist.sit(t, shop);
  const { page } = typist;
  const heap = await heapOf(page);
  for (const [name, command] of [["a long file", `yes 'a line of a file that somebody shows by mistake' | head -c ${SIZE}`], ["a file of nothing", "busybox truncate -s 16M /zero; cat /zero"], ["find", "find /"]]) {
    await typist.open();
    // What is made once is there before it is measured.
    await typist.run("seq 1 20000; echo wa''rm", /^warm/m, 0, LONG);
    await typist.clear();
    const before = { portal: await anonymous(shop), page: await heap() };
    let [peak, answers] = [0, 0];
    const longest = await typist.longestFrame(async () => {
      await typist.line(`${command}; echo; echo 'the-''end'`);
      await until(`the end of ${name}`, async () => {
        peak = Math.max(peak, await anonymous(shop));
        await answer(page);
        answers += 1;
        await delay(300);
        return /^the-end\n.*# ?$/m.test(await typist.screen());
      }, 1_000);
    });
    const grown = { portal: peak - before.portal, page: (await heap()) - before.page };
    t.diagnostic(`${name}: the portal grew by ${(grown.portal / MiB).toFixed(1)} MiB, the page's heap by ${(grown.page / MiB).toFixed(1)} MiB, the longest frame took ${longest.toFixed(0)} ms, ${answers} clicks`);
    assert.ok(grown.portal < 32 * MiB, `the portal grew by ${grown.portal} bytes`);
    assert.ok(grown.page < 50 * MiB, `the page's heap grew by ${grown.page} bytes`);
    await page.getByRole("button", { name: /^Close web/ }).click();
    await typist.pane().waitFor({ state: "detached" });
  }
});

/** Presses something of the page, and sees that it does what it is for. */
async function answer(page) {
  const more = page.locator("details.shell-more");
  const open = () => more.evaluate((details) => details.open);
  const before = await open();
  await more.locator("summary").click();
  await until("the page answers", async () => (await open()) !== before);
}
