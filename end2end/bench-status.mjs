// The part `status` of `make bench`: the public status page with a hundred services, read by two hundred clients at a time who keep their connections,
// against nginx that serves the very same bytes as a static file. Pairs alternate; the ratio is taken pair by pair.
import { spawn, execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { Agent, get } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { owner, quantile, say, scratch, spread } from "./bench-measure.mjs";
import { freePort, Portal } from "./portal.mjs";

const run = promisify(execFile);
const SERVICES = 100;
const CLIENTS = 200;
const SECONDS = Number(process.env.BENCH_STATUS_SECONDS || 10);
const PAIRS = Number(process.env.BENCH_STATUS_PAIRS || 5);

/** A portal whose page shows a hundred services, all of them probed. */
async function ground() {
  const portal = await Portal.start(owner, { SLIPWAY_DOCKER_HOST: "unix:///nonexistent/no-engine.sock" });
  const target = createServer((socket) => socket.on("error", () => {}).end());
  await new Promise((resolve) => target.listen(0, "127.0.0.1", resolve));
  owner.after(() => target.close());
  const { port } = target.address();
  const call = async (status, method, path, body) => {
    const answer = await portal.api(method, path, body);
    if (answer.status !== status) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  };
  await call(200, "PUT", "/outside-registries", { allowed: [`127.0.0.1:${port}`] });
  // A project shows 20 of them at most.
  for (const project of ["shop", "bank", "mill", "farm", "port"]) {
    await call(201, "POST", "/projects", { name: project });
    for (let n = 0; n < SERVICES / 5; n++) {
      const form = { name: `service-${n}`, address: `tcp://127.0.0.1:${port}` };
      await call(201, "POST", `/projects/${project}/legacy-services`, form);
    }
  }
  for (let waited = 0; ; waited++) {
    const page = await (await fetch(`http://${portal.registry}/status.json`)).json();
    const states = page.groups.flatMap((group) => group.components.map(({ state }) => state));
    if (states.length === SERVICES && states.every((state) => state === "operational")) return portal;
    if (waited > 120) throw new Error(`after two minutes: ${states.length} services, ${new Set(states).size} states`);
    await delay(1000);
  }
}

/** nginx with these files, as a careful person sets it up for static files; its address. */
async function nginx(files) {
  const folder = join(scratch, "nginx");
  await mkdir(join(folder, "html"), { recursive: true });
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, "html", name), bytes);
  const port = await freePort();
  const lines = [
    `user root; daemon off; worker_processes auto; pid ${folder}/pid; error_log ${folder}/error.log;`,
    "events { worker_connections 4096; }",
    `http { access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; open_file_cache max=100; keepalive_requests 100000000; default_type text/html;`,
    ...["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`),
    `server { listen 127.0.0.1:${port} backlog=4096; root ${folder}/html; location = /page.br { add_header Content-Encoding br; } } }`,
  ];
  await writeFile(join(folder, "nginx.conf"), lines.join("\n"));
  const server = spawn("nginx", ["-p", folder, "-c", join(folder, "nginx.conf")], { stdio: "ignore", env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
  owner.after(() => server.kill("SIGTERM"));
  for (let waited = 0; waited < 100; waited++) {
    if (await fetch(`http://127.0.0.1:${port}/page`).then((answer) => answer.ok, () => false)) return `http://127.0.0.1:${port}`;
    await delay(100);
  }
  throw new Error("nginx does not answer");
}

/** Two hundred clients for some seconds: answers a second, and the time that one in a hundred took longer than, in milliseconds. */
async function flood(url, headers) {
  const flags = ["-t2", `-c${CLIENTS}`, `-d${SECONDS}s`, "--latency", ...headers.flatMap((header) => ["-H", header])];
  const { stdout } = await run("wrk", [...flags, url]);
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${url}:\n${stdout}`);
  const [, amount, unit] = stdout.match(/99%\s+([\d.]+)(us|ms|s)/);
  return { rate: Number(stdout.match(/Requests\/sec:\s+([\d.]+)/)[1]), late: Number(amount) * { us: 0.001, ms: 1, s: 1000 }[unit] };
}

/** Two hundred clients who each read ten times a second: the time that one in a hundred took longer than, in milliseconds. */
async function visits(url, headers) {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  const took = [];
  const visit = () =>
    new Promise((resolve, reject) => {
      const began = performance.now();
      const request = get(url, { agent, headers }, (answer) => {
        if (answer.statusCode !== 200) reject(new Error(`${url}: ${answer.statusCode}`));
        answer.on("error", reject).on("end", () => resolve(took.push(performance.now() - began))).resume();
      });
      request.on("error", reject);
    });
  const ends = Date.now() + SECONDS * 1000;
  const client = async (_, at) => {
    await delay((at * 100) / CLIENTS);
    while (Date.now() < ends) await Promise.all([visit(), delay(100)]);
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  agent.destroy();
  return quantile(took, 0.99);
}

export async function status() {
  const portal = await ground();
  const page = `http://127.0.0.1:${portal.port}/status`;
  const read = async (encoding) => {
    const answer = await run("curl", ["-sS", "-H", `accept-encoding: ${encoding}`, page], { encoding: "buffer", maxBuffer: 1 << 26 });
    return answer.stdout;
  };
  const files = { page: await read("identity"), "page.br": await read("br") };
  const peer = await nginx(files);
  say("status page of 100 services: KiB", `${(files.page.length / 1024).toFixed(0)} (brotli ${(files["page.br"].length / 1024).toFixed(1)})`);
  for (const [kind, name, headers] of [["brotli", "page.br", ["accept-encoding: br"]], ["as it is", "page", []]]) {
    const seen = { ours: [], theirs: [] };
    for (let pair = 0; pair <= PAIRS; pair++) {
      const figures = { ours: await flood(page, headers), theirs: await flood(`${peer}/${name}`, headers) };
      // The first pair warms up.
      if (pair > 0) for (const [whose, figure] of Object.entries(figures)) seen[whose].push(figure);
    }
    for (const [whose, all] of [["slipway", seen.ours], ["nginx", seen.theirs]]) {
      say(`status page, ${kind}, ${whose}: answers a second`, spread(all.map(({ rate }) => rate), 0));
      say(`status page, ${kind}, ${whose}: p99 ms`, spread(all.map(({ late }) => late), 2));
    }
    const paced = { ours: [], theirs: [] };
    for (let pair = 0; pair < PAIRS; pair++) {
      const asked = Object.fromEntries(headers.map((header) => header.split(": ")));
      paced.ours.push(await visits(page, asked));
      paced.theirs.push(await visits(`${peer}/${name}`, asked));
    }
    say(`status page, ${kind}, 2000 a second, slipway: p99 ms`, spread(paced.ours, 2));
    say(`status page, ${kind}, 2000 a second, nginx: p99 ms`, spread(paced.theirs, 2));
    say(`status page, ${kind}: slipway / nginx`, spread(seen.ours.map(({ rate }, at) => rate / seen.theirs[at].rate), 2));
  }
}
