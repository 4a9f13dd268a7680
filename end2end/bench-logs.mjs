// The part `logs` of `make bench`: what it costs to collect the lines of a hundred tasks, the engine's own extra work included. (How small a GiB of kept lines is and how fast it is searched: an ignored test of the crate `logs`, which bench.sh runs too.)
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ground } from "./bench-ground.mjs";
import { cpu, say, scratch } from "./bench-measure.mjs";

const TASKS = Number(process.env.BENCH_LOG_TASKS || 100);
const LINES = 100;
const SECONDS = 30;

/** Writes its lines once a second: a pause after each would cost more than all the rest. */
const WRITER = `n=0; while :; do i=0; while [ $i -lt ${LINES} ]; do n=$((n+1)); i=$((i+1));
echo "10.0.$((n%256)).$((n*7%256)) - - GET /items/$((n*31%9973))?page=$((n%17)) HTTP/1.1 200 $((n*97%65536)) agent-$((n%13)) line $n"; done; sleep 1; done`;

/** CPU seconds of the engine and of what it started for itself, containers left out. */
async function engineCpu() {
  const pid = Number(await readFile(join(scratch, "engine/dockerd.pid"), "utf8"));
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ").filter(Boolean).map(Number);
  return [pid, ...children].reduce((sum, one) => sum + cpu(one), 0);
}

async function during(seconds, ...figures) {
  const before = await Promise.all(figures.map((figure) => figure()));
  await delay(seconds * 1000);
  return Promise.all(figures.map(async (figure, at) => (await figure()) - before[at]));
}

export async function logs(docker) {
  const { portal, deploy, service } = await ground(docker);
  await service("writer");
  await deploy("writer", { image: "web:1", replicas: TASKS, command: ["-c", WRITER], entrypoint: ["/bin/sh"], update: { monitor: "0s", parallelism: 10 }, stop: { grace: "0s" } });
  await delay(10_000);
  const [own, engine] = await during(SECONDS, () => cpu(portal.process.pid), engineCpu);
  await portal.crash();
  await delay(3_000);
  const [alone] = await during(SECONDS, engineCpu);
  const share = (used) => ((100 * used) / SECONDS).toFixed(1);
  say(`${TASKS} tasks x ${LINES} lines/s: portal, % of a core`, share(own));
  say("engine while they are collected, % of a core", share(engine));
  say("engine alone, % of a core", share(alone));
  say("collecting, engine's extra work included, %", share(own + Math.max(0, engine - alone)));
  await portal.resume();
}
