// The part `metrics` of `make bench`: what it costs to sample a hundred running containers. First as often as `docker stats` does, against it, all
// processes together: the portal, the engine, its containerd and what looks after each container, the client. Then as often as we do by default, from
// the kernel's files and through the engine's API, as of an engine elsewhere. What the same portal costs that takes no samples is taken off.
import { spawn } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ground } from "./bench-ground.mjs";
import { anonymous, cpu, owner, resident, say, scratch, spread } from "./bench-measure.mjs";
import { behindPort } from "./engine.mjs";

const TASKS = Number(process.env.BENCH_METRICS_TASKS || 100);
const PAIRS = Number(process.env.BENCH_METRICS_PAIRS || 3);
const SECONDS = 30;

/** The processes of the engine: itself, its containerd, and one for each container; what runs in containers is left out. */
async function engineProcesses() {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  // The client names the engine's folder as well.
  const own = (command) => /^\S*(dockerd|containerd\S*|runc)\0/.test(command) && command.includes(join(scratch, "engine/"));
  return pids.filter((_, at) => own(commands[at]));
}

/** CPU seconds of all of them so far; one that has just ended counts no more. */
async function engineCpu() {
  const used = (pid) => {
    try {
      return cpu(pid);
    } catch {
      return 0;
    }
  };
  return (await engineProcesses()).reduce((sum, pid) => sum + used(pid), 0);
}

/** CPU seconds that each figure grows by, for each second. */
async function during(seconds, ...figures) {
  const began = performance.now();
  const before = await Promise.all(figures.map((figure) => figure()));
  await delay(seconds * 1000);
  const after = await Promise.all(figures.map((figure) => figure()));
  const took = (performance.now() - began) / 1000;
  return after.map((now, at) => (now - before[at]) / took);
}

/** The portal, sampling so often (`0s`: never): CPU of itself and of the engine, and the memory that it takes. */
async function sampling(portal, every, { seconds = SECONDS, host = portal.env.SLIPWAY_DOCKER_HOST } = {}) {
  const usual = portal.env;
  portal.env = { ...usual, SLIPWAY_METRICS_EVERY: every, SLIPWAY_DOCKER_HOST: host };
  await portal.resume();
  portal.env = usual;
  // It looks at everything when it starts.
  await delay(20_000);
  const { pid } = portal.process;
  const [own, engine] = await during(seconds, () => cpu(pid), engineCpu);
  const memory = { anonymous: anonymous(pid), resident: resident(pid) };
  await portal.crash();
  return { own, engine, memory };
}

/** `docker stats` of all of them, with what the engine does for it. */
async function dockerStats(docker) {
  const client = spawn("docker", ["--host", docker.host, "stats", "--no-trunc"], { stdio: "ignore" });
  await delay(5_000);
  const [own, engine] = await during(SECONDS, () => cpu(client.pid), engineCpu);
  client.kill("SIGKILL");
  return { own, engine };
}

const percent = (values) => spread(values.map((one) => 100 * one), 2);

export async function metrics(docker) {
  const { portal, deploy, service } = await ground(docker, { SLIPWAY_METRICS_EVERY: "0s" });
  await service("idle");
  await deploy("idle", { image: "web:1", replicas: TASKS, command: ["-c", "exec sleep 1000000"], entrypoint: ["/bin/sh"], update: { monitor: "0s", parallelism: 10 }, stop: { grace: "0s" } });
  await delay(5_000);
  await portal.crash();
  const seen = { alone: [], theirs: [], resting: [], ours: [], ratio: [] };
  for (let pair = 0; pair < PAIRS; pair++) {
    await delay(3_000);
    const [alone] = await during(SECONDS, engineCpu);
    const theirs = await dockerStats(docker);
    const resting = await sampling(portal, "0s");
    const ours = await sampling(portal, "1s");
    // What the portal does anyway is not the price of sampling; neither is what the engine does when nobody asks.
    const [cost, price] = [ours.own + ours.engine - resting.own - resting.engine, theirs.own + theirs.engine - alone];
    seen.alone.push(alone);
    seen.theirs.push(price);
    seen.resting.push(resting.own + resting.engine);
    seen.ours.push(cost);
    seen.ratio.push(cost / price);
  }
  say(`${TASKS} tasks, engine alone: % of a core`, percent(seen.alone));
  say("portal and engine, no samples: % of a core", percent(seen.resting));
  say("docker stats, each second: % of a core", percent(seen.theirs));
  say("our samples, each second: % of a core", percent(seen.ours));
  say("our samples / docker stats", spread(seen.ratio, 3));
  // Two minutes: at ten seconds a turn, half a minute holds three.
  const seconds = 120;
  const resting = await sampling(portal, "0s", { seconds });
  const usual = await sampling(portal, "10s", { seconds });
  const host = await behindPort(owner);
  // Each way against the same way without samples: events and health go through the port as well.
  const farResting = await sampling(portal, "0s", { seconds, host });
  const far = await sampling(portal, "10s", { seconds, host });
  const more = (one, base) => `${(100 * (one.own + one.engine - base.own - base.engine)).toFixed(2)}  (portal with all else ${(100 * one.own).toFixed(2)}, without samples ${(100 * base.own).toFixed(2)})`;
  say("every ten seconds, from files: % of a core", more(usual, resting));
  say("every ten seconds, through the API: % of a core", more(far, farResting));
  const MiB = (kind) => (one, base) => `${one.memory[kind].toFixed(1)}  (without samples ${base.memory[kind].toFixed(1)}; ${(one.memory[kind] - base.memory[kind]).toFixed(1)} more)`;
  for (const kind of ["anonymous", "resident"]) {
    say(`portal's memory, MiB ${kind}`, MiB(kind)(usual, resting));
    say(`portal's memory, through the API, MiB ${kind}`, MiB(kind)(far, farResting));
  }
  await portal.resume();
}
