// A page with a form in each of its rows: what one of them was refused is told in that one and in no other.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser, Visitor } from "./browser.mjs";
import { Portal } from "./portal.mjs";

after(closeBrowser);

test("a refusal stays in the dialog that it was for", async (t) => {
  const portal = await Portal.start(t);
  await portal.api("POST", "/projects", { name: "shop" });
  for (const name of ["one", "two"]) {
    const made = await portal.api("POST", "/projects/shop/robots", { name, role: "developer", scopes: ["push"], expires_in_days: 30 });
    assert.equal(made.status, 201, JSON.stringify(made));
  }
  const visitor = await Visitor.arrive(t);
  const { page } = visitor;
  visitor.announce(422, /\/fn\/robots\/update$/);
  await page.goto(`${portal.url}/login?next=/projects/shop/robots`);
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill(portal.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Robots", exact: true }).waitFor();
  await page.locator("html[data-ready]").waitFor();

  const change = (name) => page.getByRole("row", { name: `robot-shop.${name}` }).getByRole("button", { name: "Change" }).click();
  const dialog = page.getByRole("dialog");
  const refusal = dialog.getByText("Nothing was changed");
  await change("one");
  await dialog.getByLabel("Role", { exact: true }).selectOption("guest");
  await dialog.getByRole("button", { name: "Save robot" }).click();
  await refusal.waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await change("two");
  await dialog.getByRole("heading", { name: "Change robot-shop.two" }).waitFor();
  assert.equal(await refusal.count(), 0, "the other robot was refused nothing");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await change("one");
  await dialog.getByRole("heading", { name: "Change robot-shop.one" }).waitFor();
  assert.equal(await refusal.count(), 0, "what was refused before is not said again");
});
