// The figures of `make bench-registry`: blobs and manifests in and out, alone and many at once, against Debian's docker-registry and, for the bytes of
// blobs, nginx; lists of 10,000 tags; a collection of 100,000 blobs and what pushes and pulls feel of it; memory. BENCH_ONLY names one part,
// BENCH_PAIRS and BENCH_BLOBS make it smaller.
import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { anonymous, blob, MiB, nginx, owner, peer, putAway, Registry, renew, say, scratch, spread } from "./bench-measure.mjs";
import { Portal } from "./portal.mjs";

const PAIRS = Number(process.env.BENCH_PAIRS || 7);
const TYPE = "application/vnd.oci.image.manifest.v1+json";
/** Seconds for which what nothing needs is kept: short, so that a collection finds something. */
const LEASE = 30;
const sha256 = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** One request over a connection that is used again: its answer, read whole, and its milliseconds. */
function ask(registry, method, path, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const all = { ...Object.fromEntries(registry.headers.map((header) => header.split(": "))), ...(body ? { "content-length": body.length } : {}), ...headers };
    const sent = request(new URL(path, registry.base), { method, agent, headers: all }, (answer) => {
      const pieces = [];
      answer.on("data", (piece) => pieces.push(piece));
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces), ms: performance.now() - began }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** The quantile of some milliseconds. */
const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
const tail = (values) => `p50 ${quantile(values, 0.5).toFixed(2)}  p99 ${quantile(values, 0.99).toFixed(2)}  (of ${values.length})`;

/** Alternates what each contender does; wall and CPU of each, and the pairs' ratios to the first one. */
async function compare(what, bytes, contenders, act) {
  const seen = contenders.map(() => []);
  for (let pair = 0; pair < PAIRS; pair++) {
    for (const [at, one] of contenders.entries()) seen[at].push(await act(one));
  }
  for (const [at, one] of contenders.entries()) {
    say(`${what}, ${one.name}: seconds`, spread(seen[at].map(({ wall }) => wall)));
    if (bytes) say(`${what}, ${one.name}: CPU s per GiB`, spread(seen[at].map(({ cpu }) => (cpu * 1024 * MiB) / bytes), 2));
    else say(`${what}, ${one.name}: CPU s`, spread(seen[at].map(({ cpu }) => cpu), 2));
  }
  for (const [at, one] of contenders.entries()) {
    if (at > 0) say(`${what}: speed of slipway / ${one.name}`, spread(seen[at].map(({ wall }, pair) => wall / seen[0][pair].wall), 2));
  }
}

async function blobs(ours, theirs) {
  const large = await blob("large", 1024 * MiB);
  await compare("push 1 x 1 GiB", 1024 * MiB, [ours, theirs], async (registry) => (await renew(large), registry.push(large)));
  for (const registry of [ours, theirs]) await registry.push(large), await registry.pull(large);
  const plain = await nginx(scratch);
  await compare("pull 1 x 1 GiB", 1024 * MiB, [ours, theirs, plain], (registry) => (registry === plain ? plain.fetch(["large"]) : registry.pull(large)));
  await rm(large.path);
  const many = await Promise.all(Array.from({ length: 8 }, (_, at) => blob(`part${at}`, 64 * MiB)));
  for (const registry of [ours, theirs]) for (const one of many) await registry.push(one), await registry.pull(one);
  await compare("pull 8 x 64 MiB at once", 512 * MiB, [ours, theirs, plain], (registry) =>
    registry === plain ? plain.fetch(many.map((_, at) => `part${at}`)) : registry.pullAll(many),
  );
  for (const one of many) await rm(one.path);
  const small = await Promise.all(Array.from({ length: 64 }, (_, at) => blob(`small${at}`, 4 * MiB)));
  await compare("push 64 x 4 MiB at once", 256 * MiB, [ours, theirs], async (registry) => {
    for (const one of small) await renew(one);
    return registry.pushAll(small);
  });
  for (const one of small) await rm(one.path);
}

function manifest(config, layers, note) {
  const part = (bytes, mediaType) => ({ mediaType, digest: sha256(bytes), size: bytes.length });
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: TYPE,
      config: part(config, "application/vnd.oci.image.config.v1+json"),
      layers: layers.map((layer) => part(layer, "application/vnd.oci.image.layer.v1.tar")),
      annotations: { note },
    }),
  );
}

async function upload(registry, bytes) {
  const begun = await ask(registry, "POST", `${registry.base}/blobs/uploads/`);
  const location = new URL(begun.headers.location, registry.base);
  location.searchParams.set("digest", sha256(bytes));
  const put = await ask(registry, "PUT", location.href, bytes, { "content-type": "application/octet-stream" });
  if (put.status !== 201) throw new Error(`${put.status} ${put.body}`);
}

async function manifests(ours, theirs) {
  const config = Buffer.from("{}");
  const layer = Buffer.from("a layer");
  const all = Array.from({ length: 1000 }, (_, at) => manifest(config, Array.from({ length: 10 }, () => layer), `${at}`));
  for (const registry of [ours, theirs]) {
    await upload(registry, config);
    await upload(registry, layer);
    for (const one of all) {
      const put = await ask(registry, "PUT", `${registry.base}/manifests/${sha256(one)}`, one, { "content-type": TYPE });
      if (put.status !== 201) throw new Error(`${put.status} ${put.body}`);
    }
  }
  const digests = all.map(sha256);
  await compare("pull 1,000 manifests, one by one", 0, [ours, theirs], (registry) => registry.manifests(digests, 1));
  await compare("pull 1,000 manifests, 8 at once", 0, [ours, theirs], (registry) => registry.manifests(digests, 8));
  for (const registry of [ours, theirs]) {
    const times = [];
    for (let at = 0; at < 5000; at++) times.push((await ask(registry, "GET", `${registry.base}/manifests/${digests[at % 1000]}`, undefined, { accept: TYPE })).ms);
    say(`a manifest, ${registry.name}: ms`, tail(times));
  }
}

async function tags(ours) {
  const config = Buffer.from("{}");
  await upload(ours, config);
  for (let first = 0; first < 10_000; first += 50) {
    const one = manifest(config, [], `tags ${first}`);
    const names = Array.from({ length: 50 }, (_, at) => `tag=v${String(first + at).padStart(5, "0")}`).join("&");
    const put = await ask(ours, "PUT", `${ours.base}/manifests/${sha256(one)}?${names}`, one, { "content-type": TYPE });
    if (put.status !== 201) throw new Error(`${put.status} ${put.body}`);
  }
  const api = new URL(ours.base).origin;
  const list = `${api}/api/v1/projects/bench/repositories/blob/tags?limit=50`;
  const basic = { authorization: ours.basic };
  const cursor = (await ask(ours, "GET", `${list}&order=newest`, undefined, basic)).headers.link.match(/<([^>]+)>/)[1];
  for (const [what, path, headers] of [
    ["tags/list?n=100", `${ours.base}/tags/list?n=100`, {}],
    ["tags/list?n=100, deep", `${ours.base}/tags/list?n=100&last=v09500`, {}],
    ["the API's page of 50, by name", `${list}&order=name`, basic],
    ["the API's page of 50, newest", `${list}&order=newest`, basic],
    ["the API's page of 50, newest, second", new URL(cursor, api).href, basic],
    ["the API's page of 50, by name, deep", `${list}&order=name&after=v09500`, basic],
  ]) {
    const times = [];
    for (let at = 0; at < 5000; at++) times.push((await ask(ours, "GET", path, undefined, headers)).ms);
    say(`10,000 tags, ${what}: ms`, tail(times));
  }
}

/** Pushes and pulls, both to the end, until `over` and there are enough of each, and what each took. */
async function traffic(ours, over) {
  const seen = { push: [], pull: [] };
  const small = Buffer.alloc(64 * 1024, "x");
  await upload(ours, small);
  let ended = false;
  over.then(() => (ended = true));
  const more = () => !ended || seen.push.length < 5000 || seen.pull.length < 5000;
  const pushing = async () => {
    for (let at = 0; more(); at++) {
      const bytes = Buffer.from(`${Math.random()} ${at} ${"y".repeat(4096)}`);
      const began = performance.now();
      await upload(ours, bytes);
      seen.push.push(performance.now() - began);
    }
  };
  const pulling = async () => {
    while (more()) seen.pull.push((await ask(ours, "GET", `${ours.base}/blobs/${sha256(small)}`)).ms);
  };
  await Promise.all([pushing(), pulling()]);
  return seen;
}

async function collection(portal, ours) {
  const config = Buffer.from("{}");
  await upload(ours, config);
  const began = performance.now();
  const COUNT = Number(process.env.BENCH_BLOBS || 100_000);
  const make = (at) => Buffer.from(`blob ${at} of many`);
  let next = 0;
  const living = [];
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let at = next++; at < COUNT; at = next++) {
        const bytes = make(at);
        const put = await ask(ours, "POST", `${ours.base}/blobs/uploads/?digest=${sha256(bytes)}`, bytes, { "content-type": "application/octet-stream" });
        if (put.status !== 201) throw new Error(`${put.status} ${put.body}`);
        if (at % 2) living.push(bytes);
        // Before its lease ends, an image names it.
        if (living.length >= 500) {
          const one = manifest(config, living.splice(0), `of ${at}`);
          const put = await ask(ours, "PUT", `${ours.base}/manifests/${sha256(one)}`, one, { "content-type": TYPE });
          if (put.status !== 201) throw new Error(`${put.status} ${put.body}`);
        }
      }
    }),
  );
  say(`${COUNT} small blobs pushed: seconds`, ((performance.now() - began) / 1000).toFixed(1));
  await delay(LEASE * 1000);
  const without = await traffic(ours, Promise.resolve());
  const asked = await portal.api("POST", "/registry/runs", { kind: "collect" });
  let run;
  const ended = (async () => {
    do run = (await portal.api("GET", `/registry/runs/${asked.body.id}?wait=300`)).body;
    while (run.state === "running");
  })();
  const during = await traffic(ours, ended);
  say(`collection of ${COUNT} blobs: seconds`, `${((run.ended_at - run.started_at) / 1000).toFixed(1)}  (${run.state}: ${run.counts.blobs} went, ${run.counts.holds} holds)`);
  for (const kind of ["push", "pull"]) {
    say(`${kind} of a small blob, without: ms`, tail(without[kind]));
    say(`${kind} of a small blob, during a collection: ms`, tail(during[kind]));
    say(`${kind}: p99 during / without`, (quantile(during[kind], 0.99) / quantile(without[kind], 0.99)).toFixed(2));
  }
}

async function memory(portal, ours) {
  const { pid } = portal.process;
  const one = await blob("wide", 32 * MiB);
  await ours.push(one);
  const idle = anonymous(pid);
  let highest = idle;
  const watch = setInterval(() => (highest = Math.max(highest, anonymous(pid))), 20);
  await ours.pullAll(Array.from({ length: 200 }, () => one), 200);
  clearInterval(watch);
  say("memory, 200 clients pull 32 MiB at once: MiB", `${idle.toFixed(1)} before, ${highest.toFixed(1)} at most`);
  await rm(one.path);
}

const portal = await Portal.start(owner, { SLIPWAY_COLLECT_AFTER: `${LEASE}s` });
try {
  await portal.api("PUT", "/registry/schedule", { collect_hours: null, scrub_days: null, scrub_rate: 50 });
  await portal.api("POST", "/projects", { name: "bench" });
  const made = await portal.api("POST", "/me/tokens", { name: "bench", scopes: ["admin"] });
  const basic = `Basic ${Buffer.from(`admin:${made.body.secret}`).toString("base64")}`;
  const fresh = async () => {
    const answer = await fetch(`http://${portal.registry}/auth/token?service=slipway&scope=repository:bench/blob:pull,push`, { headers: { authorization: basic } });
    const { token } = await answer.json();
    const registry = new Registry("slipway", `http://${portal.registry}/v2/bench/blob`, portal.process.pid, [`authorization: Bearer ${token}`]);
    return Object.assign(registry, { basic });
  };
  const theirs = await peer();
  const parts = { blobs: async () => blobs(await fresh(), theirs), manifests: async () => manifests(await fresh(), theirs), tags: async () => tags(await fresh()) };
  parts.memory = async () => memory(portal, await fresh());
  // A personal token in place of one that ends within minutes.
  parts.collection = async () => collection(portal, Object.assign(await fresh(), { headers: [`authorization: ${basic}`] }));
  for (const [name, part] of Object.entries(parts)) if (!process.env.BENCH_ONLY || process.env.BENCH_ONLY === name) await part();
} finally {
  agent.destroy();
  await putAway();
}
