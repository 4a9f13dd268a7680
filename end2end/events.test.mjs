// Events: a page shows an end while somebody looks at it, and nothing is missing or there twice after the portal was killed and the engine was killed
// and stopped in the middle of a storm. What the portal tells is compared with what the engine says of its containers.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser, Visitor } from "./browser.mjs";
import { OwnEngine } from "./engine.mjs";
import { Shop, until } from "./shop.mjs";
import { Storm } from "./storm.mjs";

after(closeBrowser);

const sleeper = { image: "web:1", command: ["/bin/sh", "-c", "exec busybox sleep 1000"], update: { monitor: "0s" }, stop: { grace: "0s" } };

async function open(t) {
  const shop = await Shop.open(t);
  await shop.docker.webImage(`${shop.registry}/web:1`, "one");
  await shop.push("web", "1");
  await shop.service("web");
  return shop;
}

async function signIn(visitor, shop, next) {
  const { page } = visitor;
  await page.goto(`${shop.portal.url}/login?next=${encodeURIComponent(next)}`);
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill(shop.portal.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Show", exact: true }).waitFor();
}

test("an end is in the page while somebody looks at it, and can be filtered", { timeout: 600_000 }, async (t) => {
  const shop = await open(t);
  await shop.deployed("web", sleeper);
  const visitor = await Visitor.arrive(t);
  const { page } = visitor;
  const path = `/projects/${shop.project}/services/web/events`;
  await signIn(visitor, shop, path);
  await page.locator("html[data-ready]").waitFor();
  await page.getByRole("cell", { name: "Started" }).first().waitFor();
  assert.equal(await page.getByText("137 (SIGKILL)").count(), 0, "nothing was killed yet");
  const [{ container }] = await shop.tasks("web");
  await shop.docker.do(["kill", container]);
  const began = performance.now();
  await page.getByText("137 (SIGKILL)").first().waitFor({ timeout: 120_000 });
  t.diagnostic(`the end was in the page ${(performance.now() - began).toFixed(0)} ms after docker kill had answered`);

  await page.getByLabel("What happened").selectOption("killed");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.waitForURL(/kind=killed/);
  await page.getByRole("cell", { name: "Started" }).first().waitFor({ state: "detached" });
  await page.getByRole("cell", { name: "Signal sent" }).first().waitFor();

  // Narrow, nothing has to be pushed aside to be read.
  await page.setViewportSize({ width: 390, height: 800 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${wide} px are beyond the edge`);

  // The machine's page has it too.
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(`${shop.portal.url}/admin/environments/local/machines/local/events?kind=died`);
  await page.getByRole("link", { name: `${shop.project}/web` }).first().waitFor();
});

test("the page and its form work without scripts", { timeout: 600_000 }, async (t) => {
  const shop = await open(t);
  await shop.deployed("web", sleeper);
  const visitor = await Visitor.arrive(t, { javaScriptEnabled: false });
  const { page } = visitor;
  await signIn(visitor, shop, `/projects/${shop.project}/services/web/events`);
  await until("the start is told", async () => {
    await page.reload();
    return (await page.getByRole("cell", { name: "Started" }).count()) > 0;
  });
  await page.getByLabel("What happened").selectOption("oom");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByText("Nothing of that kind happened").waitFor();
  await page.getByRole("link", { name: "Show everything that is known" }).click();
  await page.getByRole("cell", { name: "Started" }).first().waitFor();
});

/** All events of a kind of the service, the newest first. */
async function events(shop, kind) {
  const items = [];
  for (let after = ""; after !== undefined; ) {
    const part = await shop.call(200, "GET", shop.path("web", `/events?kind=${kind}&limit=200${after && `&after=${after}`}`));
    items.push(...part.items);
    after = part.next;
  }
  return items;
}

/**
 * The starts and ends of one container, in the order of time: each end has a start of its own before it, and whoever is alive the last one. An engine
 * remembers events no longer than it runs, and of a container the last start alone. So a start that only the engine and the portal knew when both were
 * killed is known by nobody, once the container was started again: the end that followed it is told all the same, and lies `within` that time.
 */
function lived(started, died, alive, within) {
  const said = JSON.stringify([started, died, within]);
  // What begins and ends within a millisecond began first.
  const told = [...started, ...died].sort((one, other) => one.at - other.at || other.kind.localeCompare(one.kind));
  let [runs, unknown] = [false, 0];
  for (const { kind, at } of told) {
    if (kind === "started") assert.ok(!runs, `it started twice without an end: ${said}`);
    else if (!runs) {
      unknown += 1;
      assert.ok(at >= within.from && at <= within.until, `an end without a start: ${said}`);
      assert.equal(unknown, 1, `both were killed once: ${said}`);
    }
    runs = kind === "started";
  }
  assert.equal(runs, alive, said);
}

/** Since when each of these containers runs is told. */
async function begun(shop, alive, starts) {
  for (const id of alive) {
    const since = Date.parse(await shop.docker.do(["inspect", "--format", "{{.State.StartedAt}}", id]));
    const last = starts.find(({ container }) => container === id);
    assert.ok(last && last.at >= since && last.at < since + 60_000, `${id} runs since ${since}: ${JSON.stringify(last)}`);
  }
  return true;
}

/** The service's containers that run, as the engine says. */
async function running(shop) {
  return (await shop.containers("web")).filter(({ state }) => state === "running").map(({ id }) => id);
}

/** The portal's tasks, its events and the engine say the same of the service's containers. */
async function agree(shop, replicas, within) {
  const alive = await running(shop);
  const tasks = await shop.tasks("web");
  assert.deepEqual(tasks.map(({ container, state }) => [container, state]).sort(), alive.map((id) => [id, "running"]).sort());
  assert.equal(alive.length, replicas);
  const [starts, deaths] = [await events(shop, "started"), await events(shop, "died")];
  for (const id of new Set([...starts, ...deaths].map(({ container }) => container))) {
    const [started, died] = [starts, deaths].map((all) => all.filter(({ container }) => container === id));
    lived(started, died, alive.includes(id), within);
  }
  return begun(shop, alive, starts);
}

test("a storm in whose middle the portal and the engine are killed and stopped is told whole, and each end once", { timeout: 900_000 }, async (t) => {
  const engine = OwnEngine.find();
  if (!engine) return t.skip("the engine at hand is not ours to stop");
  const shop = await open(t);
  await shop.deployed("web", { ...sleeper, replicas: 2 });
  const storm = await Storm.gather(t, shop, engine, `${shop.registry}/web:1`);
  const blowing = storm.blow();
  // Told when it is waited for.
  blowing.catch(() => {});

  // For a while nobody listens.
  await storm.reached(30);
  await shop.portal.crash();
  await storm.reached(60);
  await shop.portal.resume();

  // The engine ends as a shutdown does.
  await storm.reached(90);
  await engine.stop();
  await engine.start();

  // Both are killed at once, and the engine is back first: nobody heard how they ended, and nobody hears how the next ones begin.
  await storm.reached(120);
  const within = { from: Date.now() };
  await Promise.all([shop.portal.crash(), engine.crash()]);
  await engine.start();
  await storm.reached(140);
  await shop.portal.resume();
  within.until = Date.now();

  // The engine is killed alone. What it alone knew would be lost with it: it is killed once the portal has heard how its containers began.
  await storm.reached(170);
  await until("both run, and since when is told", async () => {
    const alive = await running(shop);
    return alive.length === 2 && begun(shop, alive, await events(shop, "started"));
  }, 180);
  await engine.crash();
  const back = Date.now();
  await engine.start();
  await blowing;

  // It is told once all containers were looked at: nothing is found out after this.
  await until("what could not be heard is told", async () => {
    const { items } = await shop.call(200, "GET", `/machines/local/events?kind=gap&since=${storm.since}`);
    return items.some(({ at, text }) => at >= back && text.includes("does not remember"));
  }, 180);
  await storm.compare();
  await until("tasks, their events and the engine say the same", () => agree(shop, 2, within), 180);
});
