// The client commands of the binary, as somebody at a terminal uses them: sign in, open a shell, read and follow a log; and what they do when the
// connection to the portal breaks. What they say to who may not, or typed something wrong, is in `client-refusals.test.mjs`.
import assert from "node:assert/strict";
import { readFile, readlink, stat } from "node:fs/promises";
import { test } from "node:test";
import { Cutter, Person, Program, shopOpens } from "./person.mjs";
import { until } from "./shop.mjs";

test("somebody signs in once, and the token is for their eyes alone", { timeout: 480_000 }, async (t) => {
  const shop = await shopOpens(t);
  const person = await Person.arrive(t, shop.portal);
  const wrong = await person.login("not the password");
  assert.equal(wrong.code, 1);
  const refused = await person.run(["shell", `${shop.project}/web`]);
  assert.match(refused.err, /you are not signed in: slipway login/);
  const signed = await person.login(shop.portal.password);
  assert.equal(signed.code, 0, signed.err);
  assert.equal((await stat(person.file)).mode & 0o777, 0o600);
  const { token } = await person.kept();
  assert.ok(!(await readFile(person.file, "utf8")).includes(shop.portal.password), "the password is kept nowhere");
  const tokens = async () => (await shop.call(200, "GET", "/me/tokens")).items;
  const [made] = await tokens();
  assert.deepEqual(made.scopes.toSorted(), ["read", "shell"], "it may look and open shells, and no more");
  assert.equal((await person.login(shop.portal.password)).code, 0);
  assert.equal((await tokens()).length, 1, "signing in again puts the token before away");
  assert.notEqual((await person.kept()).token, token);
  assert.equal((await person.run(["logout"])).code, 0);
  assert.equal((await tokens()).length, 0);
  assert.match((await person.run(["logs", `${shop.project}/web`])).err, /not signed in/);
});

test("a shell from a terminal has its window's size, passes keys and exit codes, and can be piped into", { timeout: 480_000 }, async (t) => {
  const shop = await shopOpens(t);
  const person = await Person.arrive(t, shop.portal);
  assert.equal((await person.login(shop.portal.password)).code, 0);
  const service = `${shop.project}/web`;

  const shell = person.inTerminal(91, 33, "shell", service);
  await shell.wrote(/[#$] /);
  shell.type("stty size; echo to$((1+1))gether\r");
  await shell.wrote(/33 91[^]*to2gether/);
  const tty = await terminalOf(shell.process.pid);
  await new Program(t, "stty", ["-F", tty, "cols", "120", "rows", "40"], person.env).ended;
  // A window's size and what is typed come by different ways.
  shell.type('until [ "$(stty size)" = "40 120" ]; do busybox usleep 50000; done; echo re$((1+1))sized\r');
  await shell.wrote(/re2sized/);
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
  await until("no shell is open", async () => (await shop.call(200, "GET", `/projects/${shop.project}/shells?open=true`)).items.length === 0, 45);
});

/** The terminal that a child of `script` has. */
async function terminalOf(pid) {
  return until("the terminal of the command", async () => {
    const [child] = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ");
    const tty = await readlink(`/proc/${child}/fd/0`);
    return tty.startsWith("/dev/pts/") && tty;
  });
}

test("a shell goes on where it stopped when the connection breaks, again and again", { timeout: 600_000 }, async (t) => {
  const shop = await shopOpens(t);
  const person = await Person.arrive(t, shop.portal);
  const cutter = await Cutter.open(t, shop.portal.port);
  // The address is another one; the token is the same.
  assert.equal((await person.login(shop.portal.password)).code, 0);
  Object.assign(person.env, { SLIPWAY_URL: `http://127.0.0.1:${cutter.port}`, SLIPWAY_TOKEN: (await person.kept()).token });
  const shell = person.inTerminal(80, 24, "shell", `${shop.project}/web`);
  await shell.wrote(/[#$] /);
  shell.type("i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo n$i; [ $((i%10)) = 0 ] && busybox usleep 10000; done; echo counted $((1+1))\r");
  for (let cut = 1; cut <= 8; cut++) {
    await shell.wrote(new RegExp(`\\bn${cut * 300}\\b`));
    cutter.cut();
  }
  await shell.wrote(/counted 2/, 180);
  const numbers = [...shell.out.matchAll(/^n(\d+)\r?$/gm)].map(([, number]) => Number(number));
  assert.deepEqual(numbers, Array.from({ length: 3000 }, (_, at) => at + 1), "nothing is lost, and nothing is there twice");
  shell.type("exit\r");
  assert.equal(await shell.ended, 0);
});

test("who has enough of a portal that is away, or of a shell, leaves with the terminal as it was", { timeout: 480_000 }, async (t) => {
  const shop = await shopOpens(t);
  const person = await Person.arrive(t, shop.portal);
  const cutter = await Cutter.open(t, shop.portal.port);
  assert.equal((await person.login(shop.portal.password)).code, 0);
  Object.assign(person.env, { SLIPWAY_URL: `http://127.0.0.1:${cutter.port}`, SLIPWAY_TOKEN: (await person.kept()).token });
  const left = person.inTerminal(80, 24, "shell", `${shop.project}/web`);
  await left.wrote(/[#$] /);
  cutter.away();
  await left.wrote(/the connection broke; coming back/);
  left.type("\r~.");
  assert.equal(await left.ended, 0, "the three keys are heard while there is no connection, too");

  delete person.env.SLIPWAY_URL;
  const command = person.command("shell", `${shop.project}/web`).map((word) => `'${word}'`).join(" ");
  const line = `${command}; echo it ended with $? and $(stty -a | grep -oE -- '-?icanon')`;
  const script = ["--quiet", "--flush", "--return", "--command", line, "/dev/null"];
  const killed = new Program(t, "script", script, { ...person.env, SHELL: "/bin/sh" });
  await killed.wrote(/[#$] /);
  const children = async (pid) => (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ").map(Number);
  const [shell] = await children(killed.process.pid);
  const [client] = await children(shell);
  process.kill(client, "SIGTERM");
  assert.equal(await killed.ended, 0);
  assert.match(killed.out, /slipway: ended by a signal[^]*it ended with 1 and icanon/);
  // Long before the minute for which a portal waits for whoever was cut off; the one above is still waited for, maybe.
  const { items } = await shop.call(200, "GET", `/projects/${shop.project}/shells`);
  const newest = `/projects/${shop.project}/shells/${items[0].id}`;
  const row = await until("the portal ends it at once", async () => {
    const row = await shop.call(200, "GET", newest);
    return !row.open && row;
  });
  assert.equal(row.ended_why, "left");
});

test("a log is read, searched and followed from a terminal", { timeout: 480_000 }, async (t) => {
  const shop = await shopOpens(t);
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
  await follower.wrote(/after the restart/, 180);
  for (const line of ["first line", "later 1", "later 3", "after the restart"]) {
    assert.equal(follower.out.split("\n").filter((one) => one.endsWith(line)).length, 1, `${line} is there once:\n${follower.out}`);
  }
});

test("a shell is on record with who opened it, when, where and what for", { timeout: 480_000 }, async (t) => {
  const shop = await shopOpens(t);
  const person = await Person.arrive(t, shop.portal);
  assert.equal((await person.login(shop.portal.password)).code, 0);
  const began = Date.now();
  const shell = person.inTerminal(91, 33, "shell", `${shop.project}/web.1`, "--why", "orders are late: #4711", "--workdir", "/www", "--user", "0");
  await shell.wrote(/[#$] /);
  shell.type("echo to$((1+1))gether in $PWD; exit 7\r");
  assert.equal(await shell.ended, 7);
  const row = await until("the shell's end is on record", async () => {
    const [row] = (await shop.call(200, "GET", `/projects/${shop.project}/shells`)).items;
    return !row.open && row;
  });
  const [task] = await shop.tasks("web");
  const told = ["by", "address", "service", "environment", "task", "slot", "why", "workdir", "user", "exit_code", "recorded"].map((name) => row[name]);
  assert.deepEqual(told, ["admin", "127.0.0.1", "web", "local", task.id, 1, "orders are late: #4711", "/www", "0", 7, true], JSON.stringify(row));
  const at = new Date(row.opened_at).getTime();
  assert.ok(at >= began - 1000 && at <= Date.now() + 1000, `${row.opened_at} is when it was opened`);
  const basic = Buffer.from(`admin:${shop.portal.password}`).toString("base64");
  const address = `http://${shop.portal.registry}/api/v1/projects/${shop.project}/shells/${row.id}/recording`;
  const recording = await (await fetch(address, { headers: { authorization: `Basic ${basic}` } })).text();
  const [head, ...events] = recording.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual([head.version, head.width, head.height], [2, 91, 33]);
  assert.ok(Math.abs(head.timestamp * 1000 - at) < 60_000 && head.title.includes(`${shop.project}/web`) && head.title.includes("admin"), JSON.stringify(head));
  assert.match(events.map(([, kind, text]) => (kind === "o" ? text : "")).join(""), /to2gether in \/www/);
});

/** The lines of a log by its JSON lines. */
async function lines(person, service, ...flags) {
  const { code, out, err } = await person.run(["logs", service, "--json", ...flags]);
  assert.equal(code, 0, `${flags.join(" ")}: ${err}`);
  return out.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

test("each flag leaves the lines of a log that it should", { timeout: 600_000 }, async (t) => {
  const shop = await shopOpens(t);
  const person = await Person.arrive(t, shop.portal);
  assert.equal((await person.login(shop.portal.password)).code, 0);
  const service = `${shop.project}/web`;
  const [task] = await shop.tasks("web");
  const [container] = await shop.containers("web");
  const texts = async (...flags) => (await lines(person, service, ...flags)).map(({ text }) => text);
  // One by one, so that their order in time is theirs on the way.
  for (const word of ["count 1", "count 2", "count 3", "count 4"]) {
    await shop.docker.do(["exec", container.id, "/bin/sh", "-c", `echo ${word} > /proc/1/fd/1`]);
    await until(`${word} is kept`, async () => (await texts()).includes(word));
  }
  const command = ["/bin/sh", "-c", "echo of the second; exec busybox sleep 100000"];
  await shop.deployed("web", { image: "web:1", command, update: { monitor: "0s" }, stop: { grace: "0s" } });
  await until("the second revision is heard", async () => (await texts()).includes("of the second"));

  const all = await lines(person, service, "-n", "all");
  const own = all.filter(({ task: of }) => of === task.id).map(({ text }) => text);
  assert.deepEqual(own.toSorted(), ["count 1", "count 2", "count 3", "count 4", "first line", "second line"]);
  const at = (text) => {
    const { nanos } = all.find((line) => line.text === text);
    return `${nanos.slice(0, -9)}.${nanos.slice(-9)}`;
  };
  assert.deepEqual(await texts("--since", at("count 3")), ["count 3", "count 4", "of the second"], "from that line on");
  assert.deepEqual((await texts("--until", at("count 3"))).toSorted(), ["count 1", "count 2", "first line", "second line"], "up to that line");
  assert.deepEqual(await texts("--since", at("count 2"), "--until", at("count 4")), ["count 2", "count 3"]);
  assert.equal((await texts("--since", "1h")).length, all.length);
  assert.deepEqual(await texts("--until", "1h"), []);
  assert.deepEqual(await texts("--task", task.id), own, "of a task whose container is gone, too");
  assert.deepEqual(await texts("--revision", "1"), own);
  assert.deepEqual(await texts("--revision", "2"), ["of the second"]);
  assert.deepEqual(await texts("--stream", "stderr"), ["second line"]);
  assert.deepEqual(await texts("-n", "2"), ["count 4", "of the second"]);
  assert.deepEqual(await texts("--grep", "COUNT 2"), ["count 2"], "whatever its capitals");
  assert.deepEqual(await texts("--grep", "COUNT 2", "--case"), []);
  const around = await lines(person, service, "--grep", "count 3", "-C", "1");
  assert.deepEqual(around.map(({ text, context }) => [text, Boolean(context)]), [["count 2", true], ["count 3", false], ["count 4", true]]);
  assert.equal((await person.run(["logs", `${service}.1`, "--environment", "local", "-n", "all"])).out.trim().split("\n").length, all.length);
  assert.equal((await person.run(["logs", `${service}.2`])).out, "", "there is no second place");
  assert.match((await person.run(["logs", service, "--grep", "count 4"])).out, /^\d{4}-\d\d-\d\dT\S+Z 1 stdout count 4\n$/);

  const follower = person.start("logs", "-f", "--grep", "later", service);
  const [second] = (await shop.containers("web")).filter(({ revision, state }) => revision === 2 && state === "running");
  await shop.docker.do(["exec", second.id, "/bin/sh", "-c", "for word in 'later 1' other 'later 2'; do echo $word > /proc/1/fd/1; done"]);
  await follower.wrote(/later 1[^]*later 2/);
  assert.deepEqual(follower.out.trim().split("\n").map((line) => line.split(" stdout ")[1]), ["later 1", "later 2"], "what matches, and nothing else");
});

test("output goes to whoever reads it: quietly when they have enough, without colours where none are wanted", { timeout: 480_000 }, async (t) => {
  const shop = await shopOpens(t);
  const person = await Person.arrive(t, shop.portal);
  assert.equal((await person.login(shop.portal.password)).code, 0);
  const service = `${shop.project}/web`;
  const [container] = await shop.containers("web");
  const say = (script) => shop.docker.do(["exec", container.id, "/bin/sh", "-c", `{ ${script}; } > /proc/1/fd/1`]);
  // More than a pipe holds.
  await say("for n in $(busybox seq 3000); do echo line $n of many that nobody will read; done; printf '\\033[31mred\\033[0m word\\n'");
  await until("all of it is kept", async () => (await person.run(["logs", service])).out.includes("word"));

  const piped = (...flags) => new Program(t, "/bin/sh", ["-c", `("$@"; echo "ended with $?" >&2) | head -n 1`, "sh", ...person.command("logs", ...flags, service)], person.env);
  const once = piped("-n", "all");
  assert.equal(await once.ended, 0);
  assert.match(once.out, /^\S+ 1 std\w+ (first|second) line\n$/);
  assert.equal(once.err, "ended with 0\n", "nothing is said of a reader who is gone");
  const following = piped("-f", "-n", "1");
  await following.wrote(/word/);
  // The next line finds nobody.
  await until("the follower ends", async () => (await say("echo one more"), /ended with/.test(following.err)));
  assert.equal(following.err, "ended with 0\n");

  const plain = await person.run(["logs", service, "-n", "3000"]);
  assert.deepEqual(plain.out.match(/\x1b[^m]*m/g), ["\x1b[31m", "\x1b[0m"], "a file gets the log's own bytes and none of ours");
  const seen = person.inTerminal(120, 40, "logs", service, "--grep", "red");
  assert.equal(await seen.ended, 0);
  assert.match(seen.out, /\x1b\[2m20\S+Z\x1b\[0m .*\x1b\[31mred/);
  for (const wish of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) {
    const { env } = person;
    person.env = { ...env, ...wish };
    const bare = person.inTerminal(120, 40, "logs", service, "--grep", "red");
    assert.equal(await bare.ended, 0);
    assert.match(bare.out, /Z 1 stdout red word\r?\n/);
    assert.ok(!bare.out.includes("\x1b"), `${JSON.stringify(wish)}: ${JSON.stringify(bare.out)}`);
    person.env = env;
  }
});
