// The client commands of the binary, as somebody at a terminal uses them: sign in, open a shell, read and follow a log; and what they do when the
// connection to the portal breaks. A terminal is made by `script`, so raw mode and the window's size are real.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, readlink, rm, stat } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { atEnd } from "./ending.mjs";
import { binary } from "./portal.mjs";
import { Shop, until } from "./shop.mjs";

/** A program with what it wrote so far. */
class Program {
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
  wrote(pattern, seconds = 20) {
    return until(`${pattern} in what was written`, async () => this.out.match(pattern) ?? Promise.reject(new Error(`${this.out.slice(-2000)} ${this.err.slice(-2000)}`)), seconds);
  }
}

/** Somebody with a home of their own. */
class Person {
  static async arrive(t, portal) {
    const person = new Person();
    Object.assign(person, { t, home: await mkdtemp(join(tmpdir(), "slipway-home-")), url: `http://${portal.registry}` });
    atEnd(t, () => rm(person.home, { recursive: true, force: true }));
    person.env = { PATH: process.env.PATH, HOME: person.home, TERM: "xterm-256color", LANG: "C.UTF-8" };
    return person;
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

  async login(password, ...more) {
    return this.run(["login", this.url, "--username", "admin", "--password-stdin", ...more], `${password}\n`);
  }

  /** The same command in a terminal of this size. */
  inTerminal(columns, rows, ...args) {
    const line = `stty cols ${columns} rows ${rows}; exec '${binary}' ${args.map((arg) => `'${arg}'`).join(" ")}`;
    return new Program(this.t, "script", ["--quiet", "--flush", "--return", "--command", line, "/dev/null"], { ...this.env, SHELL: "/bin/sh" });
  }
}

/** A way to the portal that can be cut, and is there again at once. */
class Cutter {
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
    cutter.port = server.address().port;
    atEnd(t, () => (cutter.cut(), server.close()));
    return cutter;
  }

  cut() {
    this.cuts++;
    for (const wire of this.wires) wire.destroy();
  }
}

/** A shop whose service `web` runs, and says two lines. */
async function open(t) {
  const shop = await Shop.open(t);
  await shop.docker.webImage(`${shop.registry}/web:1`, "one");
  await shop.push("web", "1");
  await shop.service("web");
  const command = ["/bin/sh", "-c", "echo first line; echo second line >&2; exec busybox sleep 100000"];
  await shop.deployed("web", { image: "web:1", command, update: { monitor: "0s" }, stop: { grace: "0s" } });
  return shop;
}

test("somebody signs in once, and the token is for their eyes alone", { timeout: 120_000 }, async (t) => {
  const shop = await open(t);
  const person = await Person.arrive(t, shop.portal);
  const wrong = await person.login("not the password");
  assert.equal(wrong.code, 1);
  const refused = await person.run(["shell", `${shop.project}/web`]);
  assert.match(refused.err, /you are not signed in: slipway login/);
  const signed = await person.login(shop.portal.password);
  assert.equal(signed.code, 0, signed.err);
  const file = join(person.home, ".config/slipway/client.json");
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const kept = JSON.parse(await readFile(file, "utf8"));
  const { token } = kept.portals[person.url];
  assert.ok(!JSON.stringify(kept).includes(shop.portal.password), "the password is kept nowhere");
  const tokens = async () => (await shop.call(200, "GET", "/me/tokens")).items;
  const [made] = await tokens();
  assert.deepEqual(made.scopes.toSorted(), ["read", "shell"], "it may look and open shells, and no more");
  assert.equal((await person.login(shop.portal.password)).code, 0);
  assert.equal((await tokens()).length, 1, "signing in again puts the token before away");
  assert.notEqual(JSON.parse(await readFile(file, "utf8")).portals[person.url].token, token);
  assert.equal((await person.run(["logout"])).code, 0);
  assert.equal((await tokens()).length, 0);
  assert.match((await person.run(["logs", `${shop.project}/web`])).err, /not signed in/);
});

test("a shell from a terminal has its window's size, passes keys and exit codes, and can be piped into", { timeout: 120_000 }, async (t) => {
  const shop = await open(t);
  const person = await Person.arrive(t, shop.portal);
  assert.equal((await person.login(shop.portal.password)).code, 0);
  const service = `${shop.project}/web`;

  const shell = person.inTerminal(91, 33, "shell", service);
  await shell.wrote(/[#$] /);
  shell.type("stty size; echo to$((1+1))gether\r");
  await shell.wrote(/33 91[^]*to2gether/);
  const tty = await terminalOf(shell.process.pid);
  await new Program(t, "stty", ["-F", tty, "cols", "120", "rows", "40"], person.env).ended;
  shell.type("stty size; echo re$((1+1))sized\r");
  await shell.wrote(/40 120[^]*re2sized/);
  shell.type("echo slee$((1+1))ping; busybox sleep 1000\r");
  await shell.wrote(/slee2ping/);
  shell.type("\x03");
  shell.type("echo inter$((1+1))rupted\r");
  await shell.wrote(/inter2rupted/);
  shell.type("exit 7\r");
  assert.equal(await shell.ended, 7);

  const piped = await person.run(["shell", `${service}.1`], "echo $((40+2))\nexit 3\n");
  assert.equal(piped.code, 3, piped.err);
  assert.match(piped.out, /^42\r?$/m);
  const command = await person.run(["shell", service, "--workdir", "/www", "--", "/bin/sh", "-c", "pwd; echo 'a  b'"]);
  assert.match(command.out, /\/www\r\na {2}b/);
  assert.match((await person.run(["shell", `${service}.9`])).err, /web\.9 does not run/);
  assert.match((await person.run(["shell", "nobody/web"])).err, /slipway: /);
  const left = person.inTerminal(80, 24, "shell", service);
  await left.wrote(/[#$] /);
  left.type("~.");
  assert.equal(await left.ended, 0, "three keys leave a shell that does not answer");
  // Long before the minute for which a portal waits for whoever was cut off.
  await until("no shell is open", async () => (await shop.call(200, "GET", `/projects/${shop.project}/shells?open=true`)).items.length === 0, 20);
});

/** The terminal that a child of `script` has. */
async function terminalOf(pid) {
  return until("the terminal of the command", async () => {
    const [child] = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ");
    const tty = await readlink(`/proc/${child}/fd/0`);
    return tty.startsWith("/dev/pts/") && tty;
  });
}

test("a shell goes on where it stopped when the connection breaks, again and again", { timeout: 180_000 }, async (t) => {
  const shop = await open(t);
  const person = await Person.arrive(t, shop.portal);
  const cutter = await Cutter.open(t, shop.portal.port);
  // The address is another one; the token is the same.
  assert.equal((await person.login(shop.portal.password)).code, 0);
  const [known] = Object.values(JSON.parse(await readFile(join(person.home, ".config/slipway/client.json"), "utf8")).portals);
  Object.assign(person.env, { SLIPWAY_URL: `http://127.0.0.1:${cutter.port}`, SLIPWAY_TOKEN: known.token });
  const shell = person.inTerminal(80, 24, "shell", `${shop.project}/web`);
  await shell.wrote(/[#$] /);
  shell.type("i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo n$i; [ $((i%10)) = 0 ] && busybox usleep 10000; done; echo counted $((1+1))\r");
  for (let cut = 1; cut <= 8; cut++) {
    await shell.wrote(new RegExp(`\\bn${cut * 300}\\b`));
    cutter.cut();
  }
  await shell.wrote(/counted 2/, 60);
  const numbers = [...shell.out.matchAll(/^n(\d+)\r?$/gm)].map(([, number]) => Number(number));
  assert.deepEqual(numbers, Array.from({ length: 3000 }, (_, at) => at + 1), "nothing is lost, and nothing is there twice");
  shell.type("exit\r");
  assert.equal(await shell.ended, 0);
});

test("a log is read, searched and followed from a terminal", { timeout: 120_000 }, async (t) => {
  const shop = await open(t);
  const person = await Person.arrive(t, shop.portal);
  assert.equal((await person.login(shop.portal.password)).code, 0);
  const service = `${shop.project}/web`;
  await until("both lines are kept", async () => /first line[^]*second line|second line[^]*first line/.test((await person.run(["logs", service])).out));
  const found = await person.run(["logs", service, "--grep", "SECOND l[i]ne", "--regex", "--json"]);
  assert.equal(found.code, 0, found.err);
  const lines = found.out.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ stream, text, slot }) => ({ stream, text, slot })), [{ stream: "stderr", text: "second line", slot: 1 }]);
  assert.match((await person.run(["logs", service, "--grep", "(", "--regex"])).err, /grep/);

  const follower = person.start("logs", "--follow", service);
  await follower.wrote(/first line/);
  const [container] = await shop.containers("web");
  await shop.docker.do(["exec", container.id, "/bin/sh", "-c", "for n in 1 2 3; do echo later $n > /proc/1/fd/1; done"]);
  await follower.wrote(/later 1[^]*later 2[^]*later 3/);
  await shop.portal.crash();
  await shop.portal.resume();
  await shop.docker.do(["exec", container.id, "/bin/sh", "-c", "echo after the restart > /proc/1/fd/1"]);
  await follower.wrote(/after the restart/, 60);
  for (const line of ["first line", "later 1", "later 3", "after the restart"]) {
    assert.equal(follower.out.split("\n").filter((one) => one.endsWith(line)).length, 1, `${line} is there once:\n${follower.out}`);
  }
});
