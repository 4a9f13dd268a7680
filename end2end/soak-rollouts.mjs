// Deaths in the middle of rolling updates, behind `scripts/soak.sh rollouts`: the portal is killed at a random point of twenty of them, between these
// the engine ends in some others, and once the engine's disk is full. After each, one revision runs, whole, and the history says what was
// (soak-rest.mjs). An update that was over before it was struck is none of the twenty: it is done again. What is done and when comes from
// SOAK_SEED, which is printed.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { chance } from "./chance.mjs";
import { OwnEngine } from "./engine.mjs";
import { FINAL, Shop, until } from "./shop.mjs";
import { assertLogClean, rest } from "./soak-rest.mjs";

const run = promisify(execFile);
const KILLS = Number(process.env.SOAK_KILLS || 20);
const seed = Number(process.env.SOAK_SEED || Math.floor(Math.random() * 1e9));
/** A value that no log may show. */
const SECRET = `soak-secret-${seed}`;
/** Updates in a row that may be over before they are struck. */
const MISSES = 10;
const random = chance(seed);
const below = (count) => Math.floor(random() * count);

const endings = [];
/** Stands for a test: what must be put away at the end. */
const owner = { after: (ending) => endings.push(ending) };
const began = Date.now();
const log = (...said) => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(7)} s`, ...said);

function descriptor(version, round) {
  return {
    image: `web:${version}`,
    replicas: 4,
    ports: [{ name: "http", container: 8080 }],
    env: { DB_PASSWORD: SECRET, ROUND: String(round) },
    health: { http: { port: 8080, path: "/healthz" }, interval: "500ms", timeout: "400ms", retries: 5, start_period: "10s" },
    update: { order: round % 3 === 2 ? "stop-first" : "start-first", parallelism: 1, monitor: "200ms" },
    stop: { grace: "1s" },
  };
}

/** What the history may say of a deployment that was struck: it was brought, or it says why not, and what serves. */
async function assertTrue(shop, id) {
  const view = await shop.deployment("web", id);
  const { runs } = await shop.call(200, "GET", shop.path("web"));
  const serves = runs[0].revision.revision.number;
  if (view.state === "succeeded") return assert.equal(serves, view.revision, JSON.stringify(view));
  assert.ok(["failed", "rolled_back"].includes(view.state), JSON.stringify(view));
  assert.ok(view.reason?.message, JSON.stringify(view));
  assert.equal(serves, view.previous, JSON.stringify(view));
}

/** What the history may say of one that was struck and followed by a newer one: how it ended, and that the newer one found what it left. */
async function assertFollowed(shop, id, newest) {
  const [view, newer] = [await shop.deployment("web", id), await shop.deployment("web", newest)];
  const both = JSON.stringify([view, newer]);
  assert.ok(["succeeded", "superseded", "rolled_back", "failed"].includes(view.state), both);
  assert.ok(view.finished_at <= newer.created_at, `never two at once: ${both}`);
  assert.equal(newer.previous, view.state === "succeeded" ? view.revision : view.previous, `the newer one knows what served: ${both}`);
  if (view.state !== "succeeded") assert.ok(view.reason?.message, both);
  if (view.state === "superseded") assert.equal(view.reason.code, "superseded", both);
}

/** How long a rolling update takes here, in milliseconds: one that nobody disturbs. */
async function measure(shop) {
  const view = await shop.deployed("web", descriptor(1, "measured"));
  return view.finished_at - view.created_at;
}

/** One rolling update with a death in it. Gives what died; nothing where the update was over before. */
async function strike(shop, round, name, span) {
  const version = 1 + (round % 2);
  const how = round % 7 === 5 ? "engine crash" : round % 7 === 3 ? "engine stop" : round % 7 === 6 ? "portal and newer deployment" : "portal";
  const at = below(span);
  const id = await shop.deploy("web", descriptor(version, name));
  await delay(at);
  const { state: struck } = await shop.deployment("web", id);
  if (FINAL.has(struck)) return void log(`${name}: ${struck} within ${at} ms, before it was struck`);
  let newest = id;
  // What ended later was unfinished at the blow: a dead portal ends nothing.
  let blow = Date.now();
  if (how.startsWith("portal")) {
    await shop.portal.crash();
    blow = Date.now();
    await delay(below(1_500));
    await shop.portal.resume();
    if (how !== "portal") newest = await shop.deploy("web", descriptor(3 - version, name));
  } else {
    await (how === "engine crash" ? shop.engine.crash() : shop.engine.stop());
    await delay(below(1_500));
    await shop.engine.start();
  }
  const { ends, seconds } = await rest(shop, ["web"]);
  await assertTrue(shop, newest);
  if (newest !== id) await assertFollowed(shop, id, newest);
  const [first, last] = [await shop.deployment("web", id), await shop.deployment("web", newest)];
  const told = newest === id ? last.state : `${first.state}, then ${last.state}`;
  log(`${name}: ${how} after ${at} ms, ${struck}: ${told}; at rest after ${seconds.toFixed(1)} s; ${JSON.stringify(ends)}`);
  if (first.finished_at > blow) return how;
  log(`${name}: it was over before it was struck`);
}

/** The same until it is struck before it is over. */
async function die(shop, round, span) {
  for (let attempt = 0; attempt < MISSES; attempt++) {
    const how = await strike(shop, round, attempt === 0 ? `${round}` : `${round}.${attempt}`, span);
    await assertLogClean(shop, [SECRET, shop.portal.password]);
    if (how) return how;
  }
  throw new Error(`${MISSES} updates in a row were over before they were struck; one takes ${span} ms when nobody disturbs it`);
}

/** The engine's disk is full: what runs serves on, the deployment says why, and with room it goes. */
async function full(shop) {
  const filler = join(shop.engine.folder, "data", "filler");
  await shop.docker.image(`${shop.registry}/web:large`, { "bin/busybox": "(the static busybox)", "bin/sh": "->busybox", "www/index.html": "version large\n", "www/healthz": "ok\n", "large": "0123456789abcdef".repeat(4 << 20) }, [
    'CMD ["/bin/sh", "-c", "exec busybox httpd -f -p 8080 -h /www"]',
    "ENV PATH=/bin",
    "EXPOSE 8080",
  ]);
  await shop.push("web", "large");
  await shop.docker.do(["image", "rm", `${shop.registry}/web:large`]);
  await run("sh", ["-c", 'left=$(df --output=avail -B1M "$1" | tail -n 1); head -c "$((left - 24))M" /dev/zero > "$1/filler"', "fill", join(shop.engine.folder, "data")]);
  const before = (await shop.tasks("web")).map(({ id }) => id).sort();
  const wanted = { ...descriptor(1, "full"), image: "web:large" };
  const refused = await shop.deployment("web", await shop.deploy("web", wanted), 120);
  assert.ok(["failed", "rolled_back"].includes(refused.state), JSON.stringify(refused));
  assert.equal(refused.reason.code, "disk_full", JSON.stringify(refused));
  assert.deepEqual((await shop.tasks("web")).map(({ id }) => id).sort(), before, "what ran runs on");
  await rm(filler);
  await rest(shop, ["web"]);
  await shop.deployed("web", wanted);
  log(`disk full: ${refused.state}: ${refused.reason.message.split("\n")[0]}`);
}

async function main() {
  log(`seed ${seed}, ${KILLS} kills of the portal; SOAK_SEED=${seed} repeats it`);
  const shop = await Shop.open(owner);
  shop.engine = OwnEngine.find();
  assert.ok(shop.engine, "run this through `scripts/soak.sh rollouts`: it stops the engine");
  try {
    for (const version of ["1", "2"]) {
      await shop.docker.webImage(`${shop.registry}/web:${version}`, version);
      await shop.push("web", version);
    }
    await shop.service("web");
    await shop.deployed("web", descriptor(1, "first"));
    const span = await measure(shop);
    log(`an update takes ${span} ms`);
    const deaths = {};
    const kills = () => (deaths.portal ?? 0) + (deaths["portal and newer deployment"] ?? 0);
    for (let round = 1; kills() < KILLS; round++) {
      const how = await die(shop, round, span);
      deaths[how] = (deaths[how] ?? 0) + 1;
    }
    if (process.env.SOAK_SMALL_DISK) await full(shop);
    await until("the containers are as many as the tasks", async () => (await shop.containers("web")).length === 4);
    log(`seed ${seed}: ${kills()} times the portal was killed in the middle of an update (${JSON.stringify(deaths)}), and in the end one revision each time`);
  } catch (error) {
    const tail = (await shop.portal.log()).split("\n").slice(-80).join("\n");
    const seen = JSON.stringify(await shop.containers().catch((reason) => reason.message), undefined, 1);
    log(`seed ${seed} FAILED\n${error.stack}\n\ncontainers: ${seen}\n\nthe end of the portal's log:\n${tail}`);
    process.exitCode = 1;
  }
}

await main().finally(async () => {
  for (const ending of endings.reverse()) await ending();
});
