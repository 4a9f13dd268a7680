// The part `events` of `make bench`: how soon an end is in a page that somebody looks at. The clock runs from before `docker kill` is called until the
// row is in the page's DOM; beside it, of the same end and from the same moment, until `docker events` has printed it. Both clocks are this machine's.
import { spawn } from "node:child_process";
import { ground, signIn } from "./bench-ground.mjs";
import { owner, quantile, say, spread } from "./bench-measure.mjs";
import { until } from "./shop.mjs";

const REPEATS = Number(process.env.BENCH_EVENTS || 60);
/** Each is killed some times, so that it is another one's turn while one waits to be started again. */
const TASKS = 20;

/** What `docker events` prints: when it was told of the end of a container. */
function listen(docker) {
  const client = spawn("docker", ["--host", docker.host, "events", "--filter", "event=die", "--format", "{{json .}}"], { stdio: ["ignore", "pipe", "ignore"] });
  owner.after(() => client.kill());
  const told = new Map();
  let rest = "";
  client.stdout.on("data", (piece) => {
    const now = Date.now();
    const lines = (rest + piece).split("\n");
    rest = lines.pop();
    for (const line of lines) told.set(JSON.parse(line).Actor.ID, now);
  });
  return told;
}

/** Watches the page for the row that says how a task ended. */
async function watch(page, task) {
  await page.evaluate((task) => {
    window.rowSeen = new Promise((resolve) => {
      const rows = () => [...document.querySelectorAll("table.events tbody tr")];
      const found = () => rows().some((row) => row.querySelector(`a[href*="${task}"]`) && row.querySelector('[data-label="Ended with"]').textContent.includes("137"));
      const observer = new MutationObserver(() => {
        if (!found()) return;
        observer.disconnect();
        resolve(Date.now());
      });
      observer.observe(document, { childList: true, subtree: true, characterData: true });
    });
  }, task);
}

export async function events(docker) {
  const { portal, deploy, service, ci } = await ground(docker);
  await service("noted");
  await deploy("noted", { image: "web:1", replicas: TASKS, command: ["-c", "exec busybox sleep 1000000"], entrypoint: ["/bin/sh"], update: { monitor: "0s", parallelism: 10 }, stop: { grace: "0s" } });
  const page = await signIn(portal, "/projects/bench/services/noted/events");
  await page.locator("html[data-ready]").waitFor();
  await page.getByRole("cell", { name: "Started" }).first().waitFor();
  const told = listen(docker);
  const seen = { page: [], docker: [], more: [], ratio: [] };
  const killed = new Map();
  for (let repeat = 0; repeat <= REPEATS; repeat++) {
    // All run, and nothing else happens.
    const tasks = await until("all tasks run", async () => {
      const { body } = await portal.api("GET", "/projects/bench/services/noted/tasks", undefined, ci);
      const running = body.items.filter(({ state }) => state === "running");
      return running.length === TASKS && running;
    }, 120);
    const [{ id, slot, container }] = tasks.sort((one, other) => (killed.get(one.slot) ?? 0) - (killed.get(other.slot) ?? 0));
    killed.set(slot, (killed.get(slot) ?? 0) + 1);
    await watch(page, id);
    const began = Date.now();
    const kill = docker.do(["kill", container]);
    const row = (await page.evaluate(() => window.rowSeen)) - began;
    await kill;
    const printed = (await until("docker events prints it", () => told.get(container))) - began;
    // The first one is not counted: the browser may still be connecting, and so may the client.
    if (repeat === 0) continue;
    seen.page.push(row);
    seen.docker.push(printed);
    seen.more.push(row - printed);
    seen.ratio.push(row / printed);
  }
  // What it shows is deleted afterwards.
  await page.goto("about:blank");
  const tail = (values) => `${spread(values, 0)}  p99 ${quantile(values, 0.99).toFixed(0)}`;
  say(`docker kill to the row in the page, ${REPEATS}: ms`, tail(seen.page));
  say("docker kill to docker events' line: ms", tail(seen.docker));
  say("row later than the line: ms", tail(seen.more));
  say("row / line", spread(seen.ratio, 2));
}
