// Push deploys in a real Chromium, with docker's own push and a real engine: a rule is made on the page, a push deploys, and the page that is open says
// by itself what became of each push.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser, Visitor } from "./browser.mjs";
import { Shop, until } from "./shop.mjs";

after(closeBrowser);

/** The row of the list of pushes that is about this image. */
function row(page, image) {
  return page.getByRole("row").filter({ hasText: image });
}

test("a push deploys where a rule says so, and the open page tells what became of it", { timeout: 420_000 }, async (t) => {
  const shop = await Shop.open(t);
  const { portal } = shop;
  const visitor = await Visitor.arrive(t);
  const { page } = visitor;
  await shop.service("web");
  await shop.docker.webImage(`${shop.registry}/web:1.0.0`, "one");
  await shop.push("web", "1.0.0");
  const web = {
    image: "web:1.0.0",
    ports: [{ name: "http", container: 8080 }],
    health: { http: { port: 8080, path: "/healthz" }, interval: "500ms", timeout: "400ms", retries: 50, start_period: "60s" },
    update: { monitor: "0s" },
    stop: { grace: "0s" },
  };
  await shop.deployed("web", web);

  await page.goto(`${portal.url}/login`);
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill(portal.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${portal.url}/`);
  await page.goto(`${portal.url}${shop.path("web", "/pushes")}`);
  await page.locator("html[data-ready]").waitFor();

  await t.test("a rule is checked as it is typed, and saved", async () => {
    await visitor.picture("pushes-empty");
    assert.equal(await page.getByLabel("Repository").inputValue(), "web", "what the service runs from is proposed");
    const versions = page.getByLabel("Version range");
    await versions.fill(">=one");
    await page.getByText(/"one" is not a version/).waitFor();
    await versions.fill(">=1 <2");
    await page.getByRole("button", { name: "Save rule" }).click();
    await page.getByRole("cell", { name: "versions >=1 <2" }).waitFor();
  });

  await t.test("docker's push deploys, and the page follows it to its end", async () => {
    await shop.docker.webImage(`${shop.registry}/web:1.1.0`, "two");
    await shop.push("web", "1.1.0");
    await row(page, "web:1.1.0").getByText("Succeeded", { exact: true }).waitFor({ timeout: 90_000 });
    await until("the new image answers", async () => {
      const [task, ...others] = await shop.tasks("web");
      return others.length === 0 && (await shop.answer(task)) === "version two";
    }, 30);
  });

  await t.test("what is not deployed says why, without a reload", async () => {
    await shop.docker.do(["tag", `${shop.registry}/web:1.1.0`, `${shop.registry}/web:1.1`]);
    await shop.push("web", "1.1");
    await row(page, "brought this image here before").getByText("Ignored", { exact: true }).waitFor();
    await shop.docker.webImage(`${shop.registry}/web:nightly`, "three");
    await shop.push("web", "nightly");
    await row(page, "the tag nightly is not a version").waitFor();
    await visitor.picture("pushes");
    assert.equal(await shop.answer((await shop.tasks("web"))[0]), "version two");
  });

  await t.test("the rule is edited and deleted", async () => {
    await page.getByRole("link", { name: "Edit", exact: true }).click();
    await page.getByRole("heading", { name: "Push rule for local" }).waitFor();
    assert.equal(await page.getByLabel("Version range").inputValue(), ">=1 <2");
    await page.getByLabel("Switched off").check();
    await page.getByRole("button", { name: "Save rule" }).click();
    await page.getByRole("cell", { name: "Switched off" }).waitFor();
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete rule" }).click();
    await page.getByText("No push deploys yet").waitFor();
    assert.equal((await shop.call(200, "GET", shop.path("web", "/push-rules"))).items.length, 0);
  });
});
