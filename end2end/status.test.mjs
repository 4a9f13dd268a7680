// The public status page in all its states, as somebody without an account sees it: in the reader's language and time zone, without scripts, narrow
// and dark, when the portal was just started and nothing is known, when a part of a service fails, and when its engine is gone.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { closeBrowser, Visitor } from "./browser.mjs";
import { atEnd } from "./ending.mjs";
import { OwnEngine } from "./engine.mjs";
import { freePort, Portal } from "./portal.mjs";
import { Shop, until } from "./shop.mjs";

after(closeBrowser);

/** A service outside of containers, which can be taken away and comes back at the same port. */
class Ledger {
  static async start(t) {
    const ledger = Object.assign(new Ledger(), { port: await freePort() });
    await ledger.resume();
    atEnd(t, () => ledger.stop());
    return ledger;
  }

  async resume() {
    this.server = createServer((_, answer) => answer.end("well"));
    await new Promise((resolve, reject) => this.server.once("error", reject).listen(this.port, "127.0.0.1", resolve));
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

async function call(portal, status, method, path, body) {
  const answer = await portal.api(method, path, body);
  assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** What the page says of itself to programs. */
const read = async (portal, path = "/status.json") => (await fetch(`http://${portal.registry}${path}`)).json();

/** Makes the portal probe at once: what is written is a reason to look. */
async function inState(portal, touch, state) {
  await touch();
  await until(`the service is ${state}`, async () => (await read(portal)).groups[0]?.components[0]?.state === state, 60);
}

test("the status page in all its states, by people and by what is probed", { timeout: 300_000 }, async (t) => {
  const portal = await Portal.start(t, { SLIPWAY_DOCKER_HOST: "unix:///nonexistent/no-engine.sock" });
  const visitor = await Visitor.arrive(t, { timezoneId: "Asia/Shanghai" });
  const { page } = visitor;
  // A browser may show what it read a moment ago.
  const open = (words, path = "/status") =>
    until(`the page says: ${words}`, async () => {
      assert.equal((await page.goto(portal.url + path)).status(), 200);
      return page.getByText(words, { exact: true }).first().isVisible();
    }, 90);
  await open("No services are shown here yet");
  await visitor.picture("status-empty");

  const ledger = await Ledger.start(t);
  await call(portal, 200, "PUT", "/outside-registries", { allowed: [`http://127.0.0.1:${ledger.port}`] });
  await call(portal, 201, "POST", "/projects", { name: "shop" });
  const form = { name: "ledger", title: "Ledger", address: `http://127.0.0.1:${ledger.port}/health` };
  const { id } = await call(portal, 201, "POST", "/projects/shop/legacy-services", form);
  const touch = () => call(portal, 200, "PUT", `/projects/shop/legacy-services/${id}`, form);
  await inState(portal, touch, "operational");
  await open("All services work");
  const time = page.locator("main time").first();
  const [shown, utc] = [await time.textContent(), await time.getAttribute("title")];
  assert.notEqual(shown, utc, "the time is the reader's, and the exact one is its title");
  assert.match(utc, /^\d{4}-\d\d-\d\d \d\d:\d\d UTC$/);
  await visitor.picture("status-well");

  ledger.stop();
  await inState(portal, touch, "down");
  const incident = { title: "The ledger does not answer", text: "We look into it.", impact: "critical", components: ["ledger"] };
  const told = await call(portal, 201, "POST", "/projects/shop/incidents", incident);
  await until("the incident is told", async () => (await read(portal)).incidents.length === 1, 30);
  await open("The services do not work");
  await page.getByRole("heading", { name: "The ledger does not answer" }).waitFor();
  await visitor.picture("status-down");

  await ledger.resume();
  await inState(portal, touch, "operational");
  await call(portal, 200, "POST", `/projects/shop/incidents/${told.id}/updates`, { text: "It was a cable.", state: "resolved" });
  const soon = new Date(Date.now() + 2_000).toISOString();
  const later = new Date(Date.now() + 3_600_000).toISOString();
  await call(portal, 201, "POST", "/projects/shop/incidents", { title: "New cables", text: "It is away for a while.", starts_at: soon, ends_at: later });
  await inState(portal, touch, "maintenance");
  await open("Maintenance is under way", "/status/shop");
  await page.getByRole("heading", { name: "Past incidents and maintenance" }).waitFor();
  assert.ok(await page.getByText("It was a cable.").isVisible());
  await visitor.picture("status-maintenance");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
  assert.ok(wide, "nothing stands over the edge");

  // The same for a reader of Chinese who allows no scripts: all of it is there, and times are said in UTC.
  const plain = await Visitor.arrive(t, { javaScriptEnabled: false, locale: "zh-CN" });
  await plain.page.goto(`${portal.url}/status`);
  await plain.page.getByText("正在维护", { exact: true }).waitFor();
  assert.match(await plain.page.locator("main time").first().textContent(), /UTC$/);
  await plain.picture("status-plain-chinese");
  await plain.page.getByRole("link", { name: "English" }).click();
  await plain.page.getByText("Maintenance is under way", { exact: true }).waitFor();
  await plain.picture("status-plain");
});

/** A shop with a service of two tasks that its status page shows. */
async function showing(t, page) {
  const shop = await Shop.open(t);
  await shop.docker.webImage(`${shop.registry}/web:1`, "one");
  await shop.push("web", "1");
  await shop.service("web");
  const ports = [{ name: "http", container: 8080 }];
  await shop.deployed("web", { image: "web:1", replicas: 2, ports, update: { monitor: "200ms" }, stop: { grace: "1s" }, status_page: { show: true, ...page } });
  return shop;
}

async function serviceIs(shop, state) {
  const component = async () => (await read(shop.portal, `/status/${shop.project}/status.json`)).groups[0].components[0];
  await until(`the service is ${state}`, async () => (await component()).state === state, 120);
}

/** What a reader finds on the page of this shop, who was not there before: how all of it does, and how its service does. */
async function finds(visitor, shop, state, [whole, own]) {
  const { page } = visitor;
  assert.equal((await page.goto(`${shop.portal.url}/status/${shop.project}`)).status(), 200);
  await page.locator(`p.whole.is-${state}`, { hasText: whole }).waitFor();
  await page.locator(`li p.state.is-${state}`, { hasText: own }).waitFor();
  assert.ok((await page.title()).endsWith(whole), await page.title());
}

test("a service of which a part does not answer works in part, in English and in Chinese", { timeout: 300_000 }, async (t) => {
  const shop = await showing(t, { probe: { http: { port: 8080, path: "/healthz" } } });
  await serviceIs(shop, "operational");
  const [{ id }] = await shop.containers("web");
  await shop.docker.do(["exec", id, "busybox", "rm", "/www/healthz"]);
  await serviceIs(shop, "degraded");
  const visitor = await Visitor.arrive(t);
  await finds(visitor, shop, "degraded", ["Some services have trouble", "Works in part"]);
  await visitor.picture("status-degraded");
  await finds(await Visitor.arrive(t, { locale: "zh-CN" }), shop, "degraded", ["部分服务出现问题", "部分可用"]);
  const badge = await (await fetch(`${shop.portal.url}/status/badge/${shop.project}/web.svg`)).text();
  assert.ok(badge.includes("<title>web: degraded</title>"), badge);
  const { components } = await read(shop.portal, `/status/${shop.project}/api/v2/summary.json`);
  assert.deepEqual(components.map(({ name, status }) => [name, status]), [["web", "partial_outage"]]);
});

test("a service whose engine is gone is not known, in English and in Chinese, until the engine is back", { timeout: 400_000 }, async (t) => {
  const engine = OwnEngine.find();
  if (!engine) return t.skip("the engine at hand is not ours to stop");
  const shop = await showing(t);
  await serviceIs(shop, "operational");
  await engine.crash();
  try {
    await serviceIs(shop, "unknown");
    const visitor = await Visitor.arrive(t);
    await finds(visitor, shop, "unknown", ["Some services cannot be seen at the moment", "Not known"]);
    assert.equal(await visitor.page.getByText("cannot be seen").count(), 1, "it is said once");
    await visitor.picture("status-engine-gone");
    const chinese = await Visitor.arrive(t, { locale: "zh-CN" });
    await finds(chinese, shop, "unknown", ["目前无法看到部分服务", "未知"]);
    assert.equal(await chinese.page.locator("p.unseen").count(), 0);
    await chinese.picture("status-engine-gone-chinese");
  } finally {
    await engine.start();
  }
  await serviceIs(shop, "operational");
  await finds(await Visitor.arrive(t), shop, "operational", ["All services work", "Works"]);
});

test("people write the status page in the portal", { timeout: 120_000 }, async (t) => {
  const portal = await Portal.start(t, { SLIPWAY_DOCKER_HOST: "unix:///nonexistent/no-engine.sock" });
  await call(portal, 201, "POST", "/projects", { name: "shop" });
  const visitor = await Visitor.arrive(t);
  const { page } = visitor;
  await page.goto(`${portal.url}/login?next=/projects/shop/status`);
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill(portal.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Services outside of containers" }).waitFor();
  await page.locator("html[data-ready]").waitFor();
  await page.getByLabel("Name", { exact: true }).fill("ledger");
  await page.getByLabel("Address").fill("tcp://192.0.2.1:5432");
  await page.getByRole("button", { name: "Add service" }).click();
  await page.getByRole("cell", { name: "tcp://192.0.2.1:5432" }).waitFor();
  const registered = async () => (await call(portal, 200, "GET", "/projects/shop/legacy-services")).items;
  const [before] = await registered();
  await page.getByRole("row", { name: /ledger/ }).getByRole("button", { name: "Edit" }).click();
  const edit = page.getByRole("dialog");
  assert.equal(await edit.getByLabel("Address").inputValue(), "tcp://192.0.2.1:5432");
  visitor.announce(422, /\/fn\/status\/put_legacy$/);
  await edit.getByLabel("Address").fill("there");
  await edit.getByRole("button", { name: "Save service" }).click();
  await edit.locator(".error", { hasText: "is none of these" }).waitFor();
  assert.equal(await page.locator(".error", { hasText: "is none of these" }).count(), 1, "no other form says so");
  await edit.getByLabel("Address").fill("tcp://192.0.2.2:5432");
  await edit.getByRole("button", { name: "Save service" }).click();
  await page.getByRole("cell", { name: "tcp://192.0.2.2:5432" }).waitFor();
  assert.deepEqual((await registered()).map(({ id, name }) => [id, name]), [[before.id, "ledger"]], "it is the same, with what was counted of it");
  const writer = page.locator("section", { has: page.getByRole("heading", { name: "New incident or maintenance" }) });
  await writer.getByLabel("Title").fill("Slow answers");
  await writer.getByLabel("Text").fill("We look into it.");
  await writer.getByRole("button", { name: "Tell everybody" }).click();
  const row = page.getByRole("row", { name: /Slow answers/ });
  await row.getByRole("button", { name: "Update" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Text").fill("A disk was full.");
  await dialog.getByLabel("State").selectOption("resolved");
  await dialog.getByRole("button", { name: "Tell everybody" }).click();
  await row.getByText("A disk was full.").waitFor();
  await until("everybody reads it", async () => (await read(portal)).incidents[0]?.updates[0]?.text === "A disk was full.", 30);

  // An operator takes the project off the site's page, and puts it back.
  await page.goto(`${portal.url}/admin/status`);
  await page.locator("html[data-ready]").waitFor();
  const project = page.getByRole("row", { name: /shop/ });
  await project.getByRole("button", { name: "Take off" }).click();
  await dialog.getByRole("button", { name: "Take project off" }).click();
  await project.getByText("taken off", { exact: true }).waitFor();
  await until("it is off the site's page", async () => (await read(portal)).groups.length === 0, 30);
  assert.equal((await read(portal, "/status/shop/status.json")).groups.length, 1, "its own page stays");
  await project.getByRole("button", { name: "Put back" }).click();
  await dialog.getByRole("button", { name: "Put project back" }).click();
  await project.getByText("on the page", { exact: true }).waitFor();
  await until("it is on the site's page again", async () => (await read(portal)).groups.length === 1, 30);
});
