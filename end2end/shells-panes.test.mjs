// Several shells of one task as a person tells them apart: their names, and where the keyboard is when one is opened, chosen or closed.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser } from "./browser.mjs";
import { Typist, shopWithShell } from "./shell-page.mjs";
import { until } from "./shop.mjs";

after(closeBrowser);

test("shells of one task have names of their own, which they keep", { timeout: 180_000 }, async (t) => {
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
  assert.deepEqual((await tabs.allInnerTexts()).sort(), ["web.1 (2)", "web.1 (3)"]);
});
