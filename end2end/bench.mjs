// The figures of `make bench`. The HTTP client is curl, which throws the bytes away or reads them from a file in the page cache; pairs
// alternate, and the ratio is taken pair by pair, so that a machine whose speed drifts does not decide. BENCH_ONLY=rollouts, shells, logs,
// metrics, crowd, discovery, events, hook or status: that part alone.
import { rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { anonymous, blob, MiB, owner, peak, peer, putAway, Registry, renew, say, spread } from "./bench-measure.mjs";
import { crowd } from "./bench-crowd.mjs";
import { discovery } from "./bench-discovery.mjs";
import { events } from "./bench-events.mjs";
import { hook } from "./bench-hooks.mjs";
import { logs } from "./bench-logs.mjs";
import { metrics } from "./bench-metrics.mjs";
import { rollouts } from "./bench-rollouts.mjs";
import { shells } from "./bench-shells.mjs";
import { status } from "./bench-status.mjs";
import { closeBrowser, Visitor } from "./browser.mjs";
import { Docker } from "./engine.mjs";
import { Portal } from "./portal.mjs";

const PAIRS = 7;
const BLOB = 256 * MiB;

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
  const parts = { rollouts, shells, logs, metrics, crowd, discovery, events, hook, status };
  const only = parts[process.env.BENCH_ONLY];
  if (only) return only(await Docker.install(owner));
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
  for (const part of Object.values(parts)) await part(await Docker.install(owner));
}

await main().finally(async () => {
  await putAway();
  await closeBrowser();
});
