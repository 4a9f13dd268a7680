// Real consumers of /discovery: nginx with the watcher that the docs show, Traefik and Prometheus. The first two pass on a steady load during a rolling
// update, and no request fails: neither of them may try a request twice. And the page of a service that shows what they are told, in Chromium.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { closeBrowser, Visitor } from "./browser.mjs";
import { atEnd } from "./ending.mjs";
import { BUSYBOX } from "./engine.mjs";
import { freePort } from "./portal.mjs";
import { find } from "./programs.mjs";
import { requests } from "./requests.mjs";
import { Shop, until } from "./shop.mjs";

after(closeBrowser);

const run = promisify(execFile);
const RATE = 50;

/** A web server that says its version, and tells figures. */
async function image(shop, version) {
  const files = { "bin/busybox": BUSYBOX, "www/index.html": `${version}\n`, "www/figures.txt": "shop_answers 42\n" };
  await shop.docker.image(`${shop.registry}/web:${version}`, files, ['CMD ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]']);
  await shop.push("web", version);
}

const web = (version, more = {}) => ({
  image: `web:${version}`,
  replicas: 3,
  ports: [{ name: "http", container: 8080 }],
  health: { http: { port: 8080, path: "/" }, interval: "1s", timeout: "900ms", retries: 50, start_period: "60s" },
  routes: [{ host: "app.example.com", path: "/", port: "http" }],
  update: { monitor: "0s" },
  // It is killed when the drain is over: nothing but the drain spares it requests.
  stop: { grace: "0s", drain: "6s" },
  ...more,
});

/** A shop with the service `web` in its first version, and the secret of a robot that may read at /discovery and nothing else. */
async function open(t, more) {
  const shop = await Shop.open(t);
  for (const version of ["one", "two"]) await image(shop, version);
  await shop.service("web");
  await shop.deployed("web", web("one", more));
  const robot = { name: "proxy", role: "guest", scopes: ["discovery"] };
  const { secret } = await shop.call(201, "POST", `/projects/${shop.project}/robots`, robot);
  const folder = await mkdtemp(join(tmpdir(), "slipway-discovery-"));
  atEnd(t, () => rm(folder, { recursive: true, force: true }));
  return { shop, secret, folder };
}

/** Runs a program until the test's end. What it wrote is told where it ends before. */
async function keep(t, program, args, env = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece) => (said += piece));
  const ended = new Promise((resolve) => child.once("close", (code, signal) => resolve(`${program} ended with ${code ?? signal}:\n${said}`)));
  child.once("error", (error) => (said += error.message));
  let stopping = false;
  const early = ended.then((text) => (stopping ? undefined : text));
  atEnd(t, async () => {
    stopping = true;
    // And what it has begun itself.
    const kill = (signal) => child.exitCode === null && child.signalCode === null && process.kill(-child.pid, signal);
    kill("SIGTERM");
    const killed = setTimeout(() => kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(killed);
  });
  return { said: () => said, early };
}

/** What a proxy answers now. */
const answer = async (url, headers = {}) => (await fetch(url, { headers, signal: AbortSignal.timeout(5_000) })).text();

/** A rolling update under a steady load, from a version to the other. */
async function rolls(shop, url, headers, more) {
  const load = requests(url, RATE, headers);
  const before = await shop.tasks("web");
  try {
    await until("the load is under way", () => load.seen.sent > RATE);
    const view = await shop.deployment("web", await shop.deploy("web", web("two", more)), 240);
    assert.equal(view.state, "succeeded", JSON.stringify(view));
    const after = load.seen.sent;
    await until("requests went on after it", () => load.seen.sent > after + RATE);
  } finally {
    await load.stop();
  }
  const { seen } = load;
  assert.deepEqual(seen.failed, [], `of ${seen.sent} requests`);
  assert.ok(seen.answers.one > 0 && seen.answers.two > 0, `both versions answered: ${JSON.stringify(seen.answers)}`);
  assert.deepEqual(Object.keys(seen.answers).sort(), ["one", "two"]);
  const old = new Set(before.map((task) => task.id));
  assert.ok((await shop.tasks("web")).every((task) => !old.has(task.id)), "every task was replaced");
  return seen;
}

/** The watcher, as the docs show it. */
async function watcher(folder) {
  const docs = await readFile(fileURLToPath(new URL("../docs/discovery.md", import.meta.url)), "utf8");
  const [, script] = docs.match(/```sh\n(#!\/bin\/sh\n[\s\S]*?)```/);
  const path = join(folder, "watch-upstream");
  await writeFile(path, script);
  await chmod(path, 0o755);
  return path;
}

async function nginx(t, shop, secret, folder) {
  const port = await freePort();
  for (const name of ["upstreams", "temp"]) await mkdir(join(folder, name));
  await chmod(folder, 0o755);
  const temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/temp/${name};`).join(" ");
  const user = process.getuid() === 0 ? "user root;" : "";
  const configuration = `${user} daemon off; worker_processes 2; pid ${folder}/pid; error_log ${folder}/error.log notice;
    events { worker_connections 512; }
    http {
      access_log off; ${temps}
      include ${folder}/upstreams/*.conf;
      server {
        listen 127.0.0.1:${port};
        location / { proxy_pass http://${shop.project}_web_local_http; proxy_next_upstream off; }
      }
    }`;
  await writeFile(join(folder, "nginx.conf"), configuration);
  const header = join(folder, "authorization");
  await writeFile(header, `Authorization: Bearer ${secret}\n`, { mode: 0o600 });
  const url = `http://${shop.portal.registry}/discovery/nginx/${shop.project}/web.conf`;
  const file = join(folder, "upstreams/web.conf");
  await run("curl", ["-fsS", "-H", `@${header}`, "-o", file, url]);
  const program = await find("nginx");
  const args = ["-p", folder, "-e", join(folder, "error.log"), "-c", join(folder, "nginx.conf")];
  const server = await keep(t, program, args);
  const watching = await keep(t, await watcher(folder), [url, file], { AUTHORIZATION: header, NGINX_COMMAND: [program, ...args].join(" ") });
  const log = () => readFile(join(folder, "error.log"), "utf8");
  return { url: `http://127.0.0.1:${port}/`, file, log, early: Promise.race([server.early, watching.early]) };
}

test("nginx fails no request during a rolling update, told of changes by the watcher of the docs", { timeout: 400_000 }, async (t) => {
  const { shop, secret, folder } = await open(t);
  const front = await nginx(t, shop, secret, folder);
  await until("nginx answers", async () => (await answer(front.url)).trim() === "one");
  const ended = front.early.then((text) => assert.ok(!text, text));
  const reloads = async () => (await front.log()).match(/reconfiguring/g)?.length ?? 0;
  const before = await reloads();
  const seen = await Promise.race([rolls(shop, front.url), ended.then(() => undefined)]);
  assert.ok(seen, "nginx and its watcher went on to the end");
  assert.ok((await reloads()) >= before + 3, "nginx was told of each task that went");
  const text = await until("nothing drains any more", async () => {
    const text = await readFile(front.file, "utf8");
    return !text.includes("draining") && text;
  });
  assert.equal(text.match(/^ {4}server 127\.0\.0\.1:\d+; # web\.\d$/gm).length, 3, text);
  t.diagnostic(`${seen.sent} requests, ${seen.failed.length} failed, ${(await reloads()) - before} reloads`);

  await shop.portal.api("POST", shop.path("web", "/stop"), {});
  await until("nginx says that nothing serves", async () => (await fetch(front.url)).status === 502);
});

test("Traefik fails no request during a rolling update", { timeout: 400_000 }, async (t) => {
  const { shop, secret } = await open(t);
  const [port, api] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}/`;
  const args = [
    `--entrypoints.web.address=127.0.0.1:${port}`,
    `--entrypoints.traefik.address=127.0.0.1:${api}`,
    "--api.insecure=true",
    "--global.checknewversion=false",
    "--global.sendanonymoususage=false",
    `--providers.http.endpoint=http://${shop.portal.registry}/discovery/traefik.json`,
    "--providers.http.pollinterval=1s",
    `--providers.http.headers.Authorization=Bearer ${secret}`,
    "--log.level=INFO",
  ];
  const traefik = await keep(t, await find("traefik"), args);
  const headers = { host: "app.example.com" };
  // Nobody else sets this header for a client: fetch does not.
  const ask = () => run("curl", ["-sS", "--max-time", "5", "-H", "host: app.example.com", url]).then(({ stdout }) => stdout.trim());
  await until(`Traefik answers; it said: ${traefik.said()}`, async () => (await ask()) === "one");
  const ended = traefik.early.then((text) => assert.ok(!text, text));
  const seen = await Promise.race([rolls(shop, url, headers), ended.then(() => undefined)]);
  assert.ok(seen, "Traefik went on to the end");
  t.diagnostic(`${seen.sent} requests, ${seen.failed.length} failed`);
  assert.ok(!/cannot decode|Provider error/.test(traefik.said()), traefik.said());
});

test("Prometheus scrapes each task, and follows when they are replaced", { timeout: 400_000 }, async (t) => {
  const metrics = { port: 8080, path: "/figures.txt", names: ["shop_answers"] };
  const more = { metrics, stop: { grace: "0s", drain: "2s" } };
  const { shop, secret, folder } = await open(t, more);
  const port = await freePort();
  const configuration = {
    global: { scrape_interval: "2s", scrape_timeout: "2s" },
    scrape_configs: [
      {
        job_name: "slipway",
        http_sd_configs: [{ url: `http://${shop.portal.registry}/discovery/prometheus.json`, authorization: { type: "Bearer", credentials: secret }, refresh_interval: "1s" }],
        relabel_configs: [
          { source_labels: ["__meta_slipway_metrics"], regex: "true", action: "keep" },
          { source_labels: ["__meta_slipway_service"], target_label: "service" },
          { source_labels: ["__meta_slipway_task"], target_label: "task" },
        ],
      },
    ],
  };
  // YAML takes JSON as it is.
  await writeFile(join(folder, "prometheus.yml"), JSON.stringify(configuration));
  const args = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`];
  const prometheus = await keep(t, await find("prometheus"), args);
  const asked = async (path) => {
    const early = await Promise.race([prometheus.early, Promise.resolve(undefined)]);
    assert.ok(!early, early);
    return (await (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json()).data;
  };
  /** Waits until exactly these tasks are scraped, and all of them well. */
  const scraped = (tasks) =>
    until("Prometheus scrapes the tasks that run", async () => {
      const { activeTargets } = await asked("targets?state=active");
      const wanted = tasks.map((task) => task.id).sort();
      const found = activeTargets.filter((target) => target.health === "up").map((target) => target.labels.task).sort();
      return activeTargets.length === wanted.length && JSON.stringify(found) === JSON.stringify(wanted) && activeTargets;
    }, 90);
  const before = await shop.tasks("web");
  const targets = await scraped(before);
  assert.deepEqual(new Set(targets.map((target) => new URL(target.scrapeUrl).pathname)), new Set(["/figures.txt"]));
  const { result } = await until("their figures are kept", async () => {
    const data = await asked(`query?query=${encodeURIComponent('sum by (service) (shop_answers)')}`);
    return data.result[0]?.value[1] === String(42 * before.length) && data;
  });
  assert.equal(result[0].metric.service, "web");
  await shop.deployed("web", web("two", more));
  await scraped(await shop.tasks("web"));
});

test("a service's page shows where its tasks are, follows them, and gives the lines that ask for them", { timeout: 240_000 }, async (t) => {
  const { shop, secret } = await open(t);
  const visitor = await Visitor.arrive(t);
  const { page } = visitor;
  await page.goto(`${shop.portal.url}/login?next=${shop.path("web", "/discovery")}`);
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill(shop.portal.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Targets 3" }).waitFor();
  await page.locator("html[data-ready]").waitFor();
  const shown = () => page.getByRole("row").locator("td:first-child").allTextContents();
  const ports = (tasks) => tasks.map((task) => task.ports[0].host).sort();
  const first = await shop.tasks("web");
  assert.deepEqual((await shown()).map((address) => Number(address.split(":").pop())).sort(), ports(first));
  await visitor.picture("discovery");
  await page.setViewportSize({ width: 390, height: 844 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 390, `nothing is wider than a telephone: ${wide}`);
  await page.setViewportSize({ width: 1440, height: 900 });

  // What stands there is what a robot can ask; the registry's address is the portal's too.
  for (const [consumer, wanted] of [["nginx", `upstream ${shop.project}_web_local_http {`], ["Traefik", "app.example.com"], ["Prometheus", "__meta_slipway_task"], ["Programs", '"tasks"']]) {
    const url = (await page.locator(`pre[aria-label="${consumer} URL"]`).textContent()).replace(shop.portal.url, `http://${shop.portal.registry}`);
    const text = await answer(url, { authorization: `Bearer ${secret}` });
    assert.ok(text.includes(wanted), `${consumer}, ${url}: ${text}`);
  }
  assert.ok(!(await page.locator("main").innerText()).includes(secret), "no secret stands there");

  // Nobody loads the page anew.
  await shop.deployed("web", web("two", { replicas: 2 }));
  await page.getByRole("heading", { name: "Targets 2" }).waitFor({ timeout: 60_000 });
  await until("the addresses are those of the new tasks", async () => {
    const now = (await shown()).map((address) => Number(address.split(":").pop())).sort();
    return JSON.stringify(now) === JSON.stringify(ports(await shop.tasks("web")));
  }, 60);
  await shop.portal.api("POST", shop.path("web", "/stop"), {});
  await page.getByRole("heading", { name: "Nothing serves at the moment" }).waitFor({ timeout: 60_000 });
  await visitor.picture("discovery-nothing");
});
