// What is left when a process ends in the middle of something: the portal killed while it deploys or takes an upload, the engine stopped, a
// port that somebody else holds. Whatever had begun goes on or ends with a reason, and nothing is there twice.
//
// Tests within one process, of which none can be killed, are in server/tests/it.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { request } from "node:http";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { OwnEngine } from "./engine.mjs";
import { freePort } from "./portal.mjs";
import { FINAL, Shop, until } from "./shop.mjs";

/** A web service with a check that finds out soon that it serves, and takes a busy machine for no failure. */
const web = (changes) => ({
  image: "web:1",
  ports: [{ name: "http", container: 8080 }],
  health: { http: { port: 8080, path: "/healthz" }, interval: "500ms", timeout: "400ms", retries: 50, start_period: "60s" },
  update: { monitor: "200ms", parallelism: 2 },
  stop: { grace: "1s" },
  ...changes,
});

/** The same behind a gate: it serves as soon as somebody makes the file /gate in it. */
const gated = (changes) => web({ command: ["/bin/sh", "-c", "until [ -e /gate ]; do busybox sleep 0.1; done; exec busybox httpd -f -p 8080 -h /www"], ...changes });

/** A shop with the image web:1. */
async function open(t) {
  const shop = await Shop.open(t);
  await shop.docker.webImage(`${shop.registry}/web:1`, "one");
  await shop.push("web", "1");
  return shop;
}

const running = (containers, revision) => containers.filter((container) => container.state === "running" && container.revision === revision);
const ids = (things) => things.map((thing) => thing.id).sort();

/** The containers of a revision, as soon as so many run. */
async function started(shop, service, revision, count) {
  return until(`${count} containers of revision ${revision}`, async () => {
    const found = running(await shop.containers(service), revision);
    return found.length === count && found;
  });
}

async function openGates(shop, containers) {
  for (const { id } of containers) await shop.docker.do(["exec", id, "busybox", "touch", "/gate"]);
}

/** Waits until exactly so many containers of one revision run, each of them a healthy task in a slot of its own, and nothing else is there. */
async function settled(shop, service, revision, count) {
  return until(`${count} tasks of revision ${revision} and nothing else`, async () => {
    const [containers, tasks] = [await shop.containers(service), await shop.tasks(service)];
    const seen = JSON.stringify({ containers, tasks });
    assert.deepEqual(containers.map((container) => container.task).sort(), ids(tasks), seen);
    assert.equal(running(containers, revision).length, count, seen);
    assert.ok(tasks.every((task) => task.state === "running" && task.health === "healthy" && task.revision === revision), seen);
    assert.equal(new Set(tasks.map((task) => task.slot)).size, count, seen);
    return tasks;
  });
}

test("a portal that is killed while it deploys goes on when it is back, with the tasks that it had begun", { timeout: 480_000 }, async (t) => {
  const shop = await open(t);
  await shop.service("web");
  await shop.deployed("web", web({ replicas: 2 }));
  const id = await shop.deploy("web", gated({ replicas: 2 }));
  const begun = await started(shop, "web", 2, 2);
  await shop.portal.crash();
  assert.deepEqual(ids(running(await shop.containers("web"), 2)), ids(begun), "containers outlive the portal");
  await shop.portal.resume();
  const view = await shop.deployment("web", id);
  assert.equal(view.state, "rolling", JSON.stringify(view));
  await openGates(shop, begun);
  const over = await shop.over("web", id);
  assert.equal(over.state, "succeeded", JSON.stringify(over));
  const tasks = await settled(shop, "web", 2, 2);
  assert.deepEqual(tasks.map((task) => task.container).sort(), ids(begun), "none was made twice or thrown away");
  for (const task of tasks) assert.equal(await shop.answer(task), "version one");

  // Killed at any moment of its beginning, it neither forgets nor doubles.
  const ended = [];
  for (const pause of [0, 60, 250]) {
    const next = await shop.deploy("web", web({ replicas: 2, env: { ROUND: String(pause) } }));
    await delay(pause);
    await shop.portal.crash();
    await shop.portal.resume();
    ended.push((await shop.over("web", next)).state);
    await settled(shop, "web", 2 + ended.length, 2);
  }
  assert.deepEqual(ended, Array(3).fill("succeeded"));
});

async function goesOnWithoutEngine(t, end) {
  const engine = OwnEngine.find();
  if (!engine) return t.skip("the engine at hand is not ours to stop");
  const shop = await open(t);
  await shop.service("web");
  await shop.deployed("web", web({ replicas: 2 }));
  const id = await shop.deploy("web", gated({ replicas: 2 }));
  await started(shop, "web", 2, 2);
  await end(engine);
  try {
    const waiting = await until("the deployment says what it waits for", async () => {
      const view = await shop.deployment("web", id);
      assert.ok(["queued", "pulling", "rolling"].includes(view.state), JSON.stringify(view));
      return view.progress.note?.startsWith("waiting for the engine") && view;
    });
    assert.doesNotMatch(waiting.progress.note, /docker\.sock/);
    await until("its machine is away", async () => {
      const { items } = await shop.call(200, "GET", "/machines");
      assert.equal(items[0].state, "away", JSON.stringify(items));
      return true;
    });
  } finally {
    await engine.start();
  }
  await until("the deployment is over", async () => {
    await openGates(shop, running(await shop.containers("web"), 2));
    return FINAL.has((await shop.deployment("web", id, 1)).state);
  }, 180);
  const over = await shop.deployment("web", id);
  assert.equal(over.state, "succeeded", JSON.stringify(over));
  for (const task of await settled(shop, "web", 2, 2)) assert.equal(await shop.answer(task), "version one");
}

test("a deployment whose engine is stopped says what it waits for, and goes on when the engine is back", { timeout: 480_000 }, (t) => goesOnWithoutEngine(t, (engine) => engine.stop()));

test("a deployment whose engine is killed says what it waits for, and goes on when the engine is back", { timeout: 480_000 }, (t) => goesOnWithoutEngine(t, (engine) => engine.crash()));

// These touch nothing but their own portal.
describe("of one portal alone", { concurrency: true }, () => {
  test("a fixed port that somebody else holds fails the deployment by its number, and the revision before serves again", { timeout: 300_000 }, async (t) => {
    const shop = await open(t);
    await shop.service("web");
    await shop.deployed("web", web());
    const taken = createServer();
    const port = await freePort();
    await new Promise((resolve, reject) => taken.once("error", reject).listen(port, "127.0.0.1", resolve));
    try {
      const id = await shop.deploy("web", web({ ports: [{ name: "http", container: 8080, host: port }] }));
      const over = await shop.over("web", id);
      assert.deepEqual([over.state, over.reason?.code], ["rolled_back", "port_taken"], JSON.stringify(over));
      assert.match(over.reason.message, new RegExp(`${port}.*revision 1 serves on`));
      const [task] = await settled(shop, "web", 1, 1);
      assert.equal(await shop.answer(task), "version one");
    } finally {
      await new Promise((resolve) => taken.close(resolve));
    }
    const view = await shop.deployed("web", web({ ports: [{ name: "http", container: 8080, host: port }] }));
    const [task] = await settled(shop, "web", view.revision, 1);
    assert.equal(task.ports[0].host, port, "free again, it is taken");
  });

  test("a task whose revision was superseded ends with the grace of its own revision", { timeout: 300_000 }, async (t) => {
    const shop = await open(t);
    await shop.service("web");
    await shop.deployed("web", web());
    // It leaves a word only if it is given more time than the grace of ten seconds that others have.
    const slow = ["/bin/sh", "-c", "trap 'busybox sleep 11; exit 7' TERM; : >/listens; until [ -e /gate ]; do busybox sleep 0.1; done"];
    await shop.deploy("web", web({ command: slow, stop: { grace: "30s" } }));
    const [superseded] = await started(shop, "web", 2, 1);
    await until("it hears signals", async () => (await shop.docker.run(["exec", superseded.id, "busybox", "test", "-e", "/listens"])).code === 0);
    await shop.deployed("web", web({ env: { ROUND: "3" } }));
    await until("it has ended by itself", async () => {
      const { items } = await shop.call(200, "GET", shop.path("web", "/tasks"));
      const task = items.find(({ id }) => id === superseded.task);
      assert.deepEqual([task?.state, task?.exit_code], ["ended", 7], JSON.stringify(items));
      return true;
    });
  });

  test("an upload that is cut by the portal's death goes on where the portal says", { timeout: 300_000 }, async (t) => {
    const { portal, project } = await Shop.open(t);
    const content = Buffer.alloc(24 << 20);
    for (let at = 0; at < content.length; at += 4) content.writeUInt32LE((at * 2654435761) >>> 0, at);
    const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
    const authorization = `Basic ${Buffer.from(`admin:${portal.password}`).toString("base64")}`;
    const send = async (method, path, { body, headers } = {}) => fetch(`http://${portal.registry}${path}`, { method, body, headers: { authorization, ...headers } });
    const begun = await send("POST", `/v2/${project}/web/blobs/uploads/`);
    assert.equal(begun.status, 202);
    const location = begun.headers.get("location");

    const cut = request(`http://${portal.registry}${location}`, { method: "PATCH", headers: { authorization, "content-length": content.length } });
    const broken = new Promise((resolve) => cut.once("error", resolve).once("response", resolve));
    cut.write(content.subarray(0, content.length / 2));
    const uploads = join(portal.data, "data", "uploads");
    await until("some of it is on the disk", async () => {
      const [name] = await readdir(uploads);
      return (await stat(join(uploads, name))).size > 4 << 20;
    });
    await portal.crash();
    await broken;

    await portal.resume();
    const status = await send("GET", location);
    assert.equal(status.status, 204);
    const next = Number(status.headers.get("range").match(/^0-(\d+)$/)[1]) + 1;
    assert.ok(next > 4 << 20 && next <= content.length / 2, `it goes on at ${next}`);
    const range = `${next}-${content.length - 1}`;
    const patched = await send("PATCH", location, { body: content.subarray(next), headers: { "content-range": range } });
    assert.equal(patched.status, 202, await patched.text());
    const put = await send("PUT", `${location}?digest=${digest}`);
    assert.equal(put.status, 201, await put.text());
    const read = Buffer.from(await (await send("GET", `/v2/${project}/web/blobs/${digest}`)).arrayBuffer());
    assert.ok(read.equals(content), "every byte is there once");
    assert.deepEqual(await readdir(uploads), [], "nothing is left of the upload");
  });
});
