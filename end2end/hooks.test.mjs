// Hooks in a real Chromium: one is made, its secret is shown once, what is delivered stands on the page by itself, is looked at and delivered again;
// the secret is rotated, the hook disabled and deleted. There is no engine: what is deployed waits.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, test } from "node:test";
import { closeBrowser, Visitor } from "./browser.mjs";
import { Portal } from "./portal.mjs";

after(closeBrowser);

const SERVICE = "/projects/shop/services/web";

test("a hook is made, delivered to, looked into, rotated, disabled and deleted", { timeout: 180_000 }, async (t) => {
  const portal = await Portal.start(t, { SLIPWAY_DOCKER_HOST: "unix:///nowhere.sock" });
  const made = async (status, method, path, body) => {
    const answer = await portal.api(method, path, body);
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  await made(201, "POST", "/projects", { name: "shop" });
  await made(201, "POST", "/projects/shop/services", { name: "web" });
  await made(202, "POST", `${SERVICE}/deployments`, { environment: "local", descriptor: { image: "registry.example.com/team/web:1" } });
  const visitor = await Visitor.arrive(t);
  const { page } = visitor;
  await page.goto(`${portal.url}/login?next=${SERVICE}/hooks`);
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill(portal.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "No hooks yet" }).waitFor();
  await page.locator("html[data-ready]").waitFor();

  const secret = page.locator('pre[aria-label="secret"]');
  const address = page.locator('pre[aria-label="URL"]');
  await page.getByLabel("Name", { exact: true }).fill("ci");
  await page.getByLabel("Branches").fill("main");
  await page.getByRole("button", { name: "Make hook" }).click();
  await secret.waitFor();
  const first = await secret.textContent();
  const url = (await address.first().textContent()).replace(portal.url, `http://${portal.registry}`);
  assert.match(url, /\/hooks\/[0-9a-f]{32}$/);
  await visitor.picture("hooks-made");

  const deliver = async (key, delivery, body) => {
    const text = JSON.stringify(body);
    const signature = `sha256=${createHmac("sha256", key).update(text).digest("hex")}`;
    const headers = { "content-type": "application/json", "x-hub-signature-256": signature, "x-github-delivery": delivery };
    const answer = await fetch(url, { method: "POST", headers, body: text });
    return { status: answer.status, body: await answer.json() };
  };
  const row = page.getByRole("row", { name: /^ci/ });
  const ignored = await deliver(first, "d-1", { tag: "2", ref: "feature" });
  assert.deepEqual([ignored.status, ignored.body.outcome], [200, "ignored"], JSON.stringify(ignored));
  await row.getByText("ignored", { exact: true }).waitFor();
  const accepted = await deliver(first, "d-2", { tag: "2", ref: "main", commit: "0451abc" });
  assert.deepEqual([accepted.status, accepted.body.outcome], [202, "accepted"], JSON.stringify(accepted));
  await row.getByText("deploys", { exact: true }).waitFor();
  assert.deepEqual(await deliver(first, "d-2", { tag: "2", ref: "main", commit: "0451abc" }), accepted, "a repeat gets the same");

  await row.getByRole("link", { name: "ci" }).click();
  await page.getByRole("heading", { name: "What deploys" }).waitFor();
  assert.equal(await page.getByText(first).count(), 0, "the secret is shown no more");
  const rows = page.getByRole("row", { name: /slipway deploy/ });
  assert.equal(await rows.count(), 2);
  await rows.nth(1).getByRole("link", { name: "slipway deploy" }).click();
  await page.getByRole("heading", { name: "Delivery from slipway" }).waitFor();
  await page.locator('pre[aria-label="body"]').getByText('"ref":"feature"').waitFor();
  await visitor.picture("hooks-delivery");
  await page.getByRole("link", { name: "Close" }).click();
  await page.getByRole("heading", { name: "Delivery from slipway" }).waitFor({ state: "detached" });

  // The branch is let through now: what was ignored deploys when it is delivered again.
  await page.getByLabel("Branches").fill("{main,feature}");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("Hook saved").first().waitFor();
  await page.getByRole("row", { name: /the branch feature/ }).getByRole("button", { name: "Redeliver" }).click();
  await page.getByRole("row", { name: /again, for admin/ }).getByText("deploys", { exact: true }).waitFor();

  await page.getByRole("button", { name: "Rotate secret" }).click();
  await page.getByRole("button", { name: "Make new secret" }).click();
  await secret.waitFor();
  const second = await secret.textContent();
  assert.notEqual(second, first);
  for (const [n, key] of [first, second].entries()) assert.equal((await deliver(key, `d-${3 + n}`, { tag: "2", ref: "main" })).status, 202, "both hold");
  assert.equal((await deliver("whsec_d3Jvbmc=", "d-9", { tag: "2", ref: "main" })).status, 404);

  await page.getByRole("button", { name: "Disable" }).click();
  await page.getByRole("button", { name: "Enable" }).waitFor();
  assert.equal((await deliver(second, "d-5", { tag: "2", ref: "main" })).status, 403);
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByRole("button", { name: "Delete hook" }).click();
  await page.getByRole("heading", { name: "No hooks yet" }).waitFor();
  assert.equal((await deliver(second, "d-6", { tag: "2", ref: "main" })).status, 404);
});
