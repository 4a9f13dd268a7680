// Events: a page shows an end while somebody looks at it, and nothing is missing or there twice after the portal was killed and the engine was killed
// and started again in the middle of a storm. What the portal tells is compared with what the engine says of its containers.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { closeBrowser, Visitor } from "./browser.mjs";
import { atEnd } from "./ending.mjs";
import { OwnEngine } from "./engine.mjs";
import { Shop, until } from "./shop.mjs";

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

test("an end is in the page while somebody looks at it, and can be filtered", { timeout: 180_000 }, async (t) => {
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
  await page.getByText("137 (SIGKILL)").first().waitFor({ timeout: 60_000 });
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

test("the page and its form work without scripts", { timeout: 180_000 }, async (t) => {
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

/** Containers that nobody but the test made; each ends with a code of its own a moment after it was started. */
class Storm {
  static COUNT = 40;

  static async gather(t, shop) {
    const storm = Object.assign(new Storm(), { shop, prefix: `storm-${shop.portal.port}`, rounds: 0, since: new Date().toISOString() });
    storm.names = Array.from({ length: Storm.COUNT }, (_, n) => `${storm.prefix}-${n}`);
    atEnd(t, () => shop.docker.run(["rm", "-f", ...storm.names]));
    for (const [n, name] of storm.names.entries()) {
      const script = `busybox sleep 1; exit ${n % 5}`;
      await shop.docker.do(["create", "--name", name, `${shop.registry}/web:1`, "/bin/sh", "-c", script]);
    }
    return storm;
  }

  /** Starts each of them once. */
  async start() {
    const parts = [0, 1, 2, 3].map((part) => this.names.filter((_, n) => n % 4 === part));
    await Promise.all(parts.map((names) => this.shop.docker.do(["start", ...names])));
    this.rounds += 1;
  }

  /** What the engine says of each, once all have ended. */
  async over() {
    return until("all containers have ended", async () => {
      const format = "{{.ID}} {{.State.Status}} {{.State.ExitCode}} {{.State.FinishedAt}}";
      const said = await this.shop.docker.do(["inspect", "--format", format, ...this.names]);
      const all = said.split("\n").map((line) => line.split(" ")).map(([id, state, code, finished]) => ({ id, state, code: Number(code), finished: Date.parse(finished) }));
      return all.every(({ state }) => state === "exited") && all;
    }, 90);
  }

  /** Events of one kind by container, the newest first. */
  async told(kind) {
    const found = new Map();
    for (let after = ""; after !== undefined; ) {
      const part = await this.shop.call(200, "GET", `/machines/local/events?kind=${kind}&since=${this.since}&limit=200${after && `&after=${after}`}`);
      for (const event of part.items) found.set(event.container, [...(found.get(event.container) ?? []), event]);
      after = part.next;
    }
    return found;
  }

  /** The portal tells each end once, and the last as the engine has it. */
  async compare() {
    const there = await this.over();
    await until(`${this.rounds} ends of each are told`, async () => {
      const told = await this.told("died");
      const missing = there.filter(({ id }) => (told.get(id)?.length ?? 0) < this.rounds);
      if (missing.length > 0) throw new Error(`${missing.length} lack one, of ${missing[0].id} there are ${told.get(missing[0].id)?.length ?? 0}`);
      return true;
    }, 90);
    // What is found out by a look comes last; it must find nothing that is there.
    await delay(8_000);
    const told = await this.told("died");
    for (const { id, code, finished } of there) {
      const ends = told.get(id);
      assert.equal(ends.length, this.rounds, `${id} ended ${this.rounds} times: ${JSON.stringify(ends)}`);
      assert.equal(ends[0].exit_code, code, JSON.stringify(ends[0]));
      assert.ok(ends[0].at >= finished && ends[0].at < finished + 60_000, `it ended at ${finished}: ${JSON.stringify(ends[0])}`);
    }
  }
}

test("a storm in whose middle the portal and the engine are killed is told whole, and each end once", { timeout: 420_000 }, async (t) => {
  const engine = OwnEngine.find();
  if (!engine) return t.skip("the engine at hand is not ours to stop");
  const shop = await open(t);
  await shop.deployed("web", sleeper);
  const storm = await Storm.gather(t, shop);
  await storm.start();
  await storm.over();

  // The portal is killed while they start, and comes back while they end.
  const starting = storm.start();
  await delay(500);
  await shop.portal.crash();
  await starting;
  await shop.portal.resume();
  await storm.compare();

  // The engine is killed while all of them run: nobody hears how they end.
  await storm.start();
  await engine.crash();
  await delay(1_500);
  await engine.start();
  await storm.compare();

  // Both at once, and the engine ends as a shutdown does.
  await storm.start();
  await shop.portal.crash();
  await engine.stop();
  await engine.start();
  await shop.portal.resume();
  await storm.compare();
  const gaps = (await shop.call(200, "GET", `/machines/local/events?kind=gap&since=${storm.since}`)).items;
  assert.ok(gaps.some(({ text }) => text.includes("does not remember")), `what could not be known is told: ${JSON.stringify(gaps)}`);

  await storm.start();
  await storm.compare();
  assert.equal(storm.rounds * Storm.COUNT, 200);

  // The task that Slipway looks after was replaced or goes on, and what it went through is told as well.
  const [{ container }] = await until("a task runs", async () => {
    const running = (await shop.tasks("web")).filter((task) => task.state === "running");
    return running.length === 1 && running;
  }, 90);
  await until("its start is told", async () => {
    const { items } = await shop.call(200, "GET", shop.path("web", "/events?kind=started&limit=200"));
    return items.some((event) => event.container === container);
  }, 60);
});
