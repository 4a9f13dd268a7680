// The part `discovery` of `make bench`: how soon a change is told at /discovery during a rolling update of 50 tasks, and what it costs to be asked.
import { setTimeout as delay } from "node:timers/promises";
import { ground } from "./bench-ground.mjs";
import { cpu, median, quantile, say } from "./bench-measure.mjs";
import { until } from "./shop.mjs";

const TASKS = Number(process.env.BENCH_TASKS || 50);
const ASKS = 500;
const health = { http: { port: 8080, path: "/healthz" }, interval: "1s", timeout: "900ms", retries: 3, start_period: "30s" };
const web = (version) => ({
  image: `web:${version}`,
  replicas: TASKS,
  ports: [{ name: "http", container: 8080 }],
  health,
  routes: [{ host: "app.example.com", port: "http" }],
  update: { monitor: "0s", parallelism: 10 },
  stop: { grace: "0s", drain: "1s" },
});
const told = (ms) => `median ${median(ms).toFixed(0)}  p99 ${quantile(ms, 0.99).toFixed(0)}  most ${Math.max(...ms).toFixed(0)}  (${ms.length})`;

/** Reads server-sent events until it is stopped: `heard` gets each one's name, data and time. */
async function listen(url, headers, heard) {
  const stop = new AbortController();
  const answer = await fetch(url, { headers: { ...headers, accept: "text/event-stream" }, signal: stop.signal });
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`);
  const decoder = new TextDecoder();
  let rest = "";
  (async () => {
    for await (const piece of answer.body) {
      const at = Date.now();
      const blocks = (rest + decoder.decode(piece, { stream: true })).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const fields = Object.fromEntries(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
        if (fields.data) heard(fields.event, JSON.parse(fields.data), at);
      }
    }
  })().catch(() => undefined);
  return () => stop.abort();
}

/** The cookie of a browser that is signed in: what the portal recorded is told to browsers at once. */
async function cookie(portal) {
  const signed = await fetch(`${portal.url}/fn/accounts/login`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: portal.url, "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ username: "admin", password: portal.password }),
  });
  return signed.headers.getSetCookie().map((one) => one.split(";")[0]).join("; ");
}

/** All of it. */
export async function discovery(docker) {
  const { portal, call, deploy, service } = await ground(docker);
  await service("found");
  await deploy("found", web("1"));
  const made = await portal.api("POST", "/projects/bench/robots", { name: "proxy", role: "guest", scopes: ["discovery"] });
  const headers = { authorization: `Bearer ${made.body.secret}` };
  const base = `http://${portal.registry}/discovery`;

  const [serving, gone, behind] = [new Map(), new Map(), []];
  let known = new Set();
  let recorded;
  const { id } = await call("GET", "/found");
  const stops = [
    await listen(`${portal.url}/live?topic=service:${id}`, { cookie: await cookie(portal) }, (name, _, at) => {
      if (name === "change") recorded ??= at;
    }),
    await listen(`${base}/events?service=found`, headers, (name, { services: [found] }, at) => {
      const now = new Set((found?.tasks ?? []).map((task) => task.id));
      for (const task of found?.tasks ?? []) if (task.state === "serving" && !serving.has(task.id)) serving.set(task.id, at);
      for (const task of known) if (!now.has(task)) gone.set(task, at);
      known = now;
      if (name === "change" && recorded) behind.push(Math.max(0, at - recorded));
      recorded = undefined;
    }),
  ];
  await until("everything is told", () => known.size === TASKS);
  const first = new Set(known);

  // The last tasks that ended are shown with their ends; they are noted while they are among them.
  const [started, ended] = [new Map(), new Map()];
  let rolling = true;
  const noting = (async () => {
    while (rolling) {
      for (const task of (await call("GET", "/found/tasks")).items) {
        if (task.started_at && !first.has(task.id)) started.set(task.id, task.started_at);
        if (task.ended_at && first.has(task.id)) ended.set(task.id, task.ended_at);
      }
      await delay(100);
    }
  })();
  await deploy("found", web("2"));
  await until("nothing but new tasks is told", () => known.size === TASKS && [...known].every((task) => !first.has(task)));
  rolling = false;
  await noting;
  const after = (from, to) => [...from].filter(([task]) => to.has(task)).map(([task, at]) => to.get(task) - at);
  say(`roll of ${TASKS}: recorded to told, ms`, told(behind));
  say(`roll of ${TASKS}: a task's end to told, ms`, told(after(ended, gone)));
  say(`roll of ${TASKS}: a task's start to told as serving, ms`, told(after(started, serving)));
  for (const stop of stops) stop();

  for (const path of ["services.json", "traefik.json", "prometheus.json", "nginx/bench/found.conf"]) {
    const used = cpu(portal.process.pid);
    const ms = [];
    for (let at = 0; at < ASKS; at++) {
      const began = performance.now();
      await (await fetch(`${base}/${path}`, { headers })).arrayBuffer();
      ms.push(performance.now() - began);
    }
    say(`/discovery/${path}, ${TASKS} tasks: ms`, `median ${median(ms).toFixed(2)}  p99 ${quantile(ms, 0.99).toFixed(2)}; CPU ${(((cpu(portal.process.pid) - used) * 1000) / ASKS).toFixed(2)}`);
  }
  await call("POST", "/found/stop", {});
}
