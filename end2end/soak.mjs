// The tests of endurance behind `make soak`: for SOAK_MINUTES (10) people deploy, scale, roll back, stop and push, while the portal and the
// engine are killed and containers and images are removed behind their back. After each round everything has to come to rest as it should be
// (soak-rest.mjs). What is done and when comes from SOAK_SEED, which is printed; only the speed of the machine is not in it.
//
// The second half of the time lets the portal live, so that its memory and its open files can be compared.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { chance } from "./chance.mjs";
import { OwnEngine } from "./engine.mjs";
import { FINAL, Shop } from "./shop.mjs";
import { Pusher } from "./soak-push.mjs";
import { assertLogClean, assertPushed, rest } from "./soak-rest.mjs";

const minutes = Number(process.env.SOAK_MINUTES || 10);
const seed = Number(process.env.SOAK_SEED || Math.floor(Math.random() * 1e9));
/** A value that no log may show. */
const SECRET = `soak-secret-${seed}`;
/** A rest that takes more seconds than that is worth a line. */
const SLOW = 10;
const SERVICES = ["web", "plain", "brief"];

const random = chance(seed);
const below = (count) => Math.floor(random() * count);
/** One of the keys, as often as its weight says. */
function weighed(weights) {
  let left = random() * Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  return Object.keys(weights).find((key) => (left -= weights[key]) < 0);
}

const endings = [];
/** Stands for a test: what must be put away at the end. */
const owner = { after: (ending) => endings.push(ending) };
const began = Date.now();
const counts = {};
const count = (what) => (counts[what] = (counts[what] ?? 0) + 1);
const log = (...said) => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(7)} s`, ...said);

/** A descriptor of a kind, good or bad. */
function descriptor(service, kind) {
  const check = { interval: "500ms", timeout: "400ms", retries: 3, start_period: "4s" };
  const base = {
    image: `web:${1 + below(2)}`,
    replicas: 1 + below(4),
    ports: [{ name: "http", container: 8080 }],
    env: { DB_PASSWORD: SECRET, ROUND: String(below(1e6)) },
    update: { order: random() < 0.3 ? "stop-first" : "start-first", parallelism: 1 + below(2), monitor: "500ms" },
    stop: { grace: "1s" },
    ...(service === "plain" ? {} : { health: { http: { port: 8080, path: "/healthz" }, ...check } }),
  };
  const shell = (script) => ["/bin/sh", "-c", script];
  return {
    ...base,
    ...{
      good: {},
      slow: { command: shell("busybox sleep 2; exec busybox httpd -f -p 8080 -h /www") },
      exits: { image: "web:broken" },
      crawls: { command: shell("busybox sleep 1; exit 3") },
      command: { command: ["no-such-program"] },
      unhealthy: { health: { tcp: { port: 9 }, ...check, start_period: "1s" } },
      image: { image: "web:none" },
    }[kind],
  };
}

/** What people do. Each gives the body of a request to the service's path, drawn before anything begins. */
const WISHES = {
  good: (service) => ["/deployments", { descriptor: descriptor(service, random() < 0.3 ? "slow" : "good") }],
  bad: (service) => ["/deployments", { descriptor: descriptor(service, weighed({ exits: 1, crawls: 1, command: 1, unhealthy: 1, image: 1 })) }],
  scale: () => ["/scale", { replicas: 1 + below(4) }],
  restart: () => ["/restart", {}],
  stop: () => ["/stop", {}],
  start: () => ["/start", {}],
  rollback: () => ["/rollback", { revision: random() }],
  cancel: () => ["/cancel", {}],
  delete: () => ["", undefined],
};

async function wish(shop, { service, what, request: [path, body] }) {
  const services = shop.path(service);
  if (what === "delete") return shop.portal.api("DELETE", services);
  if (service === "brief") await shop.portal.api("POST", shop.path(), { name: service });
  if (what === "rollback") {
    const { body: list } = await shop.portal.api("GET", `${services}/revisions`);
    const revision = list.items?.[Math.floor(body.revision * list.items.length)]?.number ?? 1;
    return shop.portal.api("POST", services + path, { revision });
  }
  if (what === "cancel") {
    const { body: list } = await shop.portal.api("GET", `${services}/deployments`);
    const open = list.items?.find((deployment) => !FINAL.has(deployment.state));
    return open ? shop.portal.api("POST", `${services}/deployments/${open.id}/cancel`, {}) : { status: 0 };
  }
  return shop.portal.api("POST", services + path, body);
}

/** What happens to people. `where` picks a container, `pause` is how long something is away. */
const BLOWS = {
  async portal({ portal }, { pause }) {
    await portal.crash();
    await delay(pause);
    await portal.resume();
  },
  async engineStop({ engine }, { pause }) {
    await engine.stop();
    await delay(pause);
    await engine.start();
  },
  async engineCrash({ engine }, { pause }) {
    await engine.crash();
    await delay(pause);
    await engine.start();
  },
  kill: (shop, { where }) => strike(shop, where, ["kill"]),
  remove: (shop, { where }) => strike(shop, where, ["rm", "-f"]),
  removeAll: async (shop) => {
    const all = await shop.containers();
    if (all.length > 0) await shop.docker.run(["rm", "-f", ...all.map(({ id }) => id)]);
  },
  prune: (shop) => shop.docker.run(["image", "prune", "-a", "-f"]),
};

async function strike(shop, where, verb) {
  const alive = (await shop.containers()).filter(({ state }) => state === "running");
  if (alive.length > 0) await shop.docker.run([...verb, alive[Math.floor(where * alive.length)].id]);
}

/** Draws a round: who does what to what, and when. */
function draw(spare) {
  const wishes = Array.from({ length: 1 + below(3) }, () => {
    const service = SERVICES[below(SERVICES.length)];
    const what = weighed({ good: 8, bad: 4, scale: 3, restart: 2, stop: 1, start: 2, rollback: 2, cancel: 1, delete: service === "brief" ? 2 : 0 });
    return { at: below(3000), service, what, request: WISHES[what](service) };
  });
  const weights = { portal: spare ? 0 : 6, engineStop: 1, engineCrash: 1, kill: 3, remove: 3, removeAll: 1, prune: 2 };
  const blows = Array.from({ length: below(3) }, () => ({ at: below(5000), what: weighed(weights), where: random(), pause: below(2000) }));
  const pushes = Array.from({ length: below(3) }, () => ({ at: below(2000), how: weighed({ docker: 1, twice: 2, cut: 2, plain: 1 }), seed: below(1e9) }));
  return { wishes, blows: blows.sort((a, b) => a.at - b.at), pushes };
}

/** Does all of a round, each thing at its time; blows one after the other, since two of them at once are one. */
async function play(shop, pusher, round) {
  const start = Date.now();
  const at = (time) => delay(Math.max(0, start + time - Date.now()));
  const errors = [];
  const wishes = round.wishes.map(async (each) => {
    await at(each.at);
    const answer = await wish(shop, each).catch((error) => ({ status: 0, error }));
    count(`${each.what}`);
    // A call that the portal's death cut off may have been carried out or not: both are fine. A fault of the portal's own is not.
    if (answer.status >= 500 && answer.status !== 503) errors.push(new Error(`${each.what} ${each.service}: ${answer.status} ${JSON.stringify(answer.body)}`));
  });
  const pushes = round.pushes.map(async (each) => {
    await at(each.at);
    await pusher.push(each).catch((error) => errors.push(error));
  });
  const blows = (async () => {
    for (const each of round.blows) {
      await at(each.at);
      await BLOWS[each.what](shop, each);
      count(each.what);
    }
  })();
  await Promise.all([...wishes, ...pushes, blows]);
  if (errors.length > 0) throw errors[0];
}

/** What the portal's process has at the moment. */
function sample({ process: { pid } }) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return { mib: Number(status.match(/RssAnon:\s+(\d+)/)[1]) / 1024, files: readdirSync(`/proc/${pid}/fd`).length };
}

/** Compares the first third of the samples with the last. */
function growth(samples) {
  const third = Math.floor(samples.length / 3);
  if (third < 1) return "too few rounds to compare memory";
  const median = (list, key) => list.map((one) => one[key]).sort((a, b) => a - b)[Math.floor(list.length / 2)];
  const [first, last] = [samples.slice(0, third), samples.slice(-third)];
  const [mib, files] = [[median(first, "mib"), median(last, "mib")], [median(first, "files"), median(last, "files")]];
  assert.ok(mib[1] <= mib[0] * 1.3 + 16, `the portal's memory grew from ${mib[0].toFixed(1)} to ${mib[1].toFixed(1)} MiB`);
  assert.ok(files[1] <= files[0] * 1.2 + 10, `the portal's open files grew from ${files[0]} to ${files[1]}`);
  return `memory ${mib.map((one) => one.toFixed(1)).join(" -> ")} MiB, open files ${files.join(" -> ")}`;
}

async function open() {
  const shop = await Shop.open(owner);
  shop.engine = OwnEngine.find();
  assert.ok(shop.engine, "run this through `make soak`: it stops the engine");
  for (const version of ["1", "2"]) {
    await shop.docker.webImage(`${shop.registry}/web:${version}`, version);
    await shop.push("web", version);
  }
  await shop.docker.brokenImage(`${shop.registry}/web:broken`);
  await shop.push("web", "broken");
  for (const service of SERVICES) {
    await shop.service(service);
    await shop.deployed(service, descriptor(service, "good"));
  }
  return shop;
}

async function main() {
  log(`seed ${seed}, ${minutes} minutes; SOAK_SEED=${seed} repeats it`);
  const shop = await open();
  const pusher = new Pusher(shop, count);
  const samples = [];
  let rounds = 0;
  let deployments = {};
  let longest = 0;
  try {
    for (; Date.now() - began < minutes * 60_000; rounds++) {
      const spare = Date.now() - began > minutes * 30_000;
      const round = draw(spare);
      log(`round ${rounds}:`, [...round.wishes.map((each) => `${each.what} ${each.service}`), ...round.pushes.map((each) => `push ${each.how}`), ...round.blows.map((each) => each.what)].join(", "));
      await play(shop, pusher, round);
      const { ends, seconds, waited } = await rest(shop, SERVICES);
      deployments = ends;
      longest = Math.max(longest, seconds);
      if (seconds > SLOW) log(`at rest after ${seconds.toFixed(1)} s; last it waited for: ${waited}`);
      await assertPushed(shop, pusher);
      await assertLogClean(shop, [SECRET, shop.portal.password]);
      if (spare) samples.push(sample(shop.portal));
    }
    await pusher.pullAll();
    const grown = growth(samples);
    log(`seed ${seed}: ${rounds} rounds; ${JSON.stringify(counts)}; deployments ${JSON.stringify(deployments)}; at rest after ${longest.toFixed(1)} s at most; ${grown}`);
  } catch (error) {
    const tail = (await shop.portal.log()).split("\n").slice(-80).join("\n");
    const seen = JSON.stringify(await shop.containers().catch((error) => error.message), undefined, 1);
    log(`seed ${seed}, round ${rounds} FAILED; ${JSON.stringify(counts)}\n${error.stack}\n\ncontainers: ${seen}\n\nthe end of the portal's log:\n${tail}`);
    process.exitCode = 1;
  }
}

await main().finally(async () => {
  for (const ending of endings.reverse()) await ending();
});
