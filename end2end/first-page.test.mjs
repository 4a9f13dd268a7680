// The first page as anyone sees it: rendered by the server, taken over by the module, without a complaint of the browser; and
// the terminal's modules, which no page loads before it needs them.
import assert from "node:assert/strict";
import { cp, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { closeBrowser, Visitor } from "./browser.mjs";
import { binary, Portal } from "./portal.mjs";

after(closeBrowser);

test("the first page is rendered, and hydrates without a complaint", async (t) => {
  const portal = await Portal.start(t);
  const visitor = await Visitor.arrive(t);
  const wasm = visitor.page.waitForResponse((answer) => answer.url().endsWith(".wasm"));
  const answer = await visitor.page.goto(portal.url);
  assert.equal(answer.status(), 200);
  assert.match(await answer.text(), /<h1/, "a heading is in the HTML that the server sends");
  assert.equal((await wasm).status(), 200);
  await visitor.page.waitForLoadState("networkidle");
  assert.equal(await visitor.page.locator("h1").count(), 1, "one heading after hydration, not two");
  await visitor.picture("first-page");
});

test("the terminal's modules load on demand, and show bytes", async (t) => {
  const portal = await Portal.start(t);
  const visitor = await Visitor.arrive(t);
  const asked = [];
  visitor.context.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await visitor.page.goto(portal.url);
  await visitor.page.waitForLoadState("networkidle");
  assert.deepEqual(asked.filter((path) => path.startsWith("/pkg/xterm/")), [], "not part of the first page");
  const shown = await visitor.page.evaluate(async () => {
    const { Terminal, FitAddon, SearchAddon, Unicode11Addon, WebLinksAddon } = await import("/pkg/xterm/loader.js");
    const terminal = new Terminal({ cols: 40, rows: 5, allowProposedApi: true });
    for (const Addon of [FitAddon, SearchAddon, Unicode11Addon, WebLinksAddon]) terminal.loadAddon(new Addon());
    const place = document.body.appendChild(document.createElement("div"));
    terminal.open(place);
    await new Promise((consumed) => terminal.write(new TextEncoder().encode("gr\u00fc\u00df dich"), consumed));
    const line = terminal.buffer.active.getLine(0).translateToString(true);
    terminal.dispose();
    place.remove();
    return line;
  });
  assert.equal(shown, "grüß dich");
});

test("a page of an earlier build says so, and its links lead to the new one", async (t) => {
  const portal = await Portal.start(t);
  const site = join(portal.data, "site");
  await cp(join(dirname(binary), "site"), site, { recursive: true });
  portal.env.SLIPWAY_SITE_DIR = site;
  await portal.api("POST", "/projects", { name: "shop" });
  const visitor = await Visitor.arrive(t);
  const { page } = visitor;
  await page.goto(`${portal.url}/login?next=/projects/shop`);
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill(portal.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "shop" }).waitFor();
  await page.locator("html[data-ready]").waitFor();

  await portal.stop();
  const build = (await readFile(join(site, "build"), "utf8")).trim();
  await rename(join(site, "pkg", build), join(site, "pkg", "next"));
  await writeFile(join(site, "build"), "next");
  await portal.resume();
  await page.getByText("Slipway was updated").waitFor({ timeout: 120_000 });
  visitor.forgiveRefused();

  const fresh = page.waitForResponse((answer) => answer.url().endsWith("/pkg/next/slipway_bg.wasm") && answer.ok());
  await page.getByRole("link", { name: "Members" }).click();
  await fresh;
  await page.getByRole("heading", { name: "Members", exact: true }).waitFor();
  await page.getByText("Slipway was updated").waitFor({ state: "detached" });
});
