// The part `rollouts` of `make bench`: what a plan costs, what a pass costs in which nothing changed, a rolling update under load, and how long ten
// tasks take until all of them answer. BENCH_SERVICES and BENCH_TASKS make the pass smaller.
import { Agent, createServer as createHttpServer, get, request } from "node:http";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ground } from "./bench-ground.mjs";
import { cpu, median, owner, say, scratch, spread } from "./bench-measure.mjs";
import { engine } from "./engine.mjs";
import { freePort } from "./portal.mjs";
import { until } from "./shop.mjs";

const PLANS = 300;
const SERVICES = Number(process.env.BENCH_SERVICES || 100);
const TASKS = Number(process.env.BENCH_TASKS || 5);
/** Seconds between two passes. */
const PASS = 30;
const PASSES = 4;
const RATE = 200;
const ROUNDS = 3;

const health = { http: { port: 8080, path: "/healthz" }, interval: "1s", timeout: "900ms", retries: 3, start_period: "10s" };
const web = (version, replicas) => ({ image: `web:${version}`, replicas, ports: [{ name: "http", container: 8080 }], health, update: { monitor: "0s" }, stop: { grace: "2s" } });

/** An engine's socket that counts what is asked of it, by the call. */
async function counted() {
  const path = join(scratch, "counted.sock");
  const calls = {};
  const server = createServer((client) => {
    const upstream = connect(engine().replace("unix://", ""));
    client.on("data", (piece) => {
      for (const [, verb, call] of piece.toString("latin1").matchAll(/(?:^|\r\n)(GET|POST|DELETE|HEAD|PUT) (\/\S*) HTTP\/1\.1\r\n/g)) {
        const name = `${verb} ${call.replace(/\?.*/, "").replace(/^\/v[\d.]+/, "").replace(/[0-9a-f]{64}/, "{id}")}`;
        calls[name] = (calls[name] ?? 0) + 1;
      }
    });
    client.pipe(upstream).pipe(client);
    for (const end of [client, upstream]) end.on("error", () => (client.destroy(), upstream.destroy()));
  });
  await new Promise((resolve) => server.listen(path, resolve));
  owner.after(() => server.close());
  return { host: `unix://${path}`, calls };
}

/** A plan of 50 variables and 20 replicas, over a connection that is used again. */
async function plans({ portal, ci, deploy, service }) {
  await service("plan");
  const env = (round) => Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`VARIABLE_${at}`, `value ${at} of ${round}`]));
  await deploy("plan", { ...web("1", 20), env: env("before") });
  const body = JSON.stringify({ environment: "local", descriptor: { ...web("2", 20), env: env("after") } });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const headers = { authorization: `Basic ${Buffer.from(`${ci.username}:${ci.password}`).toString("base64")}`, "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const ask = () =>
    new Promise((resolve, reject) => {
      const began = performance.now();
      const sent = request(`http://${portal.registry}/api/v1/projects/bench/services/plan/plan`, { method: "POST", agent, headers }, (answer) => {
        answer.resume().on("end", () => (answer.statusCode === 200 ? resolve(performance.now() - began) : reject(new Error(`${answer.statusCode}`))));
      });
      sent.on("error", reject).end(body);
    });
  for (let warm = 0; warm < 20; warm++) await ask();
  const used = cpu(portal.process.pid);
  const walls = [];
  for (let at = 0; at < PLANS; at++) walls.push(await ask());
  say("plan, 50 variables, 20 replicas: ms with HTTP", spread(walls, 2));
  say("plan: CPU ms in the server", (((cpu(portal.process.pid) - used) * 1000) / PLANS).toFixed(2));
  agent.destroy();
}

/** Passes in which nothing changed. */
async function passes(docker) {
  const socket = await counted();
  const { portal, deploy, service } = await ground(docker, { SLIPWAY_DOCKER_HOST: socket.host });
  const idle = { image: `${portal.registry}/bench/web:1`, replicas: TASKS, command: ["/bin/busybox", "sleep", "100000"], update: { monitor: "0s" }, stop: { grace: "0s" } };
  // A project's network holds some 250 tasks.
  const projects = Array.from({ length: Math.ceil((SERVICES * TASKS) / 200) }, (_, at) => `idle-${at}`);
  for (const name of projects) await portal.api("POST", "/projects", { name });
  for (let at = 0; at < SERVICES; at += 4) {
    const names = Array.from({ length: Math.min(4, SERVICES - at) }, (_, more) => [`idle-${at + more}`, projects[(at + more) % projects.length]]);
    await Promise.all(names.map(async ([name, project]) => (await service(name, project), deploy(name, idle, project))));
  }
  await delay(2 * PASS * 1000);
  const before = { ...socket.calls };
  const used = cpu(portal.process.pid);
  await delay(PASSES * PASS * 1000);
  const spent = cpu(portal.process.pid) - used;
  const calls = Object.entries(socket.calls).map(([name, count]) => [name, (count - (before[name] ?? 0)) / PASSES]).filter(([, count]) => count > 0);
  say(`pass over ${SERVICES} services x ${TASKS} tasks: CPU ms`, ((spent * 1000) / PASSES).toFixed(1));
  say("pass: calls of the engine", calls.map(([name, count]) => `${name} ${count.toFixed(1)}`).join(", "));
}

/** The addresses of a service's tasks that serve, kept by the portal's live events. */
async function follow({ portal, call }, name) {
  const signed = await fetch(`${portal.url}/fn/accounts/login`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: portal.url, "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ username: "admin", password: portal.password }),
  });
  const cookie = signed.headers.getSetCookie().map((one) => one.split(";")[0]).join("; ");
  const { id } = await call("GET", `/${name}`);
  const targets = [];
  let reading;
  let again = false;
  const read = async () => {
    const { items } = await call("GET", `/${name}/tasks`);
    const good = items.filter((task) => task.state === "running" && task.health === "healthy");
    targets.splice(0, targets.length, ...good.map((task) => ({ host: task.host, port: task.ports[0].host })));
  };
  /** One reading at a time; what changes meanwhile is read after. */
  const refresh = () => {
    if (reading) return (again = true);
    reading = read().catch(() => undefined).finally(() => {
      reading = undefined;
      if (again) (again = false), refresh();
    });
  };
  const stop = new AbortController();
  const live = await fetch(`${portal.url}/live?topic=service:${id}`, { headers: { cookie, accept: "text/event-stream" }, signal: stop.signal });
  if (!live.ok) throw new Error(`/live answers ${live.status}`);
  (async () => {
    for await (const piece of live.body) if (piece) refresh();
  })().catch(() => undefined);
  await read();
  return { targets, stop: () => stop.abort() };
}

/** Round robin over what serves at the moment; it tries each request once. */
async function proxy(targets) {
  let turn = 0;
  const server = createHttpServer((asked, answer) => {
    const target = targets[turn++ % targets.length];
    if (!target) return answer.writeHead(503).end();
    const sent = get({ host: target.host, port: target.port, path: asked.url, agent: false, timeout: 5_000 }, (got) => {
      answer.writeHead(got.statusCode);
      got.pipe(answer);
      got.on("error", () => answer.destroy());
    });
    sent.on("timeout", () => sent.destroy(new Error("timeout")));
    sent.on("error", () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
  });
  const port = await freePort();
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${port}/`, close: () => server.close() };
}

/** A rolling update of ten behind a load. */
async function underLoad(at) {
  const { deploy, service } = at;
  await service("load");
  await deploy("load", web("1", 10));
  const followed = await follow(at, "load");
  const front = await proxy(followed.targets);
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const seen = { sent: 0, bad: {}, versions: {}, ms: [] };
  const fail = (why) => (seen.bad[why] = (seen.bad[why] ?? 0) + 1);
  const open = new Set();
  const one = () => {
    seen.sent += 1;
    const began = performance.now();
    const done = new Promise((resolve) => {
      const sent = get(front.url, { agent, timeout: 10_000 }, (answer) => {
        let text = "";
        answer.on("data", (piece) => (text += piece));
        answer.on("end", () => {
          if (answer.statusCode !== 200) fail(answer.statusCode);
          else seen.versions[text.trim()] = (seen.versions[text.trim()] ?? 0) + 1;
          seen.ms.push(performance.now() - began);
          resolve();
        });
        answer.on("error", (error) => resolve(fail(error.code)));
      });
      sent.on("timeout", () => sent.destroy(new Error("timeout")));
      sent.on("error", (error) => resolve(fail(error.code ?? error.message)));
    });
    open.add(done);
    done.then(() => open.delete(done));
  };
  const start = performance.now();
  const beat = setInterval(() => {
    while (seen.sent < ((performance.now() - start) / 1000) * RATE) one();
  }, 5);
  await delay(2_000);
  const began = performance.now();
  await deploy("load", web("2", 10));
  const took = (performance.now() - began) / 1000;
  await delay(2_000);
  clearInterval(beat);
  await Promise.all(open);
  const failed = Object.values(seen.bad).reduce((sum, count) => sum + count, 0);
  say(`rolling update of 10 at ${RATE} requests/s: failed`, `${failed} of ${seen.sent} ${JSON.stringify(seen.bad)} (${took.toFixed(1)} s; ${JSON.stringify(seen.versions)}; p50 ${median(seen.ms).toFixed(1)} ms)`);
  followed.stop();
  front.close();
  agent.destroy();
}

/** Tries an address every second until it answers. */
async function answers(url) {
  for (;;) {
    if ((await fetch(url, { signal: AbortSignal.timeout(900) }).catch(() => undefined))?.ok) return;
    await delay(1_000);
  }
}

/** From the request until all ten have passed their check, against `docker run` ten times at once and the same check. */
async function ten({ portal, call, service }, docker) {
  const image = `${portal.registry}/bench/web:1`;
  const seen = { ours: [], theirs: [] };
  for (let round = 0; round <= ROUNDS; round++) {
    const name = `ten-${round}`;
    await service(name);
    let began = performance.now();
    await call("POST", `/${name}/deployments`, { environment: "local", descriptor: web("1", 10) });
    let network;
    await until("all ten serve", async () => {
      const { items } = await call("GET", `/${name}/tasks`);
      network ??= items[0]?.container;
      return items.filter((task) => task.state === "running" && task.health === "healthy").length === 10;
    }, 120);
    const ours = performance.now() - began;
    // The same network: that an engine resolves names there costs it something for each container.
    const place = await docker.do(["inspect", "--format", "{{.HostConfig.NetworkMode}}", network]);
    await call("POST", `/${name}/stop`, {});
    await until("it has stopped", async () => (await call("GET", `/${name}/tasks`)).items.every((task) => ["ended", "failed", "lost"].includes(task.state)), 60);
    const ports = await Promise.all(Array.from({ length: 10 }, freePort));
    began = performance.now();
    const containers = await Promise.all(ports.map(async (port) => {
      const id = await docker.do(["run", "-d", "--network", place, "-p", `127.0.0.1:${port}:8080`, image]);
      await answers(`http://127.0.0.1:${port}/healthz`);
      return id;
    }));
    const theirs = performance.now() - began;
    await docker.do(["rm", "-f", ...containers]);
    // The first one fetches the image: it is not counted.
    if (round > 0) (seen.ours.push(ours), seen.theirs.push(theirs));
  }
  say("POST to the first passing probe of all 10: ms", spread(seen.ours, 0));
  say("docker run of 10 at once, the same check: ms", spread(seen.theirs, 0));
  say("deploy of 10 / docker run of 10", spread(seen.ours.map((one, at) => one / seen.theirs[at]), 2));
}

/** All of it. */
export async function rollouts(docker) {
  const at = await ground(docker);
  await plans(at);
  await at.call("POST", "/plan/stop", {});
  await ten(at, docker);
  await underLoad(at);
  await at.call("POST", "/load/stop", {});
  await passes(docker);
}
