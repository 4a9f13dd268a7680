// Fills a running portal with something to look at, through the doors that any user has: REST and the docker client. A project,
// an image made on the spot and pushed in three versions, a service with a history (two good releases, one that failed), a
// guest account. Run again it adds what is missing and releases once more. It changes nothing outside the project `demo`.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Docker } from "../end2end/engine.mjs";

const listen = process.env.SLIPWAY_LISTEN ?? "127.0.0.1:3000";
const url = process.env.SLIPWAY_URL ?? `http://127.0.0.1:${listen.split(":").pop()}`;
const registry = new URL(url).host;
const username = process.env.SLIPWAY_USER ?? "admin";
const password = process.env.SLIPWAY_PASSWORD ?? process.env.SLIPWAY_ADMIN_PASSWORD;
if (!password) {
  console.error("demo: sign in as whom? Set SLIPWAY_USER (default admin) and SLIPWAY_PASSWORD.");
  process.exit(2);
}

/** One call; an answer outside of `expected` ends the demo with what the portal said. */
async function api(method, path, body, expected = [200, 201, 202, 204]) {
  const answer = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`,
      ...(body ? { "content-type": "application/json" } : {}),
    },
    body: body && JSON.stringify(body),
  }).catch((error) => {
    console.error(`demo: no portal answers at ${url} (${error.cause?.code ?? error.message}): start one with make run, or set SLIPWAY_URL.`);
    process.exit(1);
  });
  const text = await answer.text();
  assert.ok(expected.includes(answer.status), `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

/** Releases `tag` and waits for the outcome. */
async function deploy(tag) {
  const made = await api("POST", "/projects/demo/services/web/deployments", {
    environment: "local",
    descriptor: {
      image: `web:${tag}`,
      replicas: 2,
      env: { GREETING: "hello" },
      ports: [{ name: "http", container: 8080 }],
      health: { http: { port: 8080, path: "/healthz" }, interval: "1s", timeout: "1s", retries: 3, start_period: "5s" },
      resources: { cpus: 0.25, memory: "32MiB" },
    },
  });
  const done = await api("GET", `/projects/demo/services/web/deployments/${made.id}?wait=120`);
  console.log(`demo: web:${tag} ${done.state}${done.reason ? ` (${done.reason.message})` : ""}`);
}

// `Docker` puts its folder away when its owner ends; here that is the script.
const endings = [];
const own = resolve(`${process.env.SLIPWAY_DATA_DIR ?? "data"}-engine/docker.sock`);
const host = process.env.SLIPWAY_DOCKER_HOST ?? process.env.DOCKER_HOST ?? `unix://${existsSync(own) ? own : "/var/run/docker.sock"}`;
const docker = await Docker.install({ after: (ending) => endings.push(ending) }, host);
try {
  await api("POST", "/projects", { name: "demo" }, [201, 409]);
  const guest = { username: "gast", password: randomBytes(9).toString("base64url") };
  const made = await api("POST", "/users", guest, [201, 409]);
  await api("PUT", "/projects/demo/members/gast", { role: "guest" });

  await docker.login(registry, username, password);
  for (const tag of ["1.0", "1.1"]) await docker.webImage(`${registry}/demo/web:${tag}`, tag);
  await docker.brokenImage(`${registry}/demo/web:1.2`);
  for (const tag of ["1.0", "1.1", "1.2"]) await docker.do(["push", `${registry}/demo/web:${tag}`]);

  await api("POST", "/projects/demo/services", { name: "web" }, [201, 409]);
  for (const tag of ["1.0", "1.1", "1.2"]) await deploy(tag);

  console.log(`demo: look at ${url}/projects/demo`);
  if (made.id) console.log(`demo: a guest: user ${guest.username}, password ${guest.password}`);
} finally {
  for (const ending of endings) await ending();
}
