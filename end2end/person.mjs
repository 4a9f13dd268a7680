// Somebody at a terminal with the client commands of the binary: a home of their own, programs and what they wrote, a terminal made by `script`, so
// that raw mode and the window's size are real; and a way to the portal that can be cut.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atEnd } from "./ending.mjs";
import { binary } from "./portal.mjs";
import { Shop, until } from "./shop.mjs";

/** A program with what it wrote so far. */
export class Program {
  constructor(t, file, args, env) {
    this.out = "";
    this.err = "";
    this.process = spawn(file, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    this.process.stdin.on("error", () => {});
    this.process.stdout.setEncoding("utf8").on("data", (piece) => (this.out += piece));
    this.process.stderr.setEncoding("utf8").on("data", (piece) => (this.err += piece));
    this.ended = new Promise((resolve) => this.process.once("close", (code) => resolve(code)));
    atEnd(t, () => this.process.kill("SIGKILL"));
  }

  type(text) {
    this.process.stdin.write(text);
  }

  /** Waits until it wrote what matches; the match. */
  wrote(pattern, seconds = 60) {
    return until(`${pattern} in what was written`, async () => this.out.match(pattern) ?? Promise.reject(new Error(`${this.out.slice(-2000)} ${this.err.slice(-2000)}`)), seconds);
  }
}

/** Somebody with a home of their own. */
export class Person {
  static async arrive(t, portal) {
    const person = new Person();
    Object.assign(person, { t, home: await mkdtemp(join(tmpdir(), "slipway-home-")), url: `http://${portal.registry}` });
    atEnd(t, () => rm(person.home, { recursive: true, force: true }));
    person.env = { PATH: process.env.PATH, HOME: person.home, TERM: "xterm-256color", LANG: "C.UTF-8" };
    return person;
  }

  /** A command as words. */
  command(...args) {
    return [binary, ...args];
  }

  start(...args) {
    return new Program(this.t, binary, args, this.env);
  }

  /** Runs a command to its end: its exit code and what it wrote. */
  async run(args, input = "") {
    const program = this.start(...args);
    program.process.stdin.end(input);
    return { code: await program.ended, out: program.out, err: program.err };
  }

  async login(password, name = "admin", ...more) {
    return this.run(["login", this.url, "--username", name, "--password-stdin", ...more], `${password}\n`);
  }

  /** Where what they signed in with is kept. */
  get file() {
    return join(this.home, ".config/slipway/client.json");
  }

  /** What is kept of the only portal that they signed in to. */
  async kept() {
    return Object.values(JSON.parse(await readFile(this.file, "utf8")).portals)[0];
  }

  /** The same command in a terminal of this size. */
  inTerminal(columns, rows, ...args) {
    const line = `stty cols ${columns} rows ${rows}; exec '${binary}' ${args.map((arg) => `'${arg}'`).join(" ")}`;
    return new Program(this.t, "script", ["--quiet", "--flush", "--return", "--command", line, "/dev/null"], { ...this.env, SHELL: "/bin/sh" });
  }
}

/** A way to the portal that can be cut, and is there again at once. */
export class Cutter {
  static async open(t, port) {
    const cutter = Object.assign(new Cutter(), { wires: new Set(), cuts: 0 });
    const server = createServer((client) => {
      const upstream = connect({ port, host: "127.0.0.1", noDelay: true });
      for (const [one, other] of [[client, upstream], [upstream, client]]) {
        cutter.wires.add(one);
        one.setNoDelay(true);
        one.on("error", () => {}).on("close", () => (cutter.wires.delete(one), other.destroy()));
        one.pipe(other);
      }
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    Object.assign(cutter, { server, port: server.address().port });
    atEnd(t, () => (cutter.cut(), server.close()));
    return cutter;
  }

  /** Cuts it, and nobody is there any more. */
  away() {
    this.server.close();
    this.cut();
  }

  cut() {
    this.cuts++;
    for (const wire of this.wires) wire.destroy();
  }
}

/** A shop whose service `web` runs, and says two lines. */
export async function shopOpens(t) {
  const shop = await Shop.open(t);
  await shop.docker.webImage(`${shop.registry}/web:1`, "one");
  await shop.push("web", "1");
  await shop.service("web");
  const command = ["/bin/sh", "-c", "echo first line; echo second line >&2; exec busybox sleep 100000"];
  await shop.deployed("web", { image: "web:1", command, update: { monitor: "0s" }, stop: { grace: "0s" } });
  return shop;
}
