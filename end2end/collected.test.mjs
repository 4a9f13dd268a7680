// Logs while processes end in the middle of collecting: the portal killed, the engine killed and stopped. What the portal keeps is compared with
// what the programs counted and with the engine's own record: no line is lost, and none is there twice.
//
// Collecting within one process, by both ways, is tried in server/tests/it/collected.rs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { behindPort, OwnEngine } from "./engine.mjs";
import { Shop, until } from "./shop.mjs";

/** Each start of the program has a name of its own, and counts its lines: some hundred in a second. */
const COUNTER = 'r=$(cat /proc/sys/kernel/random/uuid); i=0; while :; do i=$((i+1)); echo "$r $i"; [ $((i % 20)) != 0 ] || busybox usleep 40000; done';

const counter = (changes) => ({
  image: "web:1",
  command: ["/bin/sh", "-c", COUNTER],
  replicas: 2,
  update: { monitor: "0s" },
  stop: { grace: "0s" },
  ...changes,
});

/** The lines of a service that are kept: all, or those that are asked for. */
async function kept(shop, service, ask = "tail=all") {
  const basic = Buffer.from(`admin:${shop.portal.password}`).toString("base64");
  const headers = { authorization: `Basic ${basic}`, accept: "application/x-ndjson" };
  const answer = await fetch(`http://${shop.portal.registry}/api/v1${shop.path(service, `/logs?${ask}`)}`, { headers });
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** How far each start of the program counted. Fails where a line is missing, is there twice, or stands before an earlier one. */
function runs(texts) {
  const counted = new Map();
  for (const text of texts) {
    const [run, number] = text.split(" ");
    const before = counted.get(run) ?? 0;
    assert.equal(Number(number), before + 1, `of ${run}, ${number} follows ${before}`);
    counted.set(run, before + 1);
  }
  return counted;
}

/** The same of what is kept, in which nothing may be missing. */
async function keptRuns(shop, service) {
  const lines = await kept(shop, service);
  const gaps = lines.filter((line) => line.stream === "gap");
  assert.deepEqual(gaps.map((gap) => gap.text), [], "nothing is missing");
  return runs(lines.map((line) => line.text));
}

/** Waits until so many lines more are kept. Only the newest are read: all of them are compared at the end. */
async function more(shop, service, lines) {
  const [last] = await kept(shop, service, "tail=1");
  const since = last ? `&since=${last.nanos.slice(0, -9)}.${last.nanos.slice(-9)}` : "";
  await until(`${lines} lines after ${last?.text}`, async () => {
    const newer = await kept(shop, service, `tail=${lines + 1}${since}`);
    if (newer.length <= lines) throw new Error(`${newer.length} lines`);
    return true;
  }, 180);
}

/** Stops the service and compares all that its containers wrote, as the engine has it, with what is kept. */
async function compare(shop, service) {
  await shop.portal.api("POST", shop.path(service, "/stop"), { environment: "local" });
  const dead = await until("all containers have ended", async () => {
    const containers = await shop.containers(service);
    return containers.every((container) => container.state === "exited") && containers;
  }, 180);
  assert.ok(dead.length > 0, "their containers are kept to be looked into");
  let written = new Map();
  for (const { id } of dead) {
    // What an update replaced goes when all of it is kept, and may do so now.
    const log = await shop.docker.do(["logs", id]).catch((error) => {
      if (!/No such container/.test(error.message)) throw error;
      return "";
    });
    written = new Map([...written, ...runs(log.split("\n").filter(Boolean))]);
  }
  assert.ok(written.size > 0, "the last ones stay to be looked into");
  const found = await until("the last line is kept", async () => {
    const counted = await keptRuns(shop, service);
    return [...written].every(([run, count]) => counted.get(run) >= count) && counted;
  }, 180);
  for (const [run, count] of written) assert.equal(found.get(run), count, `all of ${run}, once`);
}

async function open(t, env = {}) {
  const shop = await Shop.open(t, env);
  await shop.docker.webImage(`${shop.registry}/web:1`, "one");
  await shop.push("web", "1");
  await shop.service("web");
  await shop.deployed("web", counter());
  await more(shop, "web", 100);
  return shop;
}

const WAYS = [
  ["from the engine's files", async () => ({})],
  ["through the engine", async (t) => ({ SLIPWAY_DOCKER_HOST: await behindPort(t) })],
];

for (const [how, env] of WAYS) {
  test(`a portal that is killed while it collects ${how} loses no line and keeps none twice`, { timeout: 600_000 }, async (t) => {
    const shop = await open(t, await env(t));
    for (const pause of [0, 30, 110, 170, 230, 700, 1_500]) {
      await delay(pause);
      await shop.portal.crash();
      await delay(pause % 400);
      await shop.portal.resume();
      await more(shop, "web", 100);
    }
    // Killed while tasks are replaced, it has read the old ones to their end.
    const id = await shop.deploy("web", counter({ env: { ROUND: "2" } }));
    await until("tasks are replaced", async () => !["queued", "pulling"].includes((await shop.deployment("web", id)).state));
    await shop.portal.crash();
    await shop.portal.resume();
    const done = await shop.over("web", id);
    assert.equal(done.state, "succeeded", JSON.stringify(done.reason));
    await more(shop, "web", 100);
    await compare(shop, "web");
  });
}

for (const [how, end] of [["killed", "crash"], ["stopped", "stop"]]) {
  test(`an engine that is ${how} while its logs are collected loses no line that it had, and none is kept twice`, { timeout: 600_000 }, async (t) => {
    const engine = OwnEngine.find();
    if (!engine) return t.skip("the engine at hand is not ours to stop");
    const shop = await open(t);
    for (let round = 0; round < 2; round++) {
      await engine[end]();
      try {
        // The portal is killed as well, once.
        if (round === 1) await shop.portal.crash();
      } finally {
        await engine.start();
      }
      if (round === 1) await shop.portal.resume();
      await until("two tasks run again", async () => (await shop.tasks("web")).filter((task) => task.state === "running").length === 2, 180);
      await more(shop, "web", 100);
    }
    await compare(shop, "web");
  });
}
