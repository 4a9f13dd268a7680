// A visitor with a real Chromium who complains: any console error, page error, failed request or status over 399 that the test
// did not announce fails it.
//
// It knows nothing of what the pages mean.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { atEnd } from "./ending.mjs";

const shots = fileURLToPath(new URL("screenshots", import.meta.url));
/** They are for people who look at them: no test does, and they take a while. */
const pictures = Boolean(process.env.SLIPWAY_TEST_PICTURES);

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Characters of what the browser complained about that a failure shows. */
const SAID_MAX = 500;

// An engine beside the browser makes a network, whose address is new to the machine: the browser takes that for another network, and gives up
// what it is just connecting for. A page has to bear it, as it does on a laptop that is carried around, so it is no page's fault.
const MOVED = "net::ERR_NETWORK_CHANGED";

let running;

/** The one browser of this test file. */
async function browser() {
  running ??= chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: flags,
  });
  return running;
}

/** To be called once by each test file: `after(closeBrowser)`. */
export async function closeBrowser() {
  await (await running)?.close();
  running = undefined;
}

/** Someone with cookies and a page of their own. */
export class Visitor {
  /** `t` is the test that owns the visitor: at its end it fails if something was wrong that nobody announced. */
  static async arrive(t, options = {}) {
    const visitor = new Visitor();
    visitor.complaints = [];
    visitor.announced = [];
    visitor.scripts = options.javaScriptEnabled !== false;
    visitor.context = await (await browser()).newContext({ viewport: { width: 1440, height: 900 }, ...options });
    // A busy machine shows some things late.
    visitor.context.setDefaultTimeout(60_000);
    visitor.listen();
    visitor.page = await visitor.context.newPage();
    atEnd(t, async () => {
      await visitor.context.close();
      // In the first line, which is all that a summary shows of it.
      const said = JSON.stringify(visitor.complaints).slice(0, SAID_MAX);
      assert.ok(visitor.complaints.length === 0, `the browser complained: ${said}`);
    });
    return visitor;
  }

  /** The next answers whose address matches `url` may have this status. */
  announce(status, url) {
    this.announced.push({ status, url });
  }

  /** What the page asked a portal that the test had stopped was its test's doing. */
  forgiveRefused() {
    const cut = /net::ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING)/;
    this.complaints = this.complaints.filter((complaint) => !cut.test(complaint));
  }

  wasAnnounced(url, status) {
    return this.announced.some((known) => known.url.test(url) && (status === undefined || known.status === status));
  }

  listen() {
    this.context.on("console", (message) => {
      if (message.type() !== "error" || message.text().includes(MOVED)) return;
      // The browser reports a bad status a second time, as a console error at the address of the answer.
      const { url } = message.location();
      if (message.text().startsWith("Failed to load resource") && this.wasAnnounced(url)) return;
      this.complaints.push(`console: ${message.text()} (${url})`);
    });
    this.context.on("weberror", (error) => this.complaints.push(`page: ${error.error().stack ?? error.error()}`));
    this.context.on("requestfailed", (request) => {
      // Leaving a page ends its open streams and downloads: that is the browser's doing.
      if (["net::ERR_ABORTED", MOVED].includes(request.failure()?.errorText)) return;
      // Whoever has no scripts fetches none.
      if (!this.scripts && request.failure()?.errorText === "csp") return;
      this.complaints.push(`request: ${request.method()} ${request.url()}: ${request.failure()?.errorText}`);
    });
    this.context.on("response", (answer) => {
      if (answer.status() < 400 || this.wasAnnounced(answer.url(), answer.status())) return;
      this.complaints.push(`status: ${answer.status()} for ${answer.request().method()} ${answer.url()}`);
    });
  }

  /** Pictures of the page as it is now, for whoever asks for them: wide and narrow, light and dark, in `end2end/screenshots/NAME-*.png`. */
  async picture(name) {
    if (!pictures) return;
    await mkdir(shots, { recursive: true });
    const before = this.page.viewportSize();
    for (const width of [1440, 390]) {
      await this.page.setViewportSize({ width, height: width > 1000 ? 900 : 844 });
      for (const colorScheme of ["light", "dark"]) {
        await this.page.emulateMedia({ colorScheme });
        await this.page.screenshot({ path: join(shots, `${name}-${width}-${colorScheme}.png`), fullPage: true });
      }
    }
    await this.page.emulateMedia({ colorScheme: null });
    await this.page.setViewportSize(before);
  }
}
