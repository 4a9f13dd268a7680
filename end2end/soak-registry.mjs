// The test of endurance behind `make soak-registry`: for SOAK_MINUTES (10) clients push, share, delete and read images while collections run one after
// the other with a lease of a few seconds and the portal is killed again and again. It fails at the first acknowledged blob that cannot be read or
// is not what its digest says, and at the first manifest that is refused although its blobs were asked for within the lease. At the end
// everything that is dead must be gone from the disk, and nothing else.
//
// What is done comes from SOAK_SEED, which is printed; what meets what is the machine's affair.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { chance } from "./chance.mjs";
import { Portal } from "./portal.mjs";

const minutes = Number(process.env.SOAK_MINUTES || 10);
const seed = Number(process.env.SOAK_SEED || Math.floor(Math.random() * 1e9));
/** Seconds for which what nothing needs is kept; a promise is good for seven eighths of it. */
const LEASE = 4;
const PROMISED = LEASE * 1000 * (7 / 8);
const REPOSITORIES = 6;
/** Different layers that images are made of: few, so that they are shared, die and come back all the time. */
const LAYERS = 60;
const PUSHERS = 6;

const TYPE = "application/vnd.oci.image.manifest.v1+json";
const sha256 = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const random = chance(seed);
const below = (count) => Math.floor(random() * count);
const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const endings = [];
const began = Date.now();
const until = began + minutes * 60_000;
const counts = {};
const count = (what, by = 1) => (counts[what] = (counts[what] ?? 0) + by);
const log = (...said) => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(7)} s`, ...said);

/** The layer of a number: some are large enough to be sent in chunks. */
function layer(number) {
  const size = number % 10 === 0 ? 1 << 20 : 200 + number * 97;
  const bytes = Buffer.alloc(size, `layer ${number} of ${seed} `);
  return { bytes, digest: sha256(bytes) };
}

const layers = Array.from({ length: LAYERS }, (_, number) => layer(number));
/** Images of which a push was confirmed and no deletion begun: `repository digest` to what they are made of. */
const alive = new Map();
/** Those of which nobody knows: the portal was killed before it answered. */
const unknown = new Set();
/** When each repository was last deleted whole; while that is under way, some time from now. */
const emptied = new Map();
let portal, authorization;

/** One request; null when the portal was killed meanwhile. */
function send(method, path, body, headers = {}) {
  return new Promise((resolve) => {
    const sent = request({ host: "127.0.0.1", port: portal.port, method, path, agent, headers: { authorization, ...(body ? { "content-length": body.length } : {}), ...headers } });
    sent.on("error", () => resolve(null));
    sent.on("response", (answer) => {
      const pieces = [];
      answer.on("data", (piece) => pieces.push(piece));
      answer.on("error", () => resolve(null));
      answer.on("end", () => resolve(answer.complete ? { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces) } : null));
    });
    sent.end(body);
  });
}

function expect(answer, statuses, what) {
  if (answer && !statuses.includes(answer.status)) throw new Error(`${what}: ${answer.status} ${answer.body.toString("utf8", 0, 500)}`);
  return answer;
}

/** Makes sure that the repository has the blob, in one of the ways that clients have; when it was promised, or null if the portal was killed. */
async function bring(repository, { bytes, digest }) {
  const path = `/v2/${repository}/blobs`;
  const asked = Date.now();
  const head = expect(await send("HEAD", `${path}/${digest}`), [200, 404], "HEAD of a blob");
  if (!head) return null;
  if (head.status === 200) return count("found"), asked;
  if (random() < 0.4) {
    const now = Date.now();
    const from = `soak/r${below(REPOSITORIES)}`;
    const mounted = expect(await send("POST", `${path}/uploads/?mount=${digest}&from=${from}`), [201, 202], "a mount");
    if (mounted?.status === 201) return count("mounted"), now;
  }
  const now = Date.now();
  if (random() < 0.7) {
    const pushed = expect(await send("POST", `${path}/uploads/?digest=${digest}`, bytes), [201], "an upload");
    return pushed && (count("uploaded"), now);
  }
  const upload = expect(await send("POST", `${path}/uploads/`), [202], "the beginning of an upload");
  if (!upload) return null;
  const half = bytes.length >> 1;
  const place = upload.headers.location;
  const first = expect(await send("PATCH", place, bytes.subarray(0, half), { "content-range": `0-${half - 1}` }), [202], "a chunk");
  if (!first) return null;
  if (random() < 0.1) return count("left"), null;
  const finished = Date.now();
  const put = expect(await send("PUT", `${place}?digest=${digest}`, bytes.subarray(half)), [201], "the end of an upload");
  return put && (count("chunked"), finished);
}

/** Pushes an image of some layers, with a rest between its blobs and its manifest. */
async function push() {
  const repository = `soak/r${below(REPOSITORIES)}`;
  const parts = Array.from({ length: 1 + below(5) }, () => layers[below(LAYERS)]);
  const config = Buffer.from(JSON.stringify({ os: "linux", architecture: "amd64", made: below(1e9) }));
  const blobs = [{ bytes: config, digest: sha256(config) }, ...new Map(parts.map((part) => [part.digest, part])).values()];
  const described = (part, mediaType) => ({ mediaType, digest: part.digest, size: part.bytes.length });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: TYPE,
      config: described(blobs[0], "application/vnd.oci.image.config.v1+json"),
      layers: parts.map((part) => described(part, "application/vnd.oci.image.layer.v1.tar")),
    }),
  );
  let promised = Infinity;
  for (const blob of blobs) {
    const at = await bring(repository, blob);
    if (at === null) return;
    promised = Math.min(promised, at);
  }
  // Often for almost as long as was promised, sometimes for longer.
  await delay(random() < 0.5 ? 0 : random() * LEASE * 1250);
  const key = `${repository} ${sha256(manifest)}`;
  unknown.add(key);
  const by = random() < 0.8 ? `t${below(20)}` : sha256(manifest);
  const put = await send("PUT", `/v2/${repository}/manifests/${by}`, manifest, { "content-type": TYPE });
  if (!put) return count("pushUnknown");
  const swept = (emptied.get(repository) ?? 0) > promised;
  if (put.status === 201) {
    // What came while the repository was being deleted is there or not: nobody knows.
    if (!swept) {
      unknown.delete(key);
      alive.set(key, blobs);
    }
    return count("pushed");
  }
  unknown.delete(key);
  const late = Date.now() - promised;
  if (put.status === 404 && swept) return count("refusedSwept");
  if (put.status === 404 && late > PROMISED) return count("refusedLate");
  throw new Error(`a manifest whose blobs were promised ${late} ms ago was refused: ${put.status} ${put.body}`);
}

/** Takes an image away, or a whole repository. */
async function remove() {
  const keys = [...alive.keys()];
  if (keys.length < 20) return;
  const key = keys[below(keys.length)];
  const [repository, digest] = key.split(" ");
  if (random() < 0.02) {
    const all = keys.filter((key) => key.startsWith(`${repository} `));
    for (const key of all) alive.delete(key);
    emptied.set(repository, Infinity);
    const gone = await send("DELETE", `/api/v1/projects/soak/repositories/${repository.split("/")[1]}`);
    // Not deleted, or nobody knows: what is there is looked at in the end.
    emptied.set(repository, Date.now());
    for (const key of all) unknown.add(key);
    return count("repositoriesDeleted");
  }
  alive.delete(key);
  const gone = expect(await send("DELETE", `/v2/${repository}/manifests/${digest}`), [202, 404], "a deletion");
  if (!gone) unknown.add(key);
  count("deleted");
}

/** Reads an image whole. `asked` says whether it must be there all the time. */
async function read(key, blobs) {
  const [repository, digest] = key.split(" ");
  const manifest = await send("GET", `/v2/${repository}/manifests/${digest}`);
  if (!manifest || (manifest.status === 404 && !alive.has(key))) return;
  expect(manifest, [200], `the manifest ${key}`);
  for (const { digest, bytes } of blobs) {
    const blob = await send("GET", `/v2/${repository}/blobs/${digest}`);
    if (!blob || !alive.has(key)) return;
    expect(blob, [200], `the blob ${digest} of ${key}`);
    assert.ok(blob.body.equals(bytes), `the blob ${digest} of ${key} is not what was pushed`);
  }
  count("verified");
}

async function reader() {
  const entries = [...alive];
  if (entries.length === 0) return delay(50);
  const [key, blobs] = entries[below(entries.length)];
  return read(key, blobs);
}

/** One collection after the other. */
async function collect() {
  const asked = await send("POST", "/api/v1/registry/runs", Buffer.from(JSON.stringify({ kind: "collect" })), { "content-type": "application/json" });
  if (!asked) return delay(100);
  if (asked.status === 201) {
    const run = JSON.parse(asked.body);
    const ended = await send("GET", `/api/v1/registry/runs/${run.id}?wait=60`);
    if (ended?.status !== 200) return;
    const { state, counts: did, error } = JSON.parse(ended.body);
    assert.ok(state === "done", `a collection ended as ${state}: ${error}`);
    count("collections");
    count("collected", did.blobs);
    return did;
  }
  // One that a kill cut short goes on.
  expect(asked, [409], "a collection");
  await delay(200);
}

async function killer() {
  await delay(3000 + random() * 9000);
  if (Date.now() >= until) return;
  await portal.crash();
  count("kills");
  await portal.resume();
}

/** Repeats something until the time is over. */
async function forever(work, rest = 0) {
  while (Date.now() < until) {
    await work();
    if (rest) await delay(random() * rest);
  }
}

/** Every file of the blobs' folder: where it is aside, and where it is a blob. */
function onDisk() {
  const folder = join(portal.data, "data/blobs");
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return {
    blobs: new Set(files.filter((file) => !file.parentPath.endsWith("aside")).map((file) => `sha256:${file.name}`)),
    aside: files.filter((file) => file.parentPath.endsWith("aside")).length,
    bytes: files.reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0),
  };
}

/** All that is left is what living images are made of. */
async function settle() {
  log("the time is over: everything alive is read, half of it is deleted, and what is dead must go");
  for (const key of unknown) {
    const [repository, digest] = key.split(" ");
    const found = await send("GET", `/v2/${repository}/manifests/${digest}`);
    if (found.status !== 200) continue;
    const { config, layers: parts } = JSON.parse(found.body);
    for (const { digest } of [config, ...parts]) {
      const blob = expect(await send("GET", `/v2/${repository}/blobs/${digest}`), [200], `the blob ${digest} of an image whose push was cut`);
      assert.equal(sha256(blob.body), digest);
    }
    alive.set(key, [config, ...parts].map(({ digest }) => ({ digest })));
    count("cutAndThere");
  }
  const entries = [...alive];
  for (const [index, [key, blobs]] of entries.entries()) {
    if (blobs.every(({ bytes }) => bytes)) await read(key, blobs);
    if (index % 2) continue;
    const [repository, digest] = key.split(" ");
    expect(await send("DELETE", `/v2/${repository}/manifests/${digest}`), [202], "a deletion");
    alive.delete(key);
  }
  await delay(LEASE * 1000 + 1000);
  while (!(await collect()));
  const needed = new Set([...alive.values()].flat().map(({ digest }) => digest));
  const { blobs, bytes } = onDisk();
  assert.deepEqual([...needed].filter((digest) => !blobs.has(digest)), [], "blobs of living images that are not on the disk");
  assert.deepEqual([...blobs].filter((digest) => !needed.has(digest)), [], "blobs on the disk that nothing needs");
  for (const [key, parts] of alive) if (parts.every(({ bytes }) => bytes)) await read(key, parts);
  const storage = JSON.parse((await send("GET", "/api/v1/registry")).body);
  assert.equal(storage.blobs, needed.size, "blobs by the portal's count");
  assert.equal(storage.bytes, storage.bytes_of_projects, "the project's bytes, counted by its ledger");
  log(`${alive.size} images of ${needed.size} blobs are left, ${bytes} bytes with what is aside`);
}

console.log(`seed ${seed}, ${minutes} minutes, a lease of ${LEASE} s`);
let failed;
try {
  portal = await Portal.start({ after: (ending) => endings.push(ending) }, {
    SLIPWAY_COLLECT_AFTER: `${LEASE}s`,
    ...(process.env.SLIPWAY_TEST_POSTGRES && { SLIPWAY_DATABASE_URL: process.env.SLIPWAY_TEST_POSTGRES }),
  });
  authorization = `Basic ${Buffer.from(`admin:${portal.password}`).toString("base64")}`;
  assert.equal((await portal.api("POST", "/projects", { name: "soak" })).status, 201);
  const told = setInterval(() => log(JSON.stringify(counts)), 30_000);
  endings.push(() => clearInterval(told));
  await Promise.all([
    ...Array.from({ length: PUSHERS }, () => forever(push)),
    ...Array.from({ length: 2 }, () => forever(reader)),
    forever(remove, 200),
    forever(collect, 300),
    forever(killer),
  ]);
  await settle();
  const errors = (await portal.log()).split("\n").filter((line) => line.includes("ERROR"));
  assert.deepEqual(errors, [], "errors in the portal's log");
} catch (error) {
  failed = error;
}
for (const ending of endings.reverse()) await Promise.resolve(ending()).catch((error) => (failed ??= error));
agent.destroy();
log(JSON.stringify(counts));
if (failed) {
  console.error(failed, await portal?.log().then((text) => text.slice(-4000)).catch(() => ""));
  process.exit(1);
}
console.log("nothing was lost, and nothing dead was left");
process.exit(0);
