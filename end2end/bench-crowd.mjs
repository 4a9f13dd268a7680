// The part `crowd` of `make bench`: pages over five hundred running containers, in Chromium. One service has a hundred tasks, and four hundred services
// one each: how long the overview and that service's charts take to load, how long the longest frame is while somebody scrolls, reads a chart with the
// mouse or does nothing while samples come, how many nodes the page has and what of the heap it holds.
import { setTimeout as delay } from "node:timers/promises";
import { ground, signIn } from "./bench-ground.mjs";
import { quantile, say, spread } from "./bench-measure.mjs";
import { BUSYBOX } from "./engine.mjs";
import { each, until } from "./shop.mjs";

const WIDE = Number(process.env.BENCH_CROWD_WIDE || 100);
const NARROW = Number(process.env.BENCH_CROWD_NARROW || 400);
/** A project's network has some two hundred and fifty addresses. */
const PROJECTS = ["crowd-a", "crowd-b", "crowd-c", "crowd-d"];
const LOADS = 5;
/** So long it is sampled each second: the charts look at as much. */
const MINUTES = Number(process.env.BENCH_CROWD_MINUTES || 4);

async function fill(docker) {
  const { portal, deploy, service } = await ground(docker, { SLIPWAY_METRICS_EVERY: "1s" });
  for (const project of PROJECTS) await portal.api("POST", "/projects", { name: project });
  // Without a port: nothing is published for them.
  for (const project of ["bench", ...PROJECTS]) {
    const image = `${portal.registry}/${project}/idle:1`;
    await docker.image(image, { "bin/busybox": BUSYBOX, "bin/sh": "->busybox" }, ["ENV PATH=/bin", 'CMD ["/bin/sh", "-c", "exec busybox sleep 1000000"]']);
    await docker.do(["push", image]);
  }
  const idle = { image: "idle:1", update: { monitor: "0s", parallelism: 10 }, stop: { grace: "0s" } };
  await service("wide");
  await deploy("wide", { ...idle, replicas: WIDE });
  await each(Array.from({ length: NARROW }, (_, n) => n), 6, async (n) => {
    const project = PROJECTS[n % PROJECTS.length];
    await service(`narrow-${n}`, project);
    await deploy(`narrow-${n}`, idle, project);
  });
  return portal;
}

/** The lengths of all frames while `act` does something, in milliseconds. */
async function frames(page, act) {
  await page.evaluate(() => {
    window.frames_ = [];
    let last = performance.now();
    const frame = (now) => {
      window.frames_.push(now - last);
      last = now;
      window.nextFrame = requestAnimationFrame(frame);
    };
    window.nextFrame = requestAnimationFrame(frame);
  });
  await act();
  return page.evaluate(() => {
    cancelAnimationFrame(window.nextFrame);
    // The first one began before.
    return window.frames_.slice(1);
  });
}

/** Loads an address some times, and looks at what came of the last. */
async function look(page, name, url, shown) {
  const took = [];
  const answered = [];
  for (let load = 0; load < LOADS; load++) {
    await page.goto("about:blank");
    const began = performance.now();
    await page.goto(url);
    await page.locator("html[data-ready]").waitFor({ timeout: 60_000 });
    took.push(performance.now() - began);
    answered.push(await page.evaluate(() => performance.getEntriesByType("navigation")[0]).then(({ responseEnd, requestStart }) => responseEnd - requestStart));
  }
  const there = await page.locator(shown).count();
  if (there === 0) throw new Error(`${name} shows nothing: ${await page.locator("main").innerText()}`);
  const client = await page.context().newCDPSession(page);
  await client.send("HeapProfiler.collectGarbage");
  await client.send("Performance.enable");
  const { metrics } = await client.send("Performance.getMetrics");
  const figure = (of) => metrics.find((metric) => metric.name === of).value;
  const size = await page.evaluate(() => ({ nodes: document.querySelectorAll("*").length, height: document.scrollingElement.scrollHeight }));
  const { decodedBodySize, transferSize } = await page.evaluate(() => performance.getEntriesByType("navigation")[0].toJSON());
  await client.detach();
  say(`${name}: ms until its document is there`, spread(answered, 0));
  say(`${name}: ms until it can be used`, spread(took, 0));
  say(`${name}: document`, `${(decodedBodySize / 1024).toFixed(0)} KiB, ${(transferSize / 1024).toFixed(0)} over the wire; ${size.nodes} elements, ${there} of ${shown}`);
  say(`${name}: JavaScript heap, MiB`, `${(figure("JSHeapUsedSize") / 1024 / 1024).toFixed(1)}  (${figure("Nodes")} nodes in the browser)`);
  return size;
}

const smooth = (name, of) => say(name, `longest ${Math.max(...of).toFixed(0)}  median ${quantile(of, 0.5).toFixed(0)}  p99 ${quantile(of, 0.99).toFixed(0)}  of ${of.length}`);

async function scroll(page, name, { height }) {
  await page.mouse.move(720, 450);
  const turns = Math.min(120, Math.max(20, Math.ceil(height / 400)));
  smooth(`${name}: frames of a scroll, ms`, await frames(page, async () => {
    for (let turn = 0; turn < turns; turn++) await page.mouse.wheel(0, 400);
  }));
  smooth(`${name}: frames of 15 s at rest, ms`, await frames(page, () => delay(15_000)));
}

export async function crowd(docker) {
  const portal = await fill(docker);
  const all = async () => {
    const { body } = await portal.api("GET", "/metrics?limit=500");
    return body.services.reduce((sum, of) => sum + of.tasks, 0);
  };
  await until("all of them are sampled", async () => (await all()) >= WIDE + NARROW, 300);
  await delay(MINUTES * 60_000);
  const page = await signIn(portal);
  const overview = await look(page, "overview", `${portal.url}/overview`, "li.use");
  await scroll(page, "overview", overview);
  const charts = await look(page, `charts of ${WIDE} tasks`, `${portal.url}/projects/bench/services/wide/metrics?from=${MINUTES}m`, ".chart-layer");
  await scroll(page, `charts of ${WIDE} tasks`, charts);
  const area = page.locator(".chart-area").first();
  await area.scrollIntoViewIfNeeded();
  const box = await area.boundingBox();
  smooth("a chart read with the mouse: frames, ms", await frames(page, async () => {
    for (let step = 1; step <= 100; step++) await page.mouse.move(box.x + (box.width * step) / 101, box.y + 60);
  }));
  // What it shows is deleted afterwards.
  await page.goto("about:blank");
}
