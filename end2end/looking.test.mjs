// Looking into a task with the Inspect page: its processes anew at a button, its changed files, a file that is kept, and what is no file.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { closeBrowser, Visitor } from "./browser.mjs";
import { Shop, until } from "./shop.mjs";

after(closeBrowser);

const SECRET = "hunter2-hunter2";

/** A web service that writes a file and is started with a secret. */
const web = {
  image: "web:1",
  command: ["/bin/sh", "-c", "busybox mkdir /made; echo kept >/made/text; busybox sleep 4711 & exec busybox sh -c 'busybox httpd -f -p 8080 -h /www; :' $TOKEN"],
  env: { TOKEN: SECRET },
  ports: [{ name: "http", container: 8080 }],
  health: { http: { port: 8080, path: "/healthz" }, interval: "500ms", timeout: "400ms", retries: 50, start_period: "60s" },
  update: { monitor: "200ms" },
  stop: { grace: "0s" },
};

async function open(t) {
  const shop = await Shop.open(t);
  await shop.docker.webImage(`${shop.registry}/web:1`, "one");
  await shop.push("web", "1");
  await shop.service("web");
  await shop.deployed("web", web);
  const visitor = await Visitor.arrive(t);
  const { page } = visitor;
  const place = `${shop.portal.url}/projects/${shop.project}/services/web/inspect`;
  await page.goto(`${shop.portal.url}/login?next=${encodeURIComponent(new URL(place).pathname)}`);
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill(shop.portal.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Container", exact: true }).waitFor();
  await page.locator("html[data-ready]").waitFor();
  return { shop, visitor, page, place };
}

/** What a link of the page brings as a file. */
async function downloaded(page, link) {
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  return { name: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
}

test("a task's processes, changed files and a file of it are a few clicks away, and none of its secrets", { timeout: 480_000 }, async (t) => {
  const { shop, visitor, page } = await open(t);
  const [{ id }] = await shop.containers("web");
  const whole = await downloaded(page, page.getByRole("link", { name: "Download" }));
  assert.equal(JSON.parse(whole.text).Id, id);
  assert.ok(!whole.text.includes(SECRET));
  await visitor.picture("inspect-container");

  await page.getByRole("link", { name: "Processes" }).click();
  await page.getByText("sleep 4711").first().waitFor();
  await page.getByText("(hidden)").first().waitFor();
  assert.ok(!(await page.locator("main").innerText()).includes(SECRET));
  await visitor.picture("inspect-processes");
  await shop.docker.do(["exec", "--detach", id, "busybox", "sleep", "4712"]);
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.getByText("sleep 4712").first().waitFor();
  // On a telephone the table is scrolled within its own box, and a process is still one row.
  const size = page.viewportSize();
  await page.setViewportSize({ width: 390, height: 844 });
  const box = page.getByRole("region", { name: "Processes" });
  const { page: wide, scrolled } = await box.evaluate((box) => ({ page: document.documentElement.scrollWidth, scrolled: box.scrollWidth - box.clientWidth }));
  assert.ok(wide <= 390, `nothing but the box is wider than a telephone: ${wide}`);
  assert.ok(scrolled > 0, "its last column is reached by scrolling");
  const running = page.locator("tbody tr", { hasText: "sleep 4711" }).last();
  const tops = await running.locator("td").evaluateAll((cells) => new Set(cells.map((cell) => Math.round(cell.getBoundingClientRect().top))).size);
  assert.equal(tops, 1, "its columns stand beside each other");
  await box.focus();
  await page.keyboard.press("ArrowRight");
  await visitor.picture("inspect-processes-narrow");
  await page.setViewportSize(size);

  await page.getByRole("link", { name: "Changed files" }).click();
  await page.getByText("/made/text", { exact: true }).waitFor();
  await page.getByLabel("Only paths with").fill("/made/");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.waitForURL(/q=%2Fmade%2F/);
  await page.getByText("/made", { exact: true }).waitFor({ state: "detached" });
  await until("one row alone", async () => (await page.locator("tbody tr").count()) === 1);
  await visitor.picture("inspect-changes");

  await page.getByRole("link", { name: "Get /made/text" }).click();
  await page.getByRole("heading", { name: "File", exact: true }).waitFor();
  await visitor.picture("inspect-file");
  const kept = await downloaded(page, page.getByRole("link", { name: "Download" }));
  assert.deepEqual(kept, { name: "text", text: "kept\n" });
});

test("what is no file is said beside the path, and what is typed stays while the service changes", { timeout: 480_000 }, async (t) => {
  const { shop, visitor, page } = await open(t);
  await page.getByRole("link", { name: "Get a file" }).click();
  const path = page.getByLabel("Path of the file");
  visitor.announce(409, /\/fn\/inspect\/file/);
  visitor.announce(404, /\/fn\/inspect\/file/);
  for (const [typed, said] of [["/www", /\/www is a folder; name a file in it/], ["/nowhere", /No such file in this task/]]) {
    await path.fill(typed);
    await page.getByRole("button", { name: "Look for it" }).click();
    await page.getByText(said).waitFor();
  }
  await path.fill("www/index.html");
  await page.getByText("a path from the task's root").waitFor();
  await visitor.picture("inspect-file-wrong");

  await path.fill("/www/ind");
  await shop.deployed("web", { ...web, replicas: 2 });
  await page.getByRole("link", { name: "web.2" }).waitFor();
  assert.equal(await path.inputValue(), "/www/ind");
});
