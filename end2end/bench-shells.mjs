// The part `shells` of `make bench`: what the way through the portal adds to a terminal, against the same exec over the engine's API by a bare
// client; how soon Ctrl-C ends a flood; how fifty floods share; what a thousand idle shells and a thousand followed logs cost in memory.
import { request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { ground } from "./bench-ground.mjs";
import { anonymous, cpu, median, MiB, say, spread } from "./bench-measure.mjs";
import { engine } from "./engine.mjs";
import { until } from "./shop.mjs";
import { Socket } from "./websocket.mjs";

const PAIRS = 5;
const KEYS = 5_000;
const BULK = 256 * MiB;
const FLOODS = 50;
const INTERRUPTS = 40;
const FLOOD_SECONDS = 8;
const IDLE = Number(process.env.BENCH_IDLE || 1_000);
/** Shells and logs of one account at most, as the portal has it. */
const SHELLS_EACH = 32;
const LOGS_EACH = 128;

const ECHO = "stty raw -echo; printf ready; exec cat";
const FLOW = `stty raw -echo; printf ready; exec dd if=/dev/zero bs=65536 count=${BULK / 65536} 2>/dev/null`;

/** The value below which `share` of them lie. */
const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];

/** A portal with a service that sleeps, and accounts enough. */
async function sleeper(docker) {
  const { portal, call, deploy, service } = await ground(docker);
  await service("quiet");
  await deploy("quiet", { image: "web:1", command: ["sleep", "100000"], entrypoint: ["/bin/busybox"], update: { monitor: "0s" }, stop: { grace: "0s" }, resources: { pids: 4000 } });
  const task = (await call("GET", "/quiet/tasks")).items.find((task) => task.state === "running");
  return { portal, task, tokens: await accounts(portal, Math.ceil(IDLE / SHELLS_EACH)) };
}

async function accounts(portal, count) {
  const tokens = [];
  for (let at = 0; at < count; at++) {
    const [username, password] = [`bench-${at}`, "correct horse battery staple"];
    for (const [method, path, sent] of [["POST", "/users", { username, password }], ["PUT", `/projects/bench/members/${username}`, { role: "developer" }]]) {
      const { status, body } = await portal.api(method, path, sent);
      if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(body)}`);
    }
    const token = await portal.api("POST", "/me/tokens", { name: "bench", scopes: ["read", "shell"] }, { username, password });
    if (!token.body.secret) throw new Error(JSON.stringify(token.body));
    tokens.push(token.body.secret);
  }
  return tokens;
}

/** A terminal through the portal: `hear(Buffer)` gets its output. */
async function ours({ portal, task, tokens }, command, hear, account = 0) {
  let [shown, told] = [0, 0];
  const path = `/ws/tasks/${task.id}/shell?cols=80&rows=24&command=${encodeURIComponent(`/bin/sh -c '${command}'`)}`;
  const socket = await Socket.open(portal.port, path, { authorization: `Bearer ${tokens[account]}` }, {
    onBytes: (bytes) => {
      shown += bytes.length;
      if (shown - told >= 64 * 1024) socket.send(JSON.stringify({ type: "ack", bytes: (told = shown) }));
      hear(bytes);
    },
    onText: (text) => text.includes('"error"') && console.log(account, text),
  });
  return { send: (bytes) => socket.send(bytes), close: () => socket.close(), closed: socket.closed };
}

/** The same exec over the engine's API, on a connection that is nobody's but ours. */
async function bare({ task }, command, hear) {
  const socketPath = engine().replace("unix://", "");
  const call = (path, body, upgrade) =>
    new Promise((resolve, reject) => {
      const text = JSON.stringify(body);
      const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(text), ...(upgrade ? { connection: "Upgrade", upgrade: "tcp" } : {}) };
      const asked = request({ socketPath, path, method: "POST", headers });
      asked.once("error", reject).once("upgrade", (_, wire, head) => resolve({ wire, head }));
      asked.once("response", async (answer) => {
        let text = "";
        for await (const piece of answer) text += piece;
        resolve(JSON.parse(text));
      });
      asked.end(text);
    });
  const made = await call(`/containers/${task.container}/exec`, { AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: true, Cmd: ["/bin/sh", "-c", command] });
  const { wire, head } = await call(`/exec/${made.Id}/start`, { Detach: false, Tty: true }, true);
  wire.on("error", () => {});
  const closed = new Promise((resolve) => wire.once("close", resolve).once("end", resolve));
  wire.on("data", hear);
  if (head.length) hear(head);
  return { send: (bytes) => wire.write(bytes), close: () => wire.destroy(), closed };
}

/** Opens a terminal and waits until its program says that it is ready. */
async function ready(open, ground, command) {
  const terminal = { hear: () => {} };
  let [seen, told] = ["", undefined];
  const began = new Promise((resolve) => (told = resolve));
  const first = (bytes) => {
    seen += bytes.toString("latin1");
    const at = seen.indexOf("ready");
    if (at < 0) return;
    terminal.take = (bytes) => terminal.hear(bytes);
    told();
    const rest = seen.length - at - 5;
    if (rest) terminal.take(bytes.subarray(bytes.length - rest));
  };
  terminal.take = first;
  Object.assign(terminal, await open(ground, command, (bytes) => terminal.take(bytes)));
  await began;
  return terminal;
}

/** Milliseconds from each key to its echo. */
async function echoes(open, ground) {
  const terminal = await ready(open, ground, ECHO);
  const times = [];
  for (let at = 0; at < KEYS; at++) {
    const echoed = new Promise((resolve) => (terminal.hear = resolve));
    const began = performance.now();
    terminal.send(Buffer.from([97 + (at % 26)]));
    await echoed;
    times.push(performance.now() - began);
  }
  terminal.close();
  return times;
}

/** Bytes per second of one long output. */
async function flow(open, ground) {
  let [count, began, over] = [0, undefined, undefined];
  const whole = new Promise((resolve) => (over = resolve));
  const terminal = { take: undefined };
  const take = (bytes) => {
    began ??= performance.now();
    if ((count += bytes.length) >= BULK) over();
  };
  const opened = await open(ground, FLOW, take);
  await whole;
  const took = (performance.now() - began) / 1000;
  opened.close();
  return BULK / took / MiB;
}

async function pairs(ground) {
  const keys = { ours: [], bare: [] };
  const bytes = { ours: [], bare: [] };
  for (let pair = 0; pair < PAIRS; pair++) {
    // Who begins alternates.
    const order = pair % 2 ? [["bare", bare], ["ours", ours]] : [["ours", ours], ["bare", bare]];
    for (const [name, open] of order) keys[name].push(await echoes(open, ground));
    for (const [name, open] of order) bytes[name].push(await flow(open, ground));
  }
  for (const [name, label] of [["ours", "slipway"], ["bare", "bare exec"]]) {
    say(`echo of a key, ${label}: ms, median`, spread(keys[name].map((times) => quantile(times, 0.5)), 2));
    say(`echo of a key, ${label}: ms, p99`, spread(keys[name].map((times) => quantile(times, 0.99)), 2));
  }
  say("echo of a key: p99, ms more than the bare exec", spread(keys.ours.map((times, at) => quantile(times, 0.99) - quantile(keys.bare[at], 0.99)), 2));
  say("output, slipway: MiB/s", spread(bytes.ours, 1));
  say("output, bare exec: MiB/s", spread(bytes.bare, 1));
  say("output: slipway / bare exec", spread(bytes.ours.map((one, at) => one / bytes.bare[at]), 2));
}

/** Milliseconds from Ctrl-C in the middle of a flood to the prompt. */
async function interrupts(ground) {
  let [tail, hear] = ["", () => {}];
  const take = (bytes) => {
    tail = (tail + bytes.toString("latin1").slice(-32)).slice(-32);
    hear();
  };
  const prompt = async () => {
    // Behind it some shells ask the terminal where its cursor is.
    while (!tail.includes("READY> ")) await new Promise((resolve) => (hear = resolve));
    tail = "";
  };
  const terminal = await ours(ground, 'PS1="READY> " exec sh -i', take);
  await prompt();
  const times = [];
  for (let turn = 0; turn < INTERRUPTS; turn++) {
    terminal.send(Buffer.from("yes\n"));
    await delay(500);
    const began = performance.now();
    terminal.send(Buffer.from("\x03"));
    await prompt();
    times.push(performance.now() - began);
  }
  terminal.close();
  say("Ctrl-C in a flood to the prompt: ms, median", quantile(times, 0.5).toFixed(1));
  say("Ctrl-C in a flood to the prompt: ms, longest", Math.max(...times).toFixed(1));
}

/** Fifty floods at once: bytes of each in the same seconds. */
async function fairness(ground) {
  const counts = Array(FLOODS).fill(0);
  // All are open before the first of them floods: the engine starts a process slowly beside a flood.
  const open = [];
  for (let at = 0; at < FLOODS; at++) {
    open.push(await ours(ground, "stty raw -echo; printf ready; read -r go; exec dd if=/dev/zero bs=65536 2>/dev/null", (bytes) => (counts[at] += bytes.length), at % ground.tokens.length));
  }
  await until("all are ready", async () => counts.every((count) => count > 0), 60);
  counts.fill(0);
  for (const shell of open) shell.send(Buffer.from("\n"));
  await until("all floods flow", async () => counts.every((count) => count > 0), 60);
  const before = [...counts];
  await delay(FLOOD_SECONDS * 1000);
  const shares = counts.map((count, at) => (count - before[at]) / MiB / FLOOD_SECONDS);
  for (const shell of open) shell.close();
  say(`${FLOODS} floods: MiB/s of each`, spread(shares, 2));
  say(`${FLOODS} floods: largest / smallest`, (Math.max(...shares) / Math.min(...shares)).toFixed(2));
  await delay(3_000);
}

/** Memory of the portal with many of them open and silent. */
async function idle(ground) {
  const { pid } = ground.portal.process;
  const before = anonymous(pid);
  const shells = [];
  for (let at = 0; at < IDLE; at++) {
    let seen;
    const begun = new Promise((resolve) => (seen = resolve));
    shells.push(await ours(ground, "printf x; exec sleep 100000", () => seen(), at % ground.tokens.length));
    await begun;
  }
  await delay(3_000);
  const withShells = anonymous(pid);
  say(`${IDLE} idle shells: MiB more`, (withShells - before).toFixed(1));
  const followers = [];
  const path = "/api/v1/projects/bench/services/quiet/logs?follow=true&tail=10";
  for (let at = 0; at < IDLE; at++) {
    const asked = request({ port: ground.portal.port, host: "127.0.0.1", path, headers: { authorization: `Bearer ${ground.tokens[Math.floor(at / LOGS_EACH)]}`, accept: "application/x-ndjson" } });
    const answer = await new Promise((resolve, reject) => asked.once("response", resolve).once("error", reject).end());
    if (answer.statusCode !== 200) throw new Error(`a follower was refused: ${answer.statusCode}`);
    answer.resume().on("error", () => {});
    followers.push(asked);
  }
  await delay(3_000);
  const used = cpu(pid);
  await delay(5_000);
  say(`${IDLE} log followers beside them: MiB more`, (anonymous(pid) - withShells).toFixed(1));
  say("all of them idle: CPU, % of a core", ((cpu(pid) - used) * 20).toFixed(1));
  for (const follower of followers) follower.destroy();
  for (const shell of shells) shell.close();
  // Ending them is work that nobody else is measured beside.
  await until("the shells are gone", async () => {
    const { body } = await ground.portal.api("GET", `/tasks/${ground.task.id}/processes`);
    return body.total === 1;
  }, 120);
}

/** All figures of shells. */
export async function shells(docker) {
  const made = await sleeper(docker);
  // First, while the portal's memory holds nothing that a flood has left to be used again.
  await idle(made);
  await pairs(made);
  await interrupts(made);
  await fairness(made);
}
