// Starts the built server as a user would, on a port and a data folder of its own, and stops it.
//
// It never touches a portal or a data folder that it did not make. The engine is the test engine's, by SLIPWAY_TEST_DOCKER_HOST;
// without one the portal runs without an engine.
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { atEnd } from "./ending.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
/** The server under test. */
export const binary = process.env.SLIPWAY_BIN ?? join(root, "target/debug/slipway");

/** How long it may take to begin, and to end: far longer than it does, since a machine may be busy. */
const PATIENCE = 120_000;

/** A TCP port of the loopback address that nobody listened on a moment ago. */
export async function freePort() {
  const probe = createServer();
  await new Promise((resolve, reject) => probe.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** A running portal. `t` is the test that owns it: at its end the portal stops and its data goes. */
export class Portal {
  static async start(t, env = {}) {
    const port = Number(env.SLIPWAY_LISTEN?.split(":").at(-1)) || (await freePort());
    const portal = new Portal();
    portal.port = port;
    portal.registry = `127.0.0.1:${port}`;
    portal.url = `http://localhost:${port}`;
    portal.password = "correct horse battery staple";
    portal.data = await mkdtemp(join(tmpdir(), "slipway-portal-"));
    // Nothing of a portal that the person at the terminal has configured reaches this one.
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("SLIPWAY_") && name !== "DOCKER_HOST");
    portal.env = {
      ...Object.fromEntries(inherited),
      SLIPWAY_LISTEN: portal.registry,
      SLIPWAY_PUBLIC_URL: portal.url,
      SLIPWAY_DATA_DIR: join(portal.data, "data"),
      SLIPWAY_ADMIN_PASSWORD: portal.password,
      SLIPWAY_DOCKER_HOST: process.env.SLIPWAY_TEST_DOCKER_HOST ?? `unix://${portal.data}/no-engine.sock`,
      ...env,
    };
    atEnd(t, () => rm(portal.data, { recursive: true, force: true }));
    atEnd(t, () => portal.stop());
    await portal.resume();
    return portal;
  }

  /** Starts the process again on the same data, after `stop` or `crash`. */
  async resume() {
    this.process = spawn(binary, ["serve"], { cwd: root, env: this.env, stdio: ["ignore", "pipe", "pipe"] });
    // At once, so that whoever reads the log after something was heard finds it there.
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on("data", (piece) => appendFileSync(join(this.data, "log"), piece));
    this.ended = new Promise((resolve, reject) => {
      this.process.once("error", reject);
      // Not before its last words were read.
      this.process.once("close", (code, signal) => resolve({ code, signal }));
    });
    // Its one line to people comes when it listens and the first operator is there.
    const greeted = new Promise((resolve) => {
      let said = "";
      this.process.stdout.on("data", (piece) => {
        if (said !== undefined && /^Slipway is at .*\n/m.test((said += piece))) resolve((said = undefined));
      });
    });
    const late = new AbortController();
    const ended = await Promise.race([greeted, this.ended, delay(PATIENCE, "late", { signal: late.signal })]).finally(() => late.abort());
    if (ended === "late") throw new Error(`the portal was not ready within ${PATIENCE / 1000} s:\n${await this.log()}`);
    if (ended) throw new Error(`the portal ended with ${JSON.stringify(ended)} before it was ready:\n${await this.log()}`);
  }

  /** What the portal wrote so far. */
  async log() {
    return readFile(join(this.data, "log"), "utf8").catch(() => "");
  }

  /** Asks it to end and waits; fails when it does not end by itself, or not well. */
  async stop() {
    if (!this.process || this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill("SIGTERM");
    const ended = await Promise.race([this.ended, delay(PATIENCE, undefined, { ref: false })]);
    if (!ended) {
      this.process.kill("SIGKILL");
      throw new Error(`the portal did not end within ${PATIENCE / 1000} s of SIGTERM:\n${await this.log()}`);
    }
    if (ended.code !== 0) throw new Error(`the portal ended with ${JSON.stringify(ended)}:\n${await this.log()}`);
  }

  /** Ends it as a power cut would. */
  async crash() {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  /** One REST call, as `user` (default: the operator). Gives status and the answer's JSON; judges nothing. */
  async api(method, path, body, user = { username: "admin", password: this.password }) {
    const basic = Buffer.from(`${user.username}:${user.password}`).toString("base64");
    const answer = await fetch(`http://${this.registry}/api/v1${path}`, {
      method,
      headers: { authorization: `Basic ${basic}`, ...(body ? { "content-type": "application/json" } : {}) },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    return { status: answer.status, body: text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : text };
  }
}
