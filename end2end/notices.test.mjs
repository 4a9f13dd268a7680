// Notices: a portal that is killed after the receiver took one and before that was written down. Whoever drops ids that it has seen gets each once.
// And deployments on a real engine, as a receiver outside hears of them.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { test } from "node:test";
import { atEnd } from "./ending.mjs";
import { Portal } from "./portal.mjs";
import { Shop, until } from "./shop.mjs";

/** A receiver of webhooks that keeps what it took, by id. `taking` may say what it does instead of ending its answer. */
class Receiver {
  static async start(t) {
    const receiver = Object.assign(new Receiver(), { requests: [], taken: new Map(), taking: undefined });
    const server = createServer((request, answer) => receiver.take(request, answer));
    await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
    atEnd(t, () => {
      server.closeAllConnections();
      server.close();
    });
    receiver.url = `http://127.0.0.1:${server.address().port}`;
    return receiver;
  }

  async take(request, answer) {
    let body = "";
    try {
      for await (const piece of request.setEncoding("utf8")) body += piece;
    } catch {
      // The portal was killed while it sent: nothing was taken.
      return;
    }
    const id = request.headers["webhook-id"];
    this.requests.push({ id, body, path: request.url, headers: request.headers });
    if (!this.taken.has(id)) this.taken.set(id, body);
    // It has said 2xx here; the portal hears more of the answer before it writes that down.
    answer.on("error", () => {});
    answer.writeHead(200, { "content-type": "text/plain" });
    await new Promise((resolve) => answer.write("ta", resolve));
    if (this.taking) await this.taking(this.requests.at(-1));
    answer.end("ken");
  }
}

test("a portal killed between the receiver's answer and its record loses no notice and sends none under another id", { timeout: 900_000 }, async (t) => {
  const portal = await Portal.start(t);
  const receiver = await Receiver.start(t);
  const call = async (status, method, path, body) => {
    const answer = await portal.api(method, path, body);
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  await call(200, "PUT", "/outside-registries", { allowed: [receiver.url] });
  await call(201, "POST", "/projects", { name: "shop" });
  const routes = [];
  for (const name of ["first", "second", "third"]) {
    const form = { name, kind: "webhook", address: `${receiver.url}/${name}`, events: ["alert.firing"] };
    routes.push((await call(201, "POST", "/projects/shop/routes", form)).route.id);
  }
  const told = async (route) => (await call(200, "GET", `/projects/shop/routes/${route}/notices`)).items;

  // The portal has the head of the answer, which says 200, and waits for its end: it is killed there. None of the answers ends.
  const heard = new Set();
  let killed;
  const dead = new Promise((resolve) => (killed = resolve));
  receiver.taking = async ({ path }) => {
    heard.add(path);
    await dead;
  };
  const ids = await Promise.all(routes.map(async (route) => (await call(202, "POST", `/projects/shop/routes/${route}/test`, {})).id));
  // The portal waits no longer than a quarter of a minute for an answer's end.
  await until("each receiver has answered", async () => heard.size === routes.length, 14);
  await portal.crash();
  receiver.taking = undefined;
  killed();
  const before = receiver.requests.length;
  assert.deepEqual([...receiver.taken.keys()].sort(), [...ids].sort(), "all were taken, and none was written down");

  await portal.resume();
  for (const [n, route] of routes.entries()) {
    const [notice] = await told(route);
    assert.equal(notice.id, ids[n]);
  }
  // What was under way is nobody's for a minute.
  for (const route of routes) {
    await until("it is written down as sent", async () => (await told(route)).every(({ state }) => state === "sent"), 240);
  }
  assert.equal(receiver.requests.length, before + routes.length, "each came once more");
  assert.equal(receiver.taken.size, ids.length, "whoever drops known ids has each once");
  for (const { id, body } of receiver.requests) {
    assert.equal(body, receiver.taken.get(id), "the same id, the same body");
    assert.equal(JSON.parse(body).data.id, id);
  }
  for (const route of routes) {
    const [notice, ...more] = await told(route);
    assert.deepEqual([notice.attempts, notice.status, more.length], [2, 200, 0], JSON.stringify(notice));
  }
});

test("each step of a deployment on a real engine is told once, in order, signed, with why it failed and what serves", { timeout: 300_000 }, async (t) => {
  const receiver = await Receiver.start(t);
  const shop = await Shop.open(t);
  await shop.docker.webImage(`${shop.registry}/web:1`, "one");
  await shop.push("web", "1");
  await shop.service("web");
  await shop.call(200, "PUT", "/outside-registries", { allowed: [receiver.url] });
  const events = ["started", "succeeded", "failed", "rolled_back", "cancelled"].map((event) => `deployment.${event}`);
  const form = { name: "ci", kind: "webhook", address: `${receiver.url}/ci`, events };
  const { secret } = await shop.call(201, "POST", `/projects/${shop.project}/routes`, form);

  const web = (changes) => ({
    image: "web:1",
    ports: [{ name: "http", container: 8080 }],
    health: { http: { port: 8080, path: "/" }, interval: "500ms", timeout: "400ms", retries: 50, start_period: "60s" },
    update: { monitor: "200ms" },
    stop: { grace: "1s" },
    ...changes,
  });
  const good = await shop.deployed("web", web());
  const id = await shop.deploy("web", web({ command: ["/bin/sh", "-c", "echo no database; exit 3"] }));
  const bad = await shop.deployment("web", id, 120);
  assert.equal(bad.state, "rolled_back", JSON.stringify(bad));

  await until("four notices", async () => receiver.taken.size === 4, 60);
  const told = receiver.requests.map(({ body }) => JSON.parse(body));
  const short = ({ type, data }) => [type, data.facts.deployment, data.facts.revision];
  assert.deepEqual(told.map(short), [
    ["deployment.started", good.id, "1"],
    ["deployment.succeeded", good.id, "1"],
    ["deployment.started", id, "2"],
    ["deployment.rolled_back", id, "2"],
  ]);
  const last = told.at(-1).data;
  const first = (text) => text.split("\n")[0];
  assert.equal(first(last.text), first(bad.reason.message), "why, in the portal's own words");
  assert.match(last.text, /revision 1 serves on/);
  assert.equal(last.facts["reason code"], bad.reason.code);
  assert.equal(last.link, `${shop.portal.url}/projects/${shop.project}/services/web/deployments/${id}`);
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  for (const { id, body, headers } of receiver.requests) {
    const made = createHmac("sha256", key).update(`${id}.${headers["webhook-timestamp"]}.${body}`).digest("base64");
    assert.equal(headers["webhook-signature"], `v1,${made}`);
  }
});
