// A day with the keyboard alone: what is done elsewhere with clicks is done here with Tab, Enter, Space and Escape, and where the focus is
// can always be seen.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser, Visitor } from "./browser.mjs";
import { Portal } from "./portal.mjs";
import { until } from "./shop.mjs";

after(closeBrowser);

/** What has the focus: its name, and whether it shows that it has it. */
function focused(page) {
  return page.evaluate(() => {
    const node = document.activeElement;
    const label = node.labels?.[0]?.textContent ?? node.getAttribute("aria-label") ?? node.textContent;
    const look = getComputedStyle(node);
    const shown = (look.outlineStyle !== "none" && parseFloat(look.outlineWidth) > 0) || look.boxShadow !== "none";
    return { name: label.trim().replace(/\s+/g, " "), tag: node.localName, shown };
  });
}

/** Presses Tab until what has the focus is called `name`; every stop on the way shows that it has the focus. */
async function tabTo(page, name) {
  const passed = [];
  for (let stops = 0; stops < 40; stops++) {
    await page.keyboard.press("Tab");
    const now = await focused(page);
    if (now.tag === "body") continue;
    assert.ok(now.shown, `${now.tag} "${now.name}" has the focus and does not show it`);
    if (name instanceof RegExp ? name.test(now.name) : now.name === name) return;
    passed.push(now.name);
  }
  assert.fail(`"${name}" is not reached by Tab, only ${JSON.stringify(passed)}`);
}

test("a project is made, joined and left with the keyboard alone", async (t) => {
  const portal = await Portal.start(t);
  await portal.api("POST", "/users", { username: "dora", password: portal.password });
  const visitor = await Visitor.arrive(t);
  const { page } = visitor;
  const { keyboard } = page;
  await page.goto(`${portal.url}/login`);
  await page.locator("html[data-ready]").waitFor();
  if (!(await focused(page)).name.startsWith("User name")) await tabTo(page, /^User name/);
  await keyboard.type("admin");
  await tabTo(page, /^Password/);
  await keyboard.type(portal.password);
  await keyboard.press("Enter");
  await page.waitForURL(`${portal.url}/`);
  await page.locator("html[data-ready]").waitFor();

  await page.evaluate(() => document.activeElement.blur());
  await tabTo(page, "Skip to content");
  await keyboard.press("Enter");
  await until("the skip link leads to the content", () => page.evaluate(() => document.activeElement.id === "main"));

  await tabTo(page, /^(New|Create a?) ?.*project/i);
  await keyboard.press("Enter");
  await page.waitForURL("**/projects/new");
  await page.getByLabel("Name", { exact: true }).waitFor();
  if (!(await focused(page)).name.startsWith("Name")) await tabTo(page, /^Name/);
  await keyboard.type("shop");
  await keyboard.press("Enter");
  await page.waitForURL("**/projects/shop");
  await page.getByRole("link", { name: "Members", exact: true }).waitFor();

  await tabTo(page, "Members");
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "Add a member" }).waitFor();
  await tabTo(page, /^User name/);
  await keyboard.type("dora");
  await keyboard.press("Enter");
  await page.getByRole("cell", { name: "dora", exact: true }).waitFor();

  // A dialog keeps the focus, Escape leaves everything as it was and gives the focus back.
  const row = page.getByRole("row", { name: /dora/ });
  await row.getByRole("button", { name: "Remove" }).focus();
  await keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  await keyboard.press("Tab");
  assert.ok(await page.evaluate(() => document.activeElement.closest("dialog") !== null), "the focus is in the dialog");
  await keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  await until("the focus is where it was", async () => (await focused(page)).name === "Remove");
  await page.getByRole("cell", { name: "dora", exact: true }).waitFor();

  await page.evaluate(() => document.activeElement.blur());
  await tabTo(page, "Account of admin");
  await keyboard.press("Enter");
  await tabTo(page, "Sign out");
  await keyboard.press("Enter");
  await page.waitForURL("**/login*");
});
