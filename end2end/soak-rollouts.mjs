// Twenty deaths in the middle of rolling updates, behind `scripts/soak.sh rollouts`: the portal is killed at a random point of each, at times the engine
// with it, and once the engine's disk is full. After each, one revision runs, whole, and the history says what was (soak-rest.mjs). What is done and
// when comes from SOAK_SEED, which is printed.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { chance } from "./chance.mjs";
import { OwnEngine } from "./engine.mjs";
import { Shop, until } from "./shop.mjs";
import { assertLogClean, rest } from "./soak-rest.mjs";

const run = promisify(execFile);
const KILLS = Number(process.env.SOAK_KILLS || 20);
const seed = Number(process.env.SOAK_SEED || Math.floor(Math.random() * 1e9));
/** A value that no log may show. */
const SECRET = `soak-secret-${seed}`;
/** How long a rolling update takes here, about, in milliseconds. */
const UPDATE = 6_000;
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

/** What the history may say of a deployment whose portal was killed: it was brought, or it says why not, and what serves. */
async function assertTrue(shop, id) {
  const view = await shop.deployment("web", id);
  const { runs } = await shop.call(200, "GET", shop.path("web"));
  const serves = runs[0].revision.revision.number;
  if (view.state === "succeeded") return assert.equal(serves, view.revision, JSON.stringify(view));
  assert.ok(["rolled_back", "superseded", "cancelled"].includes(view.state), JSON.stringify(view));
  assert.ok(view.reason?.message, JSON.stringify(view));
  if (view.state === "rolled_back") assert.equal(serves, view.previous, JSON.stringify(view));
}

/** One rolling update with a death in it. */
async function die(shop, round) {
  const version = 1 + (round % 2);
  const id = await shop.deploy("web", descriptor(version, round));
  const at = below(UPDATE);
  const how = round % 7 === 5 ? "engine crash" : round % 7 === 3 ? "engine stop" : round % 7 === 6 ? "portal and newer deployment" : "portal";
  await delay(at);
  let newest = id;
  if (how.startsWith("portal")) {
    await shop.portal.crash();
    await delay(below(1_500));
    await shop.portal.resume();
    if (how !== "portal") newest = await shop.deploy("web", descriptor(3 - version, round));
  } else {
    await (how === "engine crash" ? shop.engine.crash() : shop.engine.stop());
    await delay(below(1_500));
    await shop.engine.start();
  }
  const { ends, seconds } = await rest(shop, ["web"]);
  await assertTrue(shop, newest);
  const { state } = await shop.deployment("web", newest);
  log(`${round}: ${how} after ${at} ms: ${state}; at rest after ${seconds.toFixed(1)} s; ${JSON.stringify(ends)}`);
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
  log(`seed ${seed}, ${KILLS} kills; SOAK_SEED=${seed} repeats it`);
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
    for (let round = 1; round <= KILLS; round++) {
      await die(shop, round);
      await assertLogClean(shop, [SECRET, shop.portal.password]);
    }
    if (process.env.SOAK_SMALL_DISK) await full(shop);
    await until("the containers are as many as the tasks", async () => (await shop.containers("web")).length === 4);
    log(`seed ${seed}: ${KILLS} kills, and in the end one revision each time`);
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
