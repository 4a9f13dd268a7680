// The whole day's work in a real Chromium, with a real docker client and a real engine: set-up, people, a push, a deploy from the form, logs, a
// shell, a release that breaks and is taken back, the way back, and what a guest can and cannot do.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser, Visitor } from "./browser.mjs";
import { Docker } from "./engine.mjs";
import { Portal } from "./portal.mjs";
import { FINAL, until } from "./shop.mjs";

after(closeBrowser);

const PASSWORD = "correct horse battery staple";

/** Signs in through the page. */
async function signIn(visitor, portal, username) {
  await visitor.page.goto(`${portal.url}/login`);
  await visitor.page.getByLabel("User name").fill(username);
  await visitor.page.getByLabel("Password").fill(PASSWORD);
  await visitor.page.getByRole("button", { name: "Sign in" }).click();
  await visitor.page.waitForURL(`${portal.url}/`);
}

/** Waits until the page was taken over: what needs a script works from then on. */
async function ready(visitor) {
  await visitor.page.locator("html[data-ready]").waitFor();
}

/** A part of the story; what goes wrong in it says where. */
async function step(what, act) {
  try {
    await act();
  } catch (error) {
    error.message = `${what}: ${error.message}`;
    throw error;
  }
}

/** The state that the deployment's page shows at last. */
async function outcome(visitor, word) {
  await visitor.page.getByText(word, { exact: true }).first().waitFor({ timeout: 180_000 });
}

test("from set-up to roll-back, and what a guest may", { timeout: 900_000 }, async (t) => {
  const portal = await Portal.start(t, { SLIPWAY_ADMIN_PASSWORD: undefined });
  const admin = await Visitor.arrive(t);
  const page = admin.page;

  await step("the one-time link makes the first operator", async () => {
    const link = (await portal.log()).match(/http:\S+\/setup\?token=\S+/)?.[0];
    assert.ok(link, "the portal prints where to begin");
    await page.goto(link);
    await ready(admin);
    await admin.picture("setup");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Set up Slipway" }).click();
    await page.waitForURL((url) => url.pathname !== "/setup");
    portal.password = PASSWORD;
    assert.equal((await portal.api("GET", "/me")).body.operator, true);
  });

  await step("a project, a developer and a guest", async () => {
    for (const name of ["dee", "gus"]) {
      await page.goto(`${portal.url}/admin`);
      await ready(admin);
      await page.getByLabel("User name").fill(name);
      await page.getByLabel("First password").fill(PASSWORD);
      await page.getByRole("button", { name: "Make user" }).click();
      await page.getByRole("cell", { name: new RegExp(`^${name}`) }).waitFor();
    }
    await admin.picture("users");
    await page.goto(`${portal.url}/projects/new`);
    await ready(admin);
    await page.getByLabel("Name", { exact: true }).fill("My Shop");
    await page.getByText("my-shop").waitFor();
    await admin.picture("project-new-wrong");
    await page.getByLabel("Name", { exact: true }).fill("shop");
    await page.getByRole("button", { name: "Create project" }).click();
    await page.waitForURL(`${portal.url}/projects/shop`);
    await admin.picture("project-empty");
    await page.goto(`${portal.url}/projects/shop/members`);
    await ready(admin);
    for (const [name, role] of [["dee", "developer"], ["gus", "guest"]]) {
      await page.getByLabel("User name").fill(name);
      await page.getByLabel("Role", { exact: true }).selectOption(role);
      await page.getByRole("button", { name: "Add member" }).click();
      await page.getByRole("cell", { name, exact: true }).waitFor();
    }
    await admin.picture("members");
  });

  const docker = await Docker.install(t);
  const image = `${portal.registry}/shop/web`;
  await step("docker login and push, as the developer", async () => {
    await docker.login(portal.registry, "dee", PASSWORD);
    await docker.webImage(`${image}:1`, "one");
    await docker.do(["push", `${image}:1`]);
    await docker.webImage(`${image}:2`, "two");
    await docker.do(["push", `${image}:2`]);
    await docker.brokenImage(`${image}:broken`);
    await docker.do(["push", `${image}:broken`]);
  });

  const developer = await Visitor.arrive(t);
  await step("deploy from the form, with two tasks and a health check", async () => {
    const { page } = developer;
    await signIn(developer, portal, "dee");
    await page.goto(`${portal.url}/projects/shop/images`);
    await ready(developer);
    await page.getByText("web").first().waitFor();
    await developer.picture("images");
    await page.goto(`${portal.url}/projects/shop/services/new`);
    await ready(developer);
    await page.getByLabel("Name", { exact: true }).fill("web");
    await page.getByRole("button", { name: "Create service" }).click();
    await page.waitForURL(/services\/web/);
    await page.goto(`${portal.url}/projects/shop/services/web/deploy`);
    await ready(developer);
    await page.getByLabel("Image").fill("web:1");
    await page.getByLabel("Tasks").fill("0x2");
    await page.locator("[aria-invalid=true]").first().waitFor();
    await developer.picture("deploy-form-wrong");
    await page.getByLabel("Tasks").fill("2");
    await page.getByLabel("Variables").fill("GREETING=hello\nDB_PASSWORD=hunter2-hunter2");
    await page.getByLabel("Ports").fill("http=8080");
    await page.getByLabel("Health check").selectOption("http");
    await page.getByLabel("Port in the task").fill("8080");
    await page.getByLabel("Path").fill("/healthz");
    await page.getByRole("button", { name: "Show what would change" }).click();
    await page.getByRole("heading", { name: "What would change" }).waitFor();
    await developer.picture("deploy-form");
    await page.getByRole("button", { name: "Deploy to local" }).click();
    await page.waitForURL(/deployments\//);
    await outcome(developer, "Succeeded");
    await developer.picture("deployment-succeeded");
    await page.goto(`${portal.url}/projects/shop/services/web`);
    await ready(developer);
    await page.getByText("Healthy", { exact: true }).nth(1).waitFor();
    await developer.picture("service");
    await page.goto(`${portal.url}/projects/shop`);
    await ready(developer);
    await developer.picture("project");
  });

  /** What the healthy tasks answer. */
  const answers = async () => {
    const { body } = await portal.api("GET", "/projects/shop/services/web/tasks");
    const living = body.items.filter((task) => task.health === "healthy" && task.ports.length > 0);
    return Promise.all(living.map(async (task) => (await fetch(`http://127.0.0.1:${task.ports[0].host}/`)).text()));
  };
  /** Waits until two tasks answer, both as this version. */
  const serve = (version) => until(`two tasks are of version ${version}`, async () => {
    const bodies = await answers();
    assert.ok(bodies.length === 2 && bodies.every((body) => body.includes(`version ${version}`)), bodies.join());
    return true;
  });

  await step("both tasks answer on their published ports", async () => {
    await serve("one");
  });

  await step("a log line, and what inspect hides", async () => {
    const { page } = developer;
    await page.goto(`${portal.url}/projects/shop/services/web/logs`);
    await ready(developer);
    await answers();
    await page.getByText("web one listens on 8080").first().waitFor();
    await developer.picture("logs");
    await page.goto(`${portal.url}/projects/shop/services/web/inspect`);
    await ready(developer);
    await page.getByText("DB_PASSWORD").first().waitFor();
    assert.ok(!(await page.locator("main").innerText()).includes("hunter2-hunter2"), "a secret is hidden");
    await developer.picture("inspect");
  });

  await step("type in the shell and read the answer", async () => {
    const { page } = developer;
    await page.goto(`${portal.url}/projects/shop/services/web/shell`);
    await ready(developer);
    await page.getByRole("button", { name: "Open shell" }).click();
    const terminal = page.locator(".xterm");
    await terminal.waitFor();
    await page.getByText("Open", { exact: true }).waitFor();
    await terminal.click();
    await page.keyboard.type("echo $((6*7)) $GREETING; stty size\n");
    await page.waitForFunction(() => /^42\shello.*\n\d+\s\d+/m.test(document.querySelector(".xterm-rows")?.innerText ?? ""));
    const shown = await page.locator(".xterm-rows").innerText();
    const [, rows, columns] = shown.match(/(\d+) (\d+)\s*$/m) ?? [];
    assert.ok(Number(rows) > 5 && Number(columns) > 40, `the size is the window's: ${rows} x ${columns}`);
    await developer.picture("shell");
    await page.keyboard.type("exit 3\n");
    await page.getByText("Ended with code 3").waitFor();
  });

  await step("a broken release fails with its reason, while the old tasks serve on", async () => {
    const { page } = developer;
    await page.goto(`${portal.url}/projects/shop/services/web/deploy`);
    await ready(developer);
    await page.getByLabel("Image").fill("web:broken");
    await page.getByRole("button", { name: "Deploy to local" }).click();
    await page.waitForURL(/deployments\//);
    await outcome(developer, "Rolled back");
    await developer.picture("deployment-rolled-back");
    const bodies = await answers();
    assert.equal(bodies.length, 2);
    for (const body of bodies) assert.match(body, /version one/);
    const { body } = await portal.api("GET", "/projects/shop/services/web/deployments");
    assert.equal(body.items[0].state, "rolled_back");
    assert.match(body.items[0].reason.message, /exit|ended|code|cannot start/i);
  });

  await step("a second version, and the way back to the first", async () => {
    const { page } = developer;
    const descriptor = { image: "web:2", replicas: 2, ports: [{ name: "http", container: 8080 }], health: { http: { port: 8080, path: "/healthz" } }, update: { monitor: "1s" } };
    const user = { username: "dee", password: PASSWORD };
    const made = await portal.api("POST", "/projects/shop/services/web/deployments", { descriptor, why: "the new greeting" }, user);
    assert.equal(made.status, 202, JSON.stringify(made.body));
    const done = await until("the second version is there", async () => {
      const { body } = await portal.api("GET", `/projects/shop/services/web/deployments/${made.body.id}?wait=60`, undefined, user);
      return FINAL.has(body.state) && body;
    }, 180);
    assert.equal(done.state, "succeeded", JSON.stringify(done));
    await serve("two");
    await page.goto(`${portal.url}/projects/shop/services/web/revisions`);
    await ready(developer);
    await developer.picture("revisions");
    const row = page.getByRole("row", { name: /web:1/ }).last();
    await row.getByRole("button", { name: "Roll back" }).click();
    await developer.picture("roll-back");
    await page.locator("dialog[open]").getByRole("button", { name: "Roll back" }).click();
    await page.waitForURL(/deployments\//);
    await outcome(developer, "Succeeded");
    await serve("one");
  });

  await step("a guest looks and pulls, and nothing else", async () => {
    const guest = await Visitor.arrive(t);
    const { page } = guest;
    await signIn(guest, portal, "gus");
    await guest.picture("home-guest");
    await page.goto(`${portal.url}/projects/shop/services/web`);
    await ready(guest);
    await page.getByText("Healthy", { exact: true }).first().waitFor();
    await guest.picture("service-guest");
    assert.equal(await page.getByRole("link", { name: "Deploy", exact: true }).count(), 0);
    await page.goto(`${portal.url}/projects/shop/services/web/shell`);
    await ready(guest);
    await page.getByText("No shell for you here").waitFor();

    const theirs = await Docker.install(t);
    await theirs.login(portal.registry, "gus", PASSWORD);
    // Its last task may be ending yet, and an image that a container has is not removed.
    await until("the second version is not on the machine", async () => {
      const { code, out } = await theirs.run(["rmi", `${image}:2`]);
      assert.equal(code, 0, out);
      return true;
    });
    await theirs.do(["pull", `${image}:2`]);
    await theirs.do(["tag", `${image}:2`, `${image}:mine`]);
    const pushed = await theirs.run(["push", `${image}:mine`]);
    assert.notEqual(pushed.code, 0);
    assert.match(pushed.out, /denied|may not push/i);

    const user = { username: "gus", password: PASSWORD };
    const services = "/projects/shop/services/web";
    const refused = await portal.api("POST", `${services}/deployments`, { descriptor: { image: "web:2" } }, user);
    assert.equal(refused.status, 403);
    assert.equal((await portal.api("POST", `${services}/stop`, {}, user)).status, 403);
    const { body } = await portal.api("GET", `${services}/tasks`, undefined, user);
    const shell = await fetch(`http://${portal.registry}/ws/tasks/${body.items[0].id}/shell`, {
      headers: { authorization: `Basic ${Buffer.from(`gus:${PASSWORD}`).toString("base64")}` },
    });
    assert.equal(shell.status, 403);
  });
});
