// Several shells of one task as a person tells them apart: their names, and where the keyboard is when one is opened, chosen or closed.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser } from "./browser.mjs";
import { Typist, shopWithShell } from "./shell-page.mjs";
import { until } from "./shop.mjs";

after(closeBrowser);

test("shells of one task have names of their own, which they keep", { timeout: 600_000 }, async (t) => {
  const shop = await shopWithShell(t);
  const typist = await Typist.sit(t, shop);
  const { page } = typist;
  const titles = () => page.locator(".shell > header strong").allInnerTexts();
  await typist.open();
  await typist.open();
  await typist.open();
  assert.deepEqual(await titles(), ["web.1", "web.1 (2)", "web.1 (3)"]);
  for (const title of await titles()) {
    assert.equal(await page.getByRole("region", { name: `Terminal of ${title}`, exact: true }).count(), 1);
    assert.equal(await page.getByRole("button", { name: `Close ${title}`, exact: true }).count(), 1);
  }
  await page.getByRole("button", { name: "Close web.1", exact: true }).click();
  await until("the others keep their names", async () => (await titles()).join() === "web.1 (2),web.1 (3)");
  // Also over a page that is loaded again, and as tabs.
  await page.reload();
  await page.locator("html[data-ready]").waitFor();
  await until("the shells are there again", async () => (await titles()).sort().join() === "web.1 (2),web.1 (3)");
  await page.setViewportSize({ width: 390, height: 844 });
  const tabs = page.getByRole("group", { name: "Shells", exact: true }).getByRole("button");
  await until("they are its tabs", async () => (await tabs.allInnerTexts()).sort().join() === "web.1 (2),web.1 (3)");
});

test("the keyboard is at the shell that somebody opened or turned to, and never nowhere", { timeout: 600_000 }, async (t) => {
  const shop = await shopWithShell(t);
  const typist = await Typist.sit(t, shop);
  const { page } = typist;
  const at = (title) => until(`the keyboard is at ${title}`, () =>
    page.evaluate((title) => {
      const now = document.activeElement;
      return now.matches(".xterm-helper-textarea") && now.closest(".shell").getAttribute("aria-label") === `Terminal of ${title}`;
    }, title));
  // So low that a shell is not in view where it is made.
  await page.setViewportSize({ width: 390, height: 844 });
  await typist.open();
  await at("web.1");
  await until("all of its screen is in view", async () => {
    const { y, height } = await typist.pane().locator(".shell-screen").boundingBox();
    if (y < 0 || y + height > 844) throw new Error(`from ${y} to ${y + height}`);
    return true;
  });
  await typist.open();
  await at("web.1 (2)");
  await typist.open();
  await at("web.1 (3)");

  const tab = (name) => page.getByRole("group", { name: "Shells", exact: true }).getByRole("button", { name, exact: true });
  await tab("web.1").click();
  await at("web.1");
  await typist.run("echo by-the-''tab", /^by-the-tab/m, 0);
  // A second press of the same tab leads there as well.
  await tab("web.1").click();
  await at("web.1");
  await tab("web.1 (2)").click();
  await at("web.1 (2)");
  await page.getByRole("button", { name: "Close web.1 (2)", exact: true }).click();
  await at("web.1 (3)");
  await page.getByRole("button", { name: "Close web.1 (3)", exact: true }).click();
  await at("web.1");
  await page.getByRole("button", { name: "Close web.1", exact: true }).click();
  await until("the keyboard is at what opens another one", () => page.evaluate(() => document.activeElement.textContent === "Open shell"));
  await page.keyboard.press("Enter");
  await typist.prompt();
  await at("web.1");
});
