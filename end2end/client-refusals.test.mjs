// What the client commands of the binary say to who may not, to who may not any more, and to who typed something wrong: one line that names what
// is wrong and what would be right, and an exit code for scripts: 2 for what was typed, 1 for the rest.
import assert from "node:assert/strict";
import { chmod, readFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { test } from "node:test";
import { atEnd } from "./ending.mjs";
import { Person, shopOpens } from "./person.mjs";
import { freePort } from "./portal.mjs";
import { until } from "./shop.mjs";

/** Somebody with an account, signed in; a member of the project, where a role is given. */
async function join(t, shop, username, role) {
  const { password } = shop.portal;
  await shop.call(201, "POST", "/users", { username, password });
  if (role) await shop.call(201, "PUT", `/projects/${shop.project}/members/${username}`, { role });
  const person = await Person.arrive(t, shop.portal);
  assert.equal((await person.login(password, username)).code, 0);
  return person;
}

/** What a program hears that gets no answer of its own: one line of ours. */
function refused({ code, out, err }, pattern, expected = 1) {
  assert.match(err, pattern);
  assert.deepEqual([code, out], [expected, ""], err);
  assert.ok(!/panicked|RUST_BACKTRACE/.test(err), err);
}

test("a guest reads a log and opens no shell, and who is no member finds nothing", { timeout: 480_000 }, async (t) => {
  const shop = await shopOpens(t);
  const service = `${shop.project}/web`;
  const guest = await join(t, shop, "gus", "guest");
  refused(await guest.run(["shell", service, "--", "/bin/sh", "-c", "touch /entered"]), /as guest you may not open a shell .* an admin of project/);
  const read = async () => /first line/.test((await guest.run(["logs", service])).out);
  await until("a guest reads the log", read);
  const stranger = await join(t, shop, "sam");
  for (const command of [["shell", service], ["logs", service], ["logs", "-f", service], ["shell", `${shop.project}/no-such`]]) {
    refused(await stranger.run(command), /^slipway: no such service\n$/);
  }
  // To a stranger, what is there and what is not are the same.
  refused(await stranger.run(["logs", "no-such/web"]), /^slipway: no such service\n$/);
  const [container] = await shop.containers("web");
  const { out } = await shop.docker.run(["exec", container.id, "/bin/sh", "-c", "busybox ls /"]);
  assert.ok(!out.includes("entered"), "nothing ran");
  assert.deepEqual((await shop.call(200, "GET", `/projects/${shop.project}/shells`)).items, [], "and no shell was begun");
});

test("who is taken out of a project loses an open shell and a followed log, and is told", { timeout: 480_000 }, async (t) => {
  const shop = await shopOpens(t);
  const service = `${shop.project}/web`;
  const [container] = await shop.containers("web");
  const processes = () => shop.docker.do(["exec", container.id, "/bin/busybox", "ps", "-o", "args"]);
  const dora = await join(t, shop, "dora", "developer");
  const follower = dora.start("logs", "-f", service);
  await follower.wrote(/first line/);
  const shell = dora.inTerminal(80, 24, "shell", service);
  await shell.wrote(/[#$] /);
  // One that would not go by itself, too.
  shell.type("(trap '' HUP; busybox sleep 4711) & echo st$((1+1))arted; busybox sleep 4712\r");
  await shell.wrote(/st2arted/);
  await until("both run", async () => /sleep 4711/.test(await processes()) && /sleep 4712/.test(await processes()));
  await shop.call(204, "DELETE", `/projects/${shop.project}/members/dora`);
  assert.equal(await shell.ended, 1);
  assert.match(shell.out, /slipway: the shell was ended: you may not open one there any more/);
  assert.equal(await follower.ended, 1, follower.err);
  assert.match(follower.err, /slipway: no such service\r?\n$/);
  await until("nothing of the shell is left", async () => !/sleep 471|^\s*(-|\/bin\/)?sh\s*$/m.test(await processes()));
  assert.match(await processes(), /sleep 100000/, "the task itself runs on");
  refused(await dora.run(["shell", service]), /no such service/);
  refused(await dora.run(["logs", service]), /no such service/);
});

test("a token that was revoked or is not for shells opens none, and it is said what to do", { timeout: 480_000 }, async (t) => {
  const shop = await shopOpens(t);
  const service = `${shop.project}/web`;
  const dora = await join(t, shop, "dora", "developer");
  const user = { username: "dora", password: shop.portal.password };
  const made = await shop.portal.api("POST", "/me/tokens", { name: "reader", scopes: ["read"] }, user);
  assert.equal(made.status, 201);
  // Both are said, so nothing that is kept is needed, and no home.
  dora.env = { PATH: dora.env.PATH, SLIPWAY_URL: dora.url, SLIPWAY_TOKEN: made.body.secret };
  await until("it reads", async () => /first line/.test((await dora.run(["logs", service])).out));
  refused(await dora.run(["shell", service]), /token/);
  assert.equal((await shop.portal.api("DELETE", `/me/tokens/${made.body.token.id}`, undefined, user)).status, 204);
  for (const command of ["shell", "logs"]) refused(await dora.run([command, service]), /does not take this token .*slipway login/);
});

test("who signs in wrongly, or nowhere, is told which of both", { timeout: 480_000 }, async (t) => {
  const shop = await shopOpens(t);
  const person = await Person.arrive(t, shop.portal);
  refused(await person.login("not the password"), /^slipway: the user name or the password is wrong\n$/);
  refused(await person.run(["login", person.url, "--token-stdin"], "not-a-token\n"), /this token does not hold/);
  refused(await person.run(["login", person.url, "--username", "admin", "--password-stdin"], ""), /standard input must hold the password/);
  refused(await person.run(["login", person.url, "--username", "admin"]), /no terminal to ask for the password; use --password-stdin/);
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  refused(await person.run(["login", nowhere, "--username", "admin", "--password-stdin"], "x\n"), /127\.0\.0\.1:\d+ cannot be reached: Connection refused/);
  const other = createServer((_, answer) => answer.writeHead(404).end("<h1>another server</h1>"));
  await new Promise((resolve) => other.listen(0, "127.0.0.1", resolve));
  atEnd(t, () => other.close());
  const elsewhere = `http://127.0.0.1:${other.address().port}`;
  refused(await person.run(["login", elsewhere, "--username", "admin", "--password-stdin"], "x\n"), /answered 404 Not Found: is it a Slipway portal\?/);
  await assert.rejects(readFile(person.file), { code: "ENOENT" }, "nothing was kept of any of it");

  assert.equal((await person.login(shop.portal.password)).code, 0);
  const { password } = shop.portal;
  await chmod(person.file, 0o644);
  const open = await person.run(["logs", `${shop.project}/web`]);
  refused(open, /client\.json holds your tokens and is open to others \(mode 644\): chmod 600/);
  await chmod(person.file, 0o600);
  assert.equal((await person.run(["logs", `${shop.project}/web`])).code, 0);
  // The portal goes: the token is forgotten here all the same, and it is said what is left to do.
  await shop.portal.stop();
  refused(await person.run(["logs", "-f", `${shop.project}/web`]), /cannot be reached/);
  refused(await person.run(["logout"]), /the token is forgotten here, but .* still knows it .*revoke it there/);
  assert.ok(!(await readFile(person.file, "utf8")).includes("token\""), "none is kept");
  await shop.portal.resume();
  assert.equal((await shop.portal.api("GET", "/me/tokens", undefined, { username: "admin", password })).body.items.length, 1);
});

test("what is typed wrongly is named with what would be right", { timeout: 480_000 }, async (t) => {
  const shop = await shopOpens(t);
  const person = await Person.arrive(t, shop.portal);
  assert.equal((await person.login(shop.portal.password)).code, 0);
  const service = `${shop.project}/web`;
  for (const [flags, pattern] of [
    [["logs", service, "--since", "yesterday"], /--since.*10m or 2h/],
    [["logs", service, "--until", "soon"], /--until.*2026-11-20T09:30:00Z/],
    [["logs", service, "--task", "web.1"], /--task.*36 characters/],
    [["logs", service, "--revision", "v1"], /--revision.*number/],
    [["logs", service, "--grep", "x", "-C", "51"], /--context.*0\.\.=50/],
    [["logs", service, "-C", "2"], /--grep <GREP>/],
    [["logs", service, "--grep", "(", "--regex"], /^slipway: --grep: no regular expression: unclosed group, at character 1\n$/],
    [["logs", service, "--stream", "both"], /--stream.*stdout, stderr/],
    [["logs", service, "-n", "some"], /--tail.*a number of lines, or all/],
    [["logs", service, "-n", "10001"], /^slipway: --tail: at most 10000 lines, or all\n$/],
    [["logs", service, "--environment", "nowhere"], /^slipway: --environment: there is no environment nowhere; there are: local\n$/],
    [["logs", "web"], /a project, a slash and a service: shop\/web/],
    [["shell", `${service}.0`], /a task's number, from 1/],
    [["shell", service, "--why", "x".repeat(300)], /^slipway: why: one line of at most 255 bytes\n$/],
    [["login", person.url, "--days", "0"], /--days.*1\.\.=3650/],
    [["login", "slipway.example.com"], /https:\/\/slipway\.example\.com/],
  ]) {
    refused(await person.run(flags), pattern, 2);
  }
  refused(await person.run(["shell", `${service}.9`]), /^slipway: web\.9 does not run\n$/);
});

test("a proxy that strips the upgrade is named", { timeout: 480_000 }, async (t) => {
  const shop = await shopOpens(t);
  const person = await Person.arrive(t, shop.portal);
  assert.equal((await person.login(shop.portal.password)).code, 0);
  const proxy = createServer((asked, answer) => {
    const { upgrade, connection, ...headers } = asked.headers;
    const passed = request({ host: "127.0.0.1", port: shop.portal.port, method: asked.method, path: asked.url, headers }, (given) => {
      answer.writeHead(given.statusCode, given.rawHeaders);
      given.pipe(answer);
    });
    asked.pipe(passed.on("error", () => answer.destroy()));
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  atEnd(t, () => (proxy.closeAllConnections(), proxy.close()));
  Object.assign(person.env, { SLIPWAY_URL: `http://127.0.0.1:${proxy.address().port}`, SLIPWAY_TOKEN: (await person.kept()).token });
  refused(await person.run(["shell", `${shop.project}/web`]), /a proxy in between must pass the headers Upgrade and Connection on/);
});
