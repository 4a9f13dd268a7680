// The figures of `make bench`. The HTTP client is curl, which throws the bytes away or reads them from a file in the page cache; pairs
// alternate, and the ratio is taken pair by pair, so that a machine whose speed drifts does not decide.
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { open, rm, writeFile } from "node:fs/promises";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { closeBrowser, Visitor } from "./browser.mjs";
import { Docker } from "./engine.mjs";
import { Portal, freePort } from "./portal.mjs";

const run = promisify(execFile);
const scratch = process.env.SCRATCH;
const MiB = 1024 * 1024;
const PAIRS = 7;
const BLOB = 256 * MiB;

const endings = [];
/** Stands for a test: what must be put away at the end. */
const owner = { after: (ending) => endings.push(ending) };

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const say = (what, figures) => console.log(`${what.padEnd(44)} ${figures}`);
const spread = (values, digits = 3) => `median ${median(values).toFixed(digits)}  (${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)})`;

/** CPU seconds of a process so far. */
function cpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Anonymous resident memory of a process, in MiB. */
function anonymous(pid) {
  return Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/RssAnon:\s+(\d+)/)[1]) / 1024;
}

/** The largest anonymous memory while `act` runs. */
async function peak(pid, act) {
  let highest = anonymous(pid);
  const watch = setInterval(() => (highest = Math.max(highest, anonymous(pid))), 20);
  await act();
  clearInterval(watch);
  return highest;
}

/** A file of random bytes and its digest. */
async function blob(name, size) {
  const path = join(scratch, name);
  const file = await open(path, "w");
  const piece = randomBytes(MiB);
  for (let at = 0; at < size; at += MiB) {
    piece.writeUInt32LE(at / MiB, 0);
    await file.write(piece);
  }
  await file.close();
  return { path, size, digest: await digest(path) };
}

async function digest(path) {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: MiB })) hash.update(piece);
  return `sha256:${hash.digest("hex")}`;
}

/** Changes a blob's first bytes: the next push is of something new. */
async function renew(blob) {
  const file = await open(blob.path, "r+");
  await file.write(randomBytes(64), 0, 64, 0);
  await file.close();
  blob.digest = await digest(blob.path);
}

/** A registry: where it is, who serves it, what a client sends along. */
class Registry {
  constructor(name, base, pid, headers = []) {
    Object.assign(this, { name, base, pid, headers });
  }

  curl(...args) {
    return run("curl", ["-sS", "--fail-with-body", ...this.headers.flatMap((header) => ["-H", header]), ...args], { maxBuffer: MiB });
  }

  /** Wall and CPU seconds of what `act` does. */
  async measure(act) {
    const [began, used] = [performance.now(), cpu(this.pid)];
    await act();
    return { wall: (performance.now() - began) / 1000, cpu: cpu(this.pid) - used };
  }

  async push(blob) {
    const { stdout } = await this.curl("-X", "POST", "-D", "-", "-o", "/dev/null", `${this.base}/blobs/uploads/`);
    const location = new URL(stdout.match(/^location: (\S+)/im)[1], this.base);
    location.searchParams.set("digest", blob.digest);
    return this.measure(() => this.curl("-T", blob.path, "-H", "content-type: application/octet-stream", "-H", "expect:", location.href));
  }

  pull(blob) {
    return this.measure(() => this.curl("-o", "/dev/null", `${this.base}/blobs/${blob.digest}`));
  }
}

/** Debian's docker-registry on the same disk. */
async function peer() {
  const port = await freePort();
  const config = join(scratch, "registry.yml");
  const lines = ["version: 0.1", "log: {level: error, accesslog: {disabled: true}}", `storage: {filesystem: {rootdirectory: ${scratch}/peer}}`, `http: {addr: "127.0.0.1:${port}"}`];
  await writeFile(config, lines.join("\n"));
  const child = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
  endings.push(() => child.kill());
  for (let tries = 0; tries < 100; tries++) {
    if ((await fetch(`http://127.0.0.1:${port}/v2/`).catch(() => undefined))?.ok) break;
    await delay(50);
  }
  return new Registry("docker-registry 2.8", `http://127.0.0.1:${port}/v2/bench/blob`, child.pid);
}

async function transfers(ours, theirs) {
  const file = await blob("blob", BLOB);
  const kinds = { push: async (registry) => (await renew(file), registry.push(file)), pull: (registry) => registry.pull(file) };
  for (const [kind, act] of Object.entries(kinds)) {
    if (kind === "pull") for (const registry of [ours, theirs]) await registry.push(file), await registry.pull(file);
    const seen = { ours: [], theirs: [] };
    for (let pair = 0; pair < PAIRS; pair++) {
      seen.ours.push(await act(ours));
      seen.theirs.push(await act(theirs));
    }
    const ratios = seen.ours.map((one, at) => one.wall / seen.theirs[at].wall);
    for (const [name, all] of [["slipway", seen.ours], [theirs.name, seen.theirs]]) {
      say(`${kind} 256 MiB, ${name}: seconds`, spread(all.map((one) => one.wall)));
      say(`${kind} 256 MiB, ${name}: CPU s per GiB`, spread(all.map((one) => one.cpu * 4), 2));
    }
    say(`${kind} 256 MiB: slipway / ${theirs.name}`, spread(ratios, 2));
  }
  await rm(file.path);
}

/** From the request to the moment at which the engine started the container. */
async function deploys(portal, docker) {
  const image = `${portal.registry}/bench/web:1`;
  await docker.login(portal.registry, "admin", portal.password);
  await docker.webImage(image, "one");
  await docker.do(["push", image]);
  const started = async (container) => Date.parse(await docker.do(["inspect", "--format", "{{.State.StartedAt}}", container]));
  const descriptor = { image: "web:1", replicas: 1, update: { monitor: "0s" } };
  // As a CI would: a password costs a hash at each request, a token does not.
  const token = await portal.api("POST", "/me/tokens", { name: "bench", scopes: ["admin"] });
  const ci = { username: "admin", password: token.body.secret };
  const ran = async (...options) => {
    const began = Date.now();
    const container = await docker.do(["run", "-d", ...options, image]);
    const took = (await started(container)) - began;
    await docker.do(["rm", "-f", container]);
    return took;
  };
  const seen = { ours: [], plain: [], networked: [] };
  for (let pair = 0; pair <= PAIRS; pair++) {
    const name = `web-${pair}`;
    const services = "/projects/bench/services";
    await portal.api("POST", services, { name }, ci);
    const began = Date.now();
    const made = await portal.api("POST", `${services}/${name}/deployments`, { descriptor }, ci);
    if (made.status !== 202) throw new Error(JSON.stringify(made.body));
    await portal.api("GET", `${services}/${name}/deployments/${made.body.id}?wait=60`, undefined, ci);
    const { body } = await portal.api("GET", `${services}/${name}/tasks`);
    const [{ container }] = body.items;
    const ours = (await started(container)) - began;
    // A project's containers have a network of their own, whose names the engine resolves: what that costs is the engine's.
    const network = await docker.do(["inspect", "--format", "{{.HostConfig.NetworkMode}}", container]);
    const figures = { ours, plain: await ran(), networked: await ran("--network", network) };
    // The first one fetches the image: it is not counted.
    if (pair > 0) for (const [kind, took] of Object.entries(figures)) seen[kind].push(took);
    await portal.api("POST", `${services}/${name}/stop`, {});
  }
  const ratio = (peer) => spread(seen.ours.map((one, at) => one / peer[at]), 2);
  say("deploy to task started, slipway: ms", spread(seen.ours, 0));
  say("docker run -d to started: ms", spread(seen.plain, 0));
  say("docker run -d --network to started: ms", spread(seen.networked, 0));
  say("deploy / docker run", ratio(seen.plain));
  say("deploy / docker run --network", ratio(seen.networked));
}

/** What a browser with an empty cache fetches for a page: wasm, JavaScript and style sheets, as they come over the wire. */
async function load(portal, path, cookies) {
  const visitor = await Visitor.arrive(owner);
  await visitor.context.addCookies(cookies);
  const kinds = { wasm: 0, js: 0, css: 0 };
  const finished = [];
  visitor.context.on("requestfinished", (request) => {
    const kind = new URL(request.url()).pathname.split(".").pop();
    if (kind in kinds) finished.push(request.sizes().then(({ responseBodySize }) => (kinds[kind] += responseBodySize)));
  });
  await visitor.page.goto(portal.url + path);
  await visitor.page.locator("html[data-ready]").waitFor();
  await Promise.all(finished);
  const KiB = (bytes) => (bytes / 1024).toFixed(1);
  const sum = kinds.wasm + kinds.js + kinds.css;
  say(`first load of ${path}: KiB`, `${KiB(sum)}  (${Object.entries(kinds).map(([kind, bytes]) => `${kind} ${KiB(bytes)}`).join(", ")}; ${finished.length} files)`);
  return visitor;
}

async function pages(portal) {
  const { page, context } = await load(portal, "/login", []);
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill(portal.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${portal.url}/`);
  const cookies = await context.cookies();
  for (const path of ["/", "/projects/bench", "/projects/bench/services/web-1", "/projects/bench/services/web-1/deploy"]) await load(portal, path, cookies);
}

async function main() {
  const portal = await Portal.start(owner);
  const { pid } = portal.process;
  await delay(2000);
  say("resident memory, idle after start: MiB", `${anonymous(pid).toFixed(1)} anonymous`);
  await portal.api("POST", "/projects", { name: "bench" });
  const basic = Buffer.from(`admin:${portal.password}`).toString("base64");
  const scope = "service=slipway&scope=repository:bench/blob:pull,push";
  const answer = await fetch(`http://${portal.registry}/auth/token?${scope}`, { headers: { authorization: `Basic ${basic}` } });
  const { token } = await answer.json();
  const ours = new Registry("slipway", `http://${portal.registry}/v2/bench/blob`, pid, [`authorization: Bearer ${token}`]);
  await transfers(ours, await peer());
  const large = await blob("large", 2048 * MiB);
  say("memory during a 2 GiB push: MiB, peak", `${(await peak(pid, () => ours.push(large))).toFixed(1)} anonymous`);
  await rm(large.path);
  await deploys(portal, await Docker.install(owner));
  await pages(portal);
}

await main().finally(async () => {
  for (const ending of endings.reverse()) await ending();
  await closeBrowser();
});
