// Pages that others change while somebody works on them: what is new is shown, and what was typed and chosen meanwhile stays.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser, Visitor } from "./browser.mjs";
import { Portal } from "./portal.mjs";

after(closeBrowser);

test("a form that is being filled in outlives what others change", async (t) => {
  const portal = await Portal.start(t);
  await portal.api("POST", "/projects", { name: "shop" });
  for (const username of ["dee", "gus"]) await portal.api("POST", "/users", { username, password: portal.password });
  const visitor = await Visitor.arrive(t);
  const { page } = visitor;
  await page.goto(`${portal.url}/login?next=/projects/shop/members`);
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill(portal.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Add a member" }).waitFor();
  await page.locator("html[data-ready]").waitFor();

  await page.getByLabel("User name").fill("gus");
  await page.getByLabel("Role", { exact: true }).selectOption("guest");
  const added = await portal.api("PUT", "/projects/shop/members/dee", { role: "developer" });
  assert.ok(added.status < 300, JSON.stringify(added));
  await page.getByRole("cell", { name: "dee", exact: true }).waitFor();
  assert.equal(await page.getByLabel("User name").inputValue(), "gus");
  assert.equal(await page.getByLabel("Role", { exact: true }).inputValue(), "guest");
});

test("how many alerts fire stands in the navigation and follows what happens", async (t) => {
  const portal = await Portal.start(t, { SLIPWAY_DOCKER_HOST: "unix:///nowhere/docker.sock" });
  // That no engine answers is found by the rule below alone.
  const { body } = await portal.api("GET", "/alert-rules");
  for (const { id } of body.items.filter(({ rule }) => rule.kind === "machine_gone")) await portal.api("DELETE", `/alert-rules/${id}`);
  const visitor = await Visitor.arrive(t);
  const { page } = visitor;
  await page.goto(`${portal.url}/login?next=/admin/quotas`);
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill(portal.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Admin", exact: true }).waitFor();
  await page.locator("html[data-ready]").waitFor();

  const tab = (name) => page.getByRole("navigation", { name: "Admin", exact: true }).getByRole("link", { name });
  await tab(/^Alerts$/).waitFor();
  const made = await portal.api("POST", "/alert-rules", { name: "Gone", kind: "machine_gone" });
  assert.equal(made.status, 201, JSON.stringify(made));
  await tab(/^Alerts\s+1 firing$/).waitFor({ timeout: 120_000 });
  const rendered = await (await page.request.get(`${portal.url}/admin/quotas`)).text();
  assert.match(rendered, / 1 firing</);
  await portal.api("DELETE", `/alert-rules/${made.body.id}`);
  await tab(/^Alerts$/).waitFor({ timeout: 120_000 });
});
