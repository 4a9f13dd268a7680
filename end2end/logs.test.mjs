// The log page in a real Chromium on a real engine: what tasks write appears as they write it, coloured, opened and safe; it is paused, filtered, searched
// over revisions that are gone, linked to, downloaded; a flood leaves the page small; a portal that starts again loses and doubles no line.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { closeBrowser } from "./browser.mjs";
import { contrast } from "./contrast.mjs";
import { address, arrive, descriptor, open, row, say, texts, writers } from "./log-page.mjs";
import { until } from "./shop.mjs";

after(closeBrowser);

/** Rows that a page holds at most. */
const ROWS = 3_000;

test("a log is read, followed, paused, narrowed and linked to", { timeout: 900_000 }, async (t) => {
  const shop = await writers(t);
  const [first] = await shop.containers("web");
  const visitor = await arrive(t, shop);
  const { page } = visitor;
  await visitor.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await open(visitor, address(shop));

  // All tasks in one stream; nothing that they wrote is markup.
  // What went to the other stream may come behind the rest.
  await until("three tasks wrote", async () => (await row(page, "started one").count()) === 3 && (await row(page, "no disk").count()) === 3);
  assert.equal(await page.locator(".log img, .log .line b:not(.log-field b)").count(), 0);
  assert.match(await row(page, "onerror").first().innerText(), /<img src=x onerror=alert\(1\)><b>bold<\/b>/);
  assert.equal(await row(page, "onerror").first().locator(".line a").getAttribute("href"), "https://example.org/path?a=1");
  assert.match(await row(page, "東京").first().innerText(), /grüße aus 東京 🚀/);
  assert.equal(await page.locator(".log li .task").evaluateAll((all) => new Set(all.map((task) => task.dataset.hue)).size), 3);
  assert.equal(await row(page, "no disk").first().getAttribute("data-stream"), "stderr");
  assert.equal(await row(page, "no disk").first().getAttribute("data-level"), "error");

  // Colours can be read on both pages.
  const red = row(page, "red alert").first().locator("[data-fg='1']");
  assert.equal(await red.innerText(), "red alert");
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const text of ["red alert", "bright"]) {
      const ratio = await page.getByText(text, { exact: true }).first().evaluate(contrast);
      assert.ok(ratio >= 4.5, `${text} on the ${colorScheme} page: ${ratio}`);
    }
  }
  await page.emulateMedia({ colorScheme: null });

  // A JSON line is opened, and shown as it came.
  const json = row(page, "order placed").first();
  assert.equal(await json.locator(".log-message").innerText(), "order placed");
  assert.match(await json.innerText(), /customer\.name=Ana/);
  assert.equal(await json.getAttribute("data-level"), "warn");
  await json.locator(".log-json").click();
  await until("the line is raw", async () => (await json.innerText()).includes('{"time":"2026-11-20T09:30:00Z"'));
  await page.getByRole("button", { name: "Open JSON" }).click();
  await until("all lines are raw", async () => (await page.locator(".log-message").count()) === 0);
  await page.getByRole("button", { name: "Open JSON" }).click();
  await visitor.picture("logs-lines");

  // It follows; while it is paused lines wait and are counted.
  await say(shop, first.id, "echo written-while-looking");
  await row(page, "written-while-looking").waitFor();
  await page.locator("h1").click();
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Go on" }).waitFor();
  await say(shop, first.id, "echo paused-1; echo paused-2");
  await page.getByRole("button", { name: "2 new lines" }).waitFor();
  assert.equal(await row(page, "paused-1").count(), 0);
  await page.getByRole("button", { name: "Go on" }).click();
  await row(page, "paused-2").waitFor();

  // A filter is an address; `/` leads to its field.
  await page.locator("h1").click();
  await page.keyboard.press("/");
  await until("the field has the focus", () => page.evaluate(() => document.activeElement.id === "f-grep"));
  await page.keyboard.type("NEEDLE");
  await page.keyboard.press("Enter");
  await page.waitForURL(/grep=NEEDLE/);
  await until("only what matches", async () => (await texts(page)).length === 3 && (await texts(page)).every((text) => text.includes("needle-one")));
  assert.equal(await page.locator(".log mark").first().innerText(), "needle");
  await say(shop, first.id, "echo no match; echo another needle");
  await row(page, "another needle").waitFor();
  assert.equal(await row(page, "no match").count(), 0);
  await page.getByLabel("Match case").check();
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByText("No line matches").waitFor();
  await until("nothing is counted where there is nothing", async () => (await page.getByText(/\d+ lines? in the page/).count()) === 0);
  await page.getByRole("link", { name: "Show all lines" }).click();
  await row(page, "started one").first().waitFor();
  await page.getByText(/\d+ lines in the page/).waitFor();

  // A task, a level, long lines.
  await page.locator(".log-legend .log-task").first().click();
  await page.waitForURL(/task=/);
  await until("one task's lines", async () => (await row(page, "started one").count()) === 1);
  await page.getByRole("link", { name: "All tasks" }).click();
  await until("all tasks' lines", async () => (await row(page, "started one").count()) === 3);
  await page.locator("details summary", { hasText: "Task, revision" }).click();
  await page.getByLabel("Level").selectOption("error");
  await page.waitForURL(/level=error/);
  await until("errors alone", async () => (await texts(page)).length === 3 && (await texts(page)).every((text) => text.startsWith("ERROR no disk")));
  await page.getByLabel("Level").selectOption("");
  await row(page, "grüße").first().waitFor();
  await say(shop, first.id, `echo ${"long ".repeat(200)}`);
  const long = row(page, "long long").first();
  await long.waitFor();
  const wrapped = (await long.boundingBox()).height;
  await page.getByRole("button", { name: "Wrap lines" }).click();
  await until("it is one line", async () => (await long.boundingBox()).height < wrapped / 2);

  // The choice of time is the reader's, and holds.
  const time = page.locator(".log time").first();
  assert.match(await time.innerText(), /^\d\d:\d\d:\d\d\.\d{3}$/);
  await page.getByRole("button", { name: "Ago" }).click();
  await until("times are ages", async () => /just now|ago/.test(await time.innerText()));
  await page.getByRole("button", { name: "UTC" }).click();

  // A line's link leads to it, in the middle and marked.
  await say(shop, first.id, "i=0; while [ $i -lt 150 ]; do echo before-$i; i=$((i+1)); done; echo the-line; i=0; while [ $i -lt 150 ]; do echo behind-$i; i=$((i+1)); done");
  await row(page, "behind-149").waitFor();
  await row(page, "the-line").locator(".log-at").click();
  await page.getByText("The link to this line is copied.").waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(link, /line=\d+-\d+$/);
  await open(visitor, link);
  const marked = page.locator(".log li[aria-current]");
  assert.match(await marked.innerText(), /the-line/);
  await until("it stands in the middle", async () => {
    const [box, frame] = [await marked.boundingBox(), await page.locator(".log").boundingBox()];
    return Math.abs(box.y + box.height / 2 - frame.y - frame.height / 2) < 60;
  });
  await open(visitor, link.replace("?environment=local&line=", "#"));
  await page.waitForURL(/line=\d+-\d+/);
  await until("the same by its fragment", async () => /the-line/.test(await marked.innerText()));

  // From a hit to what is around it.
  await open(visitor, address(shop, "?grep=the-line"));
  await row(page, "the-line").hover();
  await row(page, "the-line").getByRole("link", { name: "Around" }).click();
  await row(page, "before-149").waitFor();
  assert.match(await marked.innerText(), /the-line/);

  // To a time: nothing from before it stands above.
  const at = await row(page, "before-20").first().locator("time").getAttribute("datetime");
  // A browser writes no seconds where they are zero.
  await page.getByLabel(/Jump to/).fill(at.slice(0, 19).replace(/:00$/, ""));
  await page.getByRole("button", { name: "Jump" }).click();
  await page.waitForURL(/at=/);
  // The line was on the page before: it is there again once nothing older is.
  await until("nothing older", async () => (await page.locator(".log time").first().getAttribute("datetime")) >= at.slice(0, 19));
  await row(page, "before-20").first().waitFor();

  // Both downloads hold what is filtered.
  await open(visitor, address(shop, "?grep=needle-one"));
  for (const [name, check] of [
    ["Text", (text) => assert.equal(text.trim().split("\n").length, 3)],
    ["JSON lines", (text) => assert.deepEqual(text.trim().split("\n").map((line) => JSON.parse(line).text), Array(3).fill("started one needle-one"))],
  ]) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name, exact: true }).click()]);
    check(await readFile(await download.path(), "utf8"));
  }
  assert.equal(await page.locator(".log").getAttribute("role"), "log");
  assert.equal(await page.locator(".log").getAttribute("aria-live"), "off");
});

test("a search finds what past revisions wrote, and can be stopped", { timeout: 900_000 }, async (t) => {
  const shop = await writers(t);
  const [first] = await shop.containers("web");
  await say(shop, first.id, "echo order-1234 lost; echo order-99 lost; echo order-x lost");
  const visitor = await arrive(t, shop);
  const { page } = visitor;
  await open(visitor, address(shop));
  await row(page, "order-1234").waitFor();
  await shop.deployed("web", descriptor("two"));
  await until("the new tasks write here", async () => (await row(page, "started two").count()) === 3);
  await page.locator(".log-legend .log-task", { hasText: "r2." }).first().waitFor();
  // A slot's old and new task have colours of their own, as all tasks of the rollout.
  const hues = await page.locator(".log li", { hasText: /started (one|two)/ }).locator(".task").evaluateAll((all) => all.map((task) => [task.innerText, task.dataset.hue]));
  assert.equal(hues.length, 6);
  assert.equal(new Set(hues.map(([, hue]) => hue)).size, 6, hues.join("; "));
  await until("the old containers are gone", async () => (await shop.containers("web")).every(({ revision }) => revision === 2));

  await page.getByLabel("Lines with").fill("order-[0-9]{2,} lost");
  await page.getByLabel("Regular expression").check();
  await page.getByRole("button", { name: "Search everything" }).click();
  await page.waitForURL(/from=oldest/);
  await page.getByText("Everything was looked through: 2 lines found.").waitFor();
  assert.deepEqual(await texts(page), ["order-1234 lost", "order-99 lost"]);
  assert.match(await row(page, "order-1234").locator(".task").innerText(), /^r1\./);
  await visitor.picture("logs-search");

  // With lines around them, of the same task.
  await open(visitor, address(shop, "?grep=order-99&context=1"));
  await until("two more lines", async () => (await page.locator(".log li[data-context]").count()) === 2);
  assert.deepEqual(await texts(page), ["order-1234 lost", "order-99 lost", "order-x lost"]);
  await open(visitor, address(shop, "?revision=1&grep=started"));
  await until("one revision's", async () => (await texts(page)).length === 3 && (await texts(page)).every((text) => text.startsWith("started one")));

  // One that takes long is stopped.
  await page.route(/logs\/stream\?.*follow=false/, () => {});
  await page.getByRole("button", { name: "Search everything" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText("The search was stopped.").waitFor();
  await page.unroute(/logs\/stream\?.*follow=false/);
  await page.getByRole("button", { name: "Search on" }).click();
  await page.getByText(/Everything was looked through: 3 lines found/).waitFor();

  // What is wrong is said at its field.
  await page.getByLabel("Lines with").fill("order-(");
  await page.getByLabel("Regular expression").check();
  visitor.announce(422, /\/fn\/logs\/page/);
  visitor.announce(400, /\/fn\/logs\/page/);
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.locator("#f-grep[aria-invalid=true]").waitFor();
});

test("without scripts a log is read page by page", { timeout: 900_000 }, async (t) => {
  const shop = await writers(t);
  const [first] = await shop.containers("web");
  await say(shop, first.id, "i=0; while [ $i -lt 700 ]; do echo line-$i; i=$((i+1)); done");
  const { page } = await arrive(t, shop, { javaScriptEnabled: false });
  await until("the lines are kept", async () => {
    await page.goto(address(shop));
    return (await row(page, "line-699").count()) === 1;
  });
  assert.equal(await page.locator(".log li").count(), 300);
  // No script leads from row to row, so each link is where Tab stops.
  assert.equal(await page.locator(".log li [tabindex]").count(), 0);
  await page.getByRole("link", { name: "Older lines" }).click();
  await until("older lines", async () => (await row(page, /line-399$/).count()) === 1 && (await row(page, "line-699").count()) === 0);
  await page.getByRole("link", { name: "Newer lines" }).click();
  await until("the newest lines", async () => (await row(page, "line-699").count()) === 1);
  await page.getByLabel("Lines with").fill("line-42");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  const found = ["line-42", ...Array.from({ length: 10 }, (_, n) => `line-42${n}`)];
  await until("what matches", async () => {
    assert.deepEqual(await page.locator(".log .line").allInnerTexts(), found);
    return true;
  });
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Text", exact: true }).click()]);
  assert.equal((await readFile(await download.path(), "utf8")).trim().split("\n").length, 11);
  await page.locator(".log-at").first().click();
  assert.match(await page.locator(".log li[aria-current]").innerText(), /line-42/);
});

test("where lines are missing the page says so, whatever else is hidden", { timeout: 900_000 }, async (t) => {
  const shop = await writers(t, { replicas: 1 });
  const [first] = await shop.containers("web");
  const visitor = await arrive(t, shop);
  const { page } = visitor;
  await open(visitor, address(shop));
  await row(page, "started one").waitFor();
  await page.goto("about:blank");

  // Nobody reads what a container wrote last that goes while the portal is away.
  await shop.portal.stop();
  await shop.docker.do(["rm", "-f", first.id]);
  await shop.portal.resume();
  await open(visitor, address(shop));
  await until("its successor writes", async () => (await row(page, "started one").count()) === 2, 180);
  const gap = page.locator(".log li[data-stream=gap]");
  await gap.waitFor();
  const said = /^lines may be missing here.*the container was removed before what it wrote after .* was read$/;
  assert.match(await gap.locator(".line").innerText(), said);

  // The page that the server makes says it as well, and it can be read.
  await open(visitor, address(shop));
  assert.equal(await gap.count(), 1);
  assert.match(await gap.locator(".line").innerText(), said);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const ratio = await gap.locator(".line").evaluate(contrast);
    assert.ok(ratio >= 4.5, `on the ${colorScheme} page: ${ratio}`);
  }
  await page.emulateMedia({ colorScheme: null });
  // The task that is gone and its successor had the same place, and are told apart, among the rows as in the legend.
  const names = await row(page, "started one").locator(".task").allInnerTexts();
  assert.equal(new Set(names).size, 2, names.join());
  assert.ok(names.every((name) => /^r1\.1-[0-9a-f]{4}$/.test(name)), names.join());
  for (const name of names) assert.equal(await page.locator(".log-legend .task", { hasText: name }).count(), 1, name);
  await gap.scrollIntoViewIfNeeded();
  await visitor.picture("logs-gap");

  // Among errors alone it stays.
  await open(visitor, address(shop, "?level=error"));
  await until("errors alone", async () => (await row(page, "started one").first().isVisible()) === false);
  await row(page, "no disk").first().waitFor();
  await gap.waitFor();
});

test("a flood leaves the page small, and the end is reached", { timeout: 900_000 }, async (t) => {
  const shop = await writers(t);
  const [first] = await shop.containers("web");
  const visitor = await arrive(t, shop);
  const { page } = visitor;
  await open(visitor, address(shop));
  await row(page, "started one").first().waitFor();
  // How many rows it ever held; and how long it did not answer at worst, which depends on the machine, and is told alone.
  await page.evaluate(() => {
    window.worst = { pause: 0, rows: 0 };
    let last = performance.now();
    const look = () => {
      const now = performance.now();
      window.worst.pause = Math.max(window.worst.pause, now - last);
      window.worst.rows = Math.max(window.worst.rows, document.querySelectorAll(".log li").length);
      last = now;
      setTimeout(look, 20);
    };
    look();
  });
  await say(shop, first.id, "busybox seq 1 60000");
  // In the middle of it somebody scrolls up: what is read stays, and new lines wait.
  await page.locator(".log").hover();
  await until("what is read stays", async () => {
    await page.mouse.wheel(0, -600);
    return (await page.getByText(/^(Not following: the end is below|These are older lines)/).count()) === 1;
  });
  await page.getByRole("button", { name: /new lines|To the end/ }).click();
  await say(shop, first.id, "echo after the flood");
  await row(page, "after the flood").waitFor({ timeout: 120_000 });
  const worst = await page.evaluate(() => window.worst);
  assert.ok(worst.rows <= ROWS, `${worst.rows} rows`);
  t.diagnostic(`at most ${worst.rows} rows, and ${Math.round(worst.pause)} ms without an answer`);
  await visitor.picture("logs-flood");
  // What fell out above is fetched again when somebody goes there.
  await page.locator(".log").focus();
  const top = await page.locator(".log li").first().getAttribute("data-id");
  await page.keyboard.press("Home");
  await until("older lines are there", async () => (await page.locator(".log li").first().getAttribute("data-id")) !== top);
  await page.keyboard.press("End");
  await until("the end again", async () => (await page.locator(".log li").last().innerText()).includes("after the flood"));
});

test("a portal that starts again loses and doubles no line of the page", { timeout: 900_000 }, async (t) => {
  const shop = await writers(t);
  const [first] = await shop.containers("web");
  const visitor = await arrive(t, shop);
  const { page } = visitor;
  await open(visitor, address(shop, "?grep=count-"));
  await page.getByText("Following.").waitFor();
  await say(shop, first.id, "i=1; while [ $i -le 600 ]; do echo count-$i; i=$((i+1)); busybox sleep 0.02; done", "-d");
  await row(page, "count-50").first().waitFor();
  await shop.portal.stop();
  await page.getByText("The connection broke").or(page.getByText("stopping")).first().waitFor();
  await shop.portal.resume();
  await row(page, "count-600").waitFor({ timeout: 180_000 });
  const counted = (await page.locator(".log li:not([data-stream=gap]) .line").allInnerTexts()).map((text) => Number(text.slice("count-".length)));
  assert.deepEqual(counted, Array.from({ length: 600 }, (_, n) => n + 1));
  // Nobody was there for a while, and the browser says so.
  visitor.complaints = visitor.complaints.filter((text) => !/ERR_(CONNECTION|INCOMPLETE|EMPTY|NETWORK)/.test(text));
});
