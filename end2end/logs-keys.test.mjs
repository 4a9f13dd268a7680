// A log with the keyboard: it is one stop for Tab however many lines it has, and arrows lead from line to line.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser } from "./browser.mjs";
import { address, arrive, open, row, say, writers } from "./log-page.mjs";
import { until } from "./shop.mjs";

after(closeBrowser);

test("arrows lead from line to line, and Tab leads past them", { timeout: 900_000 }, async (t) => {
  const shop = await writers(t, { replicas: 1 });
  const [first] = await shop.containers("web");
  await say(shop, first.id, "i=0; while [ $i -lt 60 ]; do echo row-$i; i=$((i+1)); done");
  const visitor = await arrive(t, shop);
  const { page } = visitor;
  await visitor.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await open(visitor, address(shop));
  await row(page, "row-59").waitFor();
  await page.getByText("Following.").waitFor();
  const stops = () => page.locator(".log ol").evaluate((list) => [...list.querySelectorAll("a, button, li")].filter((node) => node.tabIndex >= 0).length);
  const at = (said) => until(`the focus is at "${said}"`, () => page.evaluate((said) => document.activeElement.closest(".log li")?.querySelector(".line").innerText === said, said));
  assert.equal(await stops(), 0, "the page that the server made, and what was written since");

  // From the log itself to the last line in sight, and on.
  await page.locator(".log").focus();
  await page.keyboard.press("ArrowUp");
  await at("row-59");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  await at("row-57");
  await page.keyboard.press("ArrowDown");
  await at("row-58");
  assert.equal(await stops(), 1, "the line that has the focus");
  await page.keyboard.press("Enter");
  await page.getByText("The link to this line is copied.").waitFor();
  await at("row-58");
  await page.keyboard.press("Home");
  await until("the first line", () => page.evaluate(() => document.activeElement.closest(".log li")?.previousElementSibling === null));
  await page.keyboard.press("End");
  await at("row-59");

  // What else can be pressed in a line is reached from it, and from there the lines are left.
  const json = row(page, "order placed");
  await json.locator(".log-at").focus();
  await page.keyboard.press("Tab");
  assert.equal(await json.locator(".log-json").evaluate((button) => button === document.activeElement), true);
  await page.keyboard.press("Enter");
  await until("the line is raw, and the focus where it was", () => json.locator(".log-json").evaluate((button) => button === document.activeElement && button.ariaPressed === "true"));
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.closest(".log li")), null, "another line is no stop");
  assert.equal(await stops(), 0);
  await json.locator(".log-json").focus();
  await page.keyboard.press("ArrowDown");
  await until("the line below", () => json.evaluate((line) => line.nextElementSibling.contains(document.activeElement)));

  // Rows that are written anew leave the focus where it was.
  await json.locator(".log-at").focus();
  await page.evaluate(() => (window.before = document.activeElement));
  await page.getByRole("button", { name: "UTC" }).evaluate((button) => button.click());
  await until("the focus is at the new row", () => json.locator(".log-at").evaluate((link) => link !== window.before && link === document.activeElement));
});
