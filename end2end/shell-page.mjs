// The shell page in the words of the tests: open a shell, type, read the screen; and a wire between browser and portal that can be cut.
//
// It reads what xterm.js has drawn, as a person would, and never asks the terminal's own memory.
import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { Visitor } from "./browser.mjs";
import { atEnd } from "./ending.mjs";
import { freePort } from "./portal.mjs";
import { Shop, until } from "./shop.mjs";

/** A shop in which `web` runs, with a shell and the tools of busybox, or what else `make` puts into its image. */
export async function shopWithShell(t, env = {}, descriptor = {}, make = (docker, reference) => docker.webImage(reference, "one")) {
  const shop = await Shop.open(t, env);
  await make(shop.docker, `${shop.registry}/web:1`);
  await shop.push("web", "1");
  await shop.service("web");
  await shop.deployed("web", { image: "web:1", update: { monitor: "200ms" }, ...descriptor });
  return shop;
}

/** The container of the only task of `web`. */
export async function container(shop) {
  const [found] = await shop.containers("web");
  return found.id;
}

/** TCP between browser and portal, whose websockets can be cut at any instant, and which can swallow all that is sent without a word. */
export class Wire {
  /** `t` owns it. The portal has to be told its address before it starts, so it is led to the portal later. */
  static async lay(t) {
    const wire = new Wire();
    wire.port = await freePort();
    wire.url = `http://localhost:${wire.port}`;
    wire.pairs = new Set();
    wire.sockets = new Set();
    wire.held = false;
    wire.late = [];
    wire.server = createServer((near) => wire.join(near));
    await new Promise((resolve) => wire.server.listen(wire.port, "127.0.0.1", resolve));
    atEnd(t, () => wire.server.close());
    return wire;
  }

  join(near) {
    const far = connect(this.target, "127.0.0.1");
    const pair = { near, far };
    this.pairs.add(pair);
    near.on("data", (piece) => {
      if (/^GET \/ws\/tasks\//.test(piece.toString("latin1", 0, 40))) {
        this.sockets.add(pair);
        // As a proxy does that knows nothing of websockets.
        if (this.strips) piece = Buffer.from(piece.toString("latin1").replace(/^(upgrade|connection):.*\r\n/gim, ""), "latin1");
      }
      far.write(piece);
    });
    if (this.held) near.pause();
    else far.pipe(near);
    near.on("end", () => far.end());
    const part = () => {
      this.pairs.delete(pair);
      this.sockets.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      socket.on("error", () => {});
      // Whoever gives up while nothing passes is not heard by the other side.
      socket.on("close", () => (this.held ? this.late.push(part) : part()));
    }
  }

  /** Cuts every shell's connection as a pulled plug does, with what is on its way. Gives how many there were. */
  cut() {
    const cut = [...this.sockets];
    for (const { near, far } of cut) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
    return cut.length;
  }

  /** From now on nothing arrives in either direction, and nobody is told: the cable of a router in between is out. */
  hold() {
    this.held = true;
    for (const { near, far } of this.pairs) {
      near.pause();
      far.unpipe(near);
    }
  }

  /** The cable is in again: what the two sides sent meanwhile arrives, as TCP sends it again. */
  release() {
    this.held = false;
    for (const part of this.late.splice(0)) part();
    for (const { near, far } of this.pairs) {
      far.pipe(near);
      near.resume();
    }
  }
}

/** Somebody at the shell page. */
export class Typist {
  /** Signs in and goes to the shell page of `web`. */
  static async sit(t, shop, { url = shop.portal.url, ask = "", options = {} } = {}) {
    const typist = new Typist();
    typist.visitor = await Visitor.arrive(t, options);
    typist.page = typist.visitor.page;
    typist.address = `${url}/projects/${shop.project}/services/web/shell`;
    const { page } = typist;
    await page.goto(`${url}/login?next=${encodeURIComponent(`/projects/${shop.project}/services/web/shell${ask}`)}`);
    await page.getByLabel("User name").fill("admin");
    await page.getByLabel("Password").fill(shop.portal.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Open shell" }).waitFor();
    await page.locator("html[data-ready]").waitFor();
    return typist;
  }

  /** Opens a shell by the button, and waits for its prompt. */
  async open() {
    const before = await this.page.locator(".shell").count();
    await this.page.getByRole("button", { name: "Open shell" }).click();
    await this.prompt(before);
    return this.pane(before);
  }

  /** The terminal that was opened as the n-th. */
  pane(n = 0) {
    return this.page.locator(".shell").nth(n);
  }

  /** Waits until the shell is open and its prompt is the last that it printed. */
  async prompt(n = 0) {
    await this.pane(n).getByText("Open", { exact: true }).waitFor();
    await this.shows(/[#$]\s*$/, n);
  }

  /** The lines of the screen, as they are drawn, without the blanks behind them: the cursor stands on one. */
  async screen(n = 0) {
    const text = await this.pane(n).locator(".xterm-rows").innerText();
    return text.replaceAll("\u00a0", " ").replaceAll(/ +$/gm, "");
  }

  /** Waits until the screen matches, and gives the match. */
  async shows(pattern, n = 0, seconds = 60) {
    return until(`${pattern} on the screen`, async () => {
      const screen = await this.screen(n);
      const match = screen.match(pattern);
      if (!match) throw new Error(screen);
      return match;
    }, seconds);
  }

  /** Types, and presses Enter. */
  async line(text) {
    await this.page.keyboard.type(text);
    await this.page.keyboard.press("Enter");
  }

  /** Empties the screen and what is kept above it, and waits until nothing of it is left: what is seen from now on is new. */
  async clear(n = 0) {
    this.cleared = (this.cleared ?? 0) + 1;
    await this.line(`printf '\\033[H\\033[2J\\033[3J%s\\n' cle''ared-${this.cleared}`);
    await this.shows(new RegExp(`^cleared-${this.cleared}\\n.*[#$]\\s*$`), n);
  }

  /** Runs a command on an empty screen and waits for what it prints. */
  async run(command, pattern, n = 0, seconds = 60) {
    await this.clear(n);
    await this.line(command);
    return this.shows(pattern, n, seconds);
  }

  /** Reads all that is kept, from n1 to n`last`, as somebody who scrolls: each number once, in its order. */
  async counted(last) {
    const { page } = this;
    await until("the top of what is kept", async () => {
      for (let pages = 0; pages < 10; pages += 1) await page.keyboard.press("Shift+PageUp");
      await this.drawn();
      return /^n1$/m.test(await this.screen());
    }, 120);
    let expected = 1;
    for (let screens = 0; expected <= last; screens += 1) {
      assert.ok(screens < 1000, `the screens go on after n${expected}`);
      const before = await this.screen();
      const seen = [...before.matchAll(/^n(\d+)\s*$/gm)].map((match) => Number(match[1]));
      for (const [at, number] of seen.entries()) if (at > 0) assert.equal(number, seen[at - 1] + 1, `after n${seen[at - 1]} stands n${number}`);
      if (seen.length > 0) {
        assert.ok(seen[0] <= expected, `n${expected} is missing: a screen begins with n${seen[0]}`);
        expected = Math.max(expected, seen.at(-1) + 1);
      }
      if (expected > last) return;
      await page.keyboard.press("Shift+PageDown");
      await this.drawn();
      await until(`a screen with n${expected}, after ${before}`, async () => (await this.screen()) !== before);
    }
  }

  /** Waits until what was pressed is drawn: the terminal draws with the next frames. */
  async drawn() {
    await this.page.evaluate(async () => {
      for (let frames = 0; frames < 3; frames += 1) await new Promise((next) => requestAnimationFrame(next));
    });
  }

  /** The longest time between two frames of the page while something happens, in milliseconds. */
  async longestFrame(act) {
    await this.page.evaluate(() => {
      const watch = { last: performance.now(), longest: 0, on: true };
      const turn = (now) => {
        watch.longest = Math.max(watch.longest, now - watch.last);
        watch.last = now;
        if (watch.on) requestAnimationFrame(turn);
      };
      requestAnimationFrame(turn);
      window.frameWatch = watch;
    });
    await act();
    return this.page.evaluate(() => {
      window.frameWatch.on = false;
      return window.frameWatch.longest;
    });
  }

  /** Refused handshakes are the test's doing: the browser says them on its console. */
  forgiveCuts() {
    this.visitor.complaints = this.visitor.complaints.filter((complaint) => !/WebSocket connection to/.test(complaint));
  }
}
