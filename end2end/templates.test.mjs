// A service from a template in a real Chromium, on a real engine: the form says what is wrong without asking the server, asks what the answers make
// necessary, shows what would change, and deploys; the template editor's preview follows what is typed; a variable is set and reaches the service.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser, Visitor } from "./browser.mjs";
import { Docker } from "./engine.mjs";
import { Portal } from "./portal.mjs";
import { FINAL, until } from "./shop.mjs";

after(closeBrowser);

const PASSWORD = "correct horse battery staple";

/** Somebody who is signed in. `asked` is what their page asks the server about templates; that it follows what happens elsewhere is another matter. */
async function arrive(t, portal, username) {
  const visitor = await Visitor.arrive(t);
  visitor.asked = [];
  visitor.page.on("request", (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.startsWith("/fn/templates/")) visitor.asked.push(pathname);
  });
  await visitor.page.goto(`${portal.url}/login`);
  await visitor.page.getByLabel("User name").fill(username);
  await visitor.page.getByLabel("Password").fill(PASSWORD);
  await visitor.page.getByRole("button", { name: "Sign in" }).click();
  await visitor.page.waitForURL(`${portal.url}/`);
  return visitor;
}

/** Opens a page and waits until it was taken over: what needs a script works from then on. */
async function open(visitor, url) {
  await visitor.page.goto(url);
  await visitor.page.locator("html[data-ready]").waitFor();
}

/** What is said below a field. */
function error(page, label) {
  return page.locator(".field", { has: page.getByLabel(label, { exact: true }) }).locator(".error");
}

/** The values that a choice offers, without the one that stands for none. */
async function offered(page, label) {
  const values = await page.getByLabel(label, { exact: true }).locator("option").evaluateAll((options) => options.map(({ value }) => value));
  return values.filter(Boolean);
}

test("a service from a template, its preview, and its configuration", { timeout: 900_000 }, async (t) => {
  const portal = await Portal.start(t);
  const made = async (status, method, path, body) => {
    const answer = await portal.api(method, path, body);
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const project = `shop-${portal.port}`;
  await made(201, "POST", "/projects", { name: project });
  for (const [username, role] of [["dee", "developer"], ["ana", "admin"]]) {
    await made(201, "POST", "/users", { username, password: PASSWORD });
    await made(201, "PUT", `/projects/${project}/members/${username}`, { role });
  }
  const docker = await Docker.install(t);
  const image = `${portal.registry}/${project}/web:1`;
  await docker.login(portal.registry, "dee", PASSWORD);
  await docker.webImage(image, "one");
  await docker.do(["push", image]);
  t.after(async () => {
    const left = await docker.do(["ps", "-aq", "--filter", `label=dev.slipway.project=${project}`]);
    if (left) await docker.run(["rm", "-f", ...left.split("\n")]);
  });

  // The project's network is made with its first task. A new address of the machine ends what Chromium is fetching: it is there before anybody looks.
  await made(201, "POST", `/projects/${project}/services`, { name: "first" });
  const descriptor = { image: "web:1", update: { monitor: "0s" }, stop: { grace: "0s" } };
  const { id } = await made(202, "POST", `/projects/${project}/services/first/deployments`, { environment: "local", descriptor });
  const over = await until("it is deployed", async () => {
    const view = await made(200, "GET", `/projects/${project}/services/first/deployments/${id}?wait=60`);
    return FINAL.has(view.state) && view;
  }, 180);
  assert.equal(over.state, "succeeded");

  const shop = `${portal.url}/projects/${project}`;
  const service = `/projects/${project}/services/web`;
  const dee = await arrive(t, portal, "dee");
  const { page } = dee;

  // What is asked follows from what was answered.
  await open(dee, `${shop}/services/new`);
  await page.getByLabel("Name", { exact: true }).fill("web");
  await page.getByRole("radio", { name: /^HTTP service/ }).check();
  await page.getByRole("button", { name: "Create service" }).click();
  await page.waitForURL(/services\/web\/deploy\?template=/);
  await open(dee, `${shop}/services/web/deploy?template=site/worker`);
  const command = page.getByLabel("Command that ends with 0 while it works");
  await command.waitFor({ state: "attached" });
  assert.equal(await command.isVisible(), false, "nobody asks for a command that nothing runs");
  dee.asked.length = 0;
  await page.getByLabel("Health check", { exact: true }).selectOption("command");
  await command.waitFor();
  await page.getByLabel("Health check", { exact: true }).selectOption("none");
  await command.waitFor({ state: "hidden" });

  await open(dee, `${shop}/services/web/deploy?template=site/http-service`);
  await page.getByRole("heading", { name: "Deploy to local" }).waitFor();
  dee.asked.length = 0;
  assert.deepEqual(await offered(page, "Version of the base image"), ["22", "20"]);
  await page.getByLabel("Runtime", { exact: true }).selectOption("python");
  await until("the versions are Python's", async () => (await offered(page, "Version of the base image")).join() === "3.13,3.12,3.11");
  await page.getByLabel("Version of the base image", { exact: true }).selectOption("3.12");

  // What is wrong is said at once, where it is, and without the server.
  await page.getByLabel("Port in the task").fill("99999");
  await until("the port is refused", async () => /at most 65535/i.test(await error(page, "Port in the task").innerText()));
  await page.getByLabel("Time to start").fill("soon");
  await until("the time is refused", async () => (await error(page, "Time to start").innerText()) !== "");
  await dee.picture("template-form-wrong");
  await page.getByLabel("Port in the task").fill("8080");
  await page.getByLabel("Time to start").fill("10s");
  for (const label of ["Port in the task", "Time to start"]) {
    await until(`${label} is right`, async () => (await error(page, label).innerText()) === "");
  }
  assert.deepEqual(dee.asked, [], "none of this asked the server");

  // What would change, and then it does.
  await page.getByLabel("What starts it").fill("app:main");
  await page.getByLabel("Watched after").fill("500ms");
  await page.getByLabel("Time to end").fill("1s");
  await page.getByLabel("Variables").fill("GREETING=from the form");
  await page.getByRole("button", { name: "Show what would change" }).click();
  await page.getByRole("heading", { name: "What would change" }).waitFor();
  await page.getByText("This is the first deployment here.").waitFor();
  await page.getByText("2 made").waitFor();
  assert.ok(dee.asked.includes("/fn/templates/plan"));
  await dee.picture("template-form-planned");
  await page.getByRole("button", { name: "Deploy to local" }).click();
  await page.waitForURL(/\/deployments\//);
  await page.getByText("Succeeded", { exact: true }).first().waitFor({ timeout: 180_000 });
  const first = (await made(200, "GET", `${service}/revisions/1`)).descriptor;
  assert.deepEqual([first.env.GREETING, first.replicas, first.ports[0].container], ["from the form", 2, 8080]);
  const template = await made(200, "GET", `${service}/template`);
  assert.deepEqual([template.answers.runtime, template.answers.runtime_version], ["python", "3.12"], "what was chosen is remembered");

  // The editor's preview follows what is typed, its mistakes too.
  const ana = await arrive(t, portal, "ana");
  const editor = ana.page;
  await open(ana, `${shop}/templates/new`);
  const preview = editor.locator("section.panel", { has: editor.getByRole("heading", { name: "What it makes" }) });
  const yaml = editor.getByLabel("YAML");
  const document = (greeting) => `name: greeter
title: Greeter
parameters:
  - {name: image, type: image, required: true, default: "web:1"}
  - {name: greeting, default: good morning}
descriptor: |
  image: {{ image }}
  env:
    GREETING: {{ ${greeting} }}
`;
  ana.asked.length = 0;
  await yaml.fill(document("greeting"));
  await preview.getByText("good morning").waitFor();
  await yaml.press("Control+End");
  await yaml.pressSequentially("    PLACE: by hand\n");
  await preview.getByText("PLACE: by hand").waitFor();
  await editor.getByLabel("Answers to try it with").fill("greeting=good night");
  await preview.getByText("good night").waitFor();
  await yaml.fill(document("greting"));
  await preview.getByText(/greting is not there/).waitFor();
  await ana.picture("template-editor");
  assert.ok(ana.asked.length > 0 && ana.asked.every((path) => path === "/fn/templates/preview"), `${ana.asked}`);
  await yaml.fill(document("greeting"));
  await preview.getByText("good night").waitFor();
  await editor.getByRole("button", { name: "Save template" }).click();
  await editor.waitForURL(`${shop}/templates/greeter`);

  // A variable of the project: the page says who runs without it, and brings it there.
  await open(dee, `${shop}/configuration`);
  const row = page.locator("#uses").getByRole("row", { name: /web/ });
  const variables = page.locator("#variables");
  await variables.getByLabel("Name", { exact: true }).fill("LEVEL ONE");
  await until("the name is refused", async () => (await variables.locator(".error").first().innerText()) !== "");
  await variables.getByLabel("Name", { exact: true }).fill("LEVEL");
  await variables.getByLabel("Value", { exact: true }).fill("two");
  await page.getByRole("button", { name: "Set variable" }).click();
  await row.getByText("older configuration").waitFor();
  await row.getByText(/LEVEL/).waitFor();
  await dee.picture("configuration-used-by");
  const before = (await made(200, "GET", `${service}/tasks`)).items.filter(({ state }) => state === "running").map(({ id }) => id);
  await row.getByRole("button", { name: "Roll" }).click();
  await page.waitForURL(/\/deployments\//);
  await page.getByText("Succeeded", { exact: true }).first().waitFor({ timeout: 180_000 });
  const tasks = await until("the old tasks are gone", async () => {
    const living = (await made(200, "GET", `${service}/tasks`)).items.filter(({ state }) => ["running", "stopping"].includes(state));
    return living.length === 2 && living.every(({ id }) => !before.includes(id)) && living;
  });
  for (const { container } of tasks) {
    const env = await docker.do(["exec", container, "busybox", "env"]);
    assert.match(env, /^LEVEL=two$/m);
    assert.match(env, /^GREETING=from the form$/m);
  }
  await open(dee, `${shop}/configuration`);
  await row.getByText("the newest").waitFor();
  assert.equal(await row.getByRole("button", { name: "Roll" }).count(), 0, "there is nothing to bring");
});
