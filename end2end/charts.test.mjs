// Charts in a real Chromium over real containers: there without scripts; read by mouse and by keys; looked at more closely, compared, read as a table,
// kept as a file; and all services side by side.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { closeBrowser } from "./browser.mjs";
import { contrast } from "./contrast.mjs";
import { BUSYBOX } from "./engine.mjs";
import { arrive, open } from "./log-page.mjs";
import { Shop, until } from "./shop.mjs";

after(closeBrowser);

/** Two tasks that use what they may: a fifth of a core each. */
const BURNER = {
  image: "burner:1",
  replicas: 2,
  command: ["/bin/sh", "-c", "while :; do :; done"],
  resources: { cpus: 0.2, memory: "64MiB" },
  update: { monitor: "0s" },
  stop: { grace: "0s" },
};

/** A service of which six points are known. It is measured more often than by itself, so that they are there soon. */
async function burning(t) {
  const shop = await Shop.open(t, { SLIPWAY_METRICS_EVERY: "2s" });
  await shop.docker.image(`${shop.registry}/burner:1`, { "bin/busybox": BUSYBOX, "bin/sh": "->busybox" }, ["ENV PATH=/bin"]);
  await shop.push("burner", "1");
  await shop.service("web");
  await shop.deployed("web", BURNER);
  const known = (column) => column.filter((value) => value !== null).length;
  await until(
    "both tasks were measured for a while",
    async () => {
      const told = await shop.call(200, "GET", shop.path("web", "/metrics?range=15m&group=cpu"));
      const { lines } = told.charts[0].sides[0];
      return lines.length === 2 && lines.every((line) => known(line.mean) >= 6);
    },
    180,
  );
  return shop;
}

function address(shop, query = "?range=15m") {
  return `${shop.portal.url}/projects/${shop.project}/services/web/metrics${query}`;
}

/** Where a share of a chart's breadth is, for the mouse. */
async function spot(area, share) {
  const box = await area.boundingBox();
  return [box.x + box.width * share, box.y + 60];
}

test("charts are read, looked at more closely, compared and kept", { timeout: 900_000 }, async (t) => {
  const shop = await burning(t);

  await t.test("they are there without scripts", async (t) => {
    const { page } = await arrive(t, shop, { javaScriptEnabled: false });
    await page.goto(address(shop));
    assert.equal(await page.locator(".chart").first().locator(".chart-layer").count(), 2, "a layer for each task");
    assert.match(await page.locator(".chart-svg").first().getAttribute("aria-label"), /^CPU in cores from .* at the end, at most .*; limit 0\.4 cores/);
    assert.equal(await page.getByRole("slider").count(), 0, "nothing is offered that needs a script");
    await page.getByRole("link", { name: "6h", exact: true }).click();
    await page.waitForURL(/range=6h/);
    assert.ok((await page.locator(".chart-svg").count()) >= 4);
  });

  const visitor = await arrive(t, shop);
  const { page } = visitor;
  await open(visitor, address(shop));
  const chart = page.locator(".chart").first();
  const area = chart.locator(".chart-area");
  const reading = chart.locator(".chart-reading");
  await area.scrollIntoViewIfNeeded();

  await t.test("the mouse reads all lines of a time, in all charts", async () => {
    await until("the pointer stands where something was measured", async () => {
      await page.mouse.move(...(await spot(area, 0.975)));
      await page.mouse.move(...(await spot(area, 0.98)));
      return /UTC[^]*Task 1[^]*cores[^]*Task 2[^]*cores/.test(await reading.innerText());
    });
    assert.ok((await page.locator(".chart-cursor:visible").count()) >= 4, "the same time is marked in every chart");
    assert.ok((await reading.evaluate(contrast)) >= 4.5);
    await page.mouse.move(2, 2);
    await reading.waitFor({ state: "hidden" });
  });

  await t.test("arrow keys read them too", async () => {
    const slider = page.getByRole("slider", { name: /^CPU/ });
    await slider.focus();
    const said = () => slider.getAttribute("aria-valuetext");
    await page.keyboard.press("End");
    const last = await until("a time is read out", said);
    // The newest samples may be on their way.
    await until("an earlier time is read out", async () => {
      await page.keyboard.press("ArrowLeft");
      const now = await said();
      assert.match(now, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: .*Task 1 .* cores/);
      return now.slice(0, 19) < last.slice(0, 19);
    });
    await page.keyboard.press("Escape");
    await reading.waitFor({ state: "hidden" });
  });

  await t.test("what is drawn over is looked at more closely, and the address says so", async () => {
    await page.mouse.move(...(await spot(area, 0.5)));
    await page.mouse.down();
    await page.mouse.move(...(await spot(area, 0.7)));
    await page.mouse.move(...(await spot(area, 0.99)));
    await page.mouse.up();
    await page.waitForURL(/from=.*&to=/);
    await page.getByRole("link", { name: "Back to the last hour" }).waitFor();
    const { searchParams } = new URL(page.url());
    const minutes = (Date.parse(searchParams.get("to")) - Date.parse(searchParams.get("from"))) / 60_000;
    assert.ok(minutes > 5 && minutes < 9, `${minutes} minutes of fifteen`);
    await until("both tasks are drawn", async () => (await chart.locator(".chart-layer").count()) === 2);
    await page.goBack();
    await page.waitForURL(/range=15m/);
    await page.getByRole("link", { name: "Back to the last hour" }).waitFor({ state: "detached" });
  });

  await t.test("the time before is drawn beside it", async () => {
    await page.getByRole("link", { name: "Compare with previous period" }).click();
    await page.waitForURL(/compare=previous/);
    await page.getByRole("link", { name: "Without previous period" }).waitFor();
    await chart.locator(".chart-legend", { hasText: "Previous period" }).waitFor();
    await page.getByRole("link", { name: "Lines", exact: true }).click();
    await page.waitForURL(/as=lines/);
    await chart.locator(".chart-line.c2").waitFor({ state: "attached" });
    await chart.locator(".chart-layer").first().waitFor({ state: "detached" });
  });

  await t.test("the same is a table and a file", async () => {
    await open(visitor, address(shop));
    await chart.getByText("As a table").click();
    const table = chart.getByRole("table");
    await table.waitFor();
    assert.match(await table.innerText(), /Task 1[^]*Task 2[^]*cores/);
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "CSV" }).click()]);
    assert.match(download.suggestedFilename(), /^web-.*\.csv$/);
    const text = await readFile(await download.path(), "utf8");
    assert.match(text, /^time,of,environment,figure,side,line,/);
    assert.match(text, new RegExp(`,${shop.project}/web,local,CPU,used,Task 2,`));
  });

  await t.test("an address leads to one chart", async () => {
    await page.goto("about:blank");
    await open(visitor, `${address(shop)}#chart-pids`);
    const wanted = page.locator("#chart-pids");
    await wanted.getByRole("heading", { name: "Processes and threads" }).waitFor();
    const { height } = page.viewportSize();
    await until("the chart is on the screen", async () => {
      const box = await wanted.boundingBox();
      return box !== null && box.y >= 0 && box.y < height;
    });
    await open(visitor, address(shop));
  });

  await visitor.picture("charts");

  await t.test("newer samples come by themselves", async () => {
    await open(visitor, address(shop));
    const label = () => page.locator(".chart-svg").first().getAttribute("aria-label");
    const first = await label();
    await until("the chart goes on", async () => (await label()) !== first, 120);
  });

  await t.test("all services stand side by side", async () => {
    assert.equal(await page.getByRole("link", { name: "Overview", exact: true }).count(), 1, "the service's own");
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Monitoring" }).click();
    await page.waitForURL(`${shop.portal.url}/overview`);
    await page.getByRole("heading", { name: "Monitoring", level: 1 }).waitFor();
    const row = page.locator(".use", { hasText: `${shop.project}/web` });
    await row.locator(".spark").first().waitFor();
    await until("what both tasks use", async () => /2 tasks[^]*cores/.test(await row.innerText()));
    await page.getByRole("link", { name: "CPU", exact: true }).click();
    await page.waitForURL(/sort=cpu/);
    await visitor.picture("overview");
    await row.getByRole("link", { name: `${shop.project}/web` }).click();
    await page.waitForURL(/\/services\/web\/metrics/);
    await page.locator(".chart-svg").first().waitFor();
  });
});
