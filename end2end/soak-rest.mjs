// What has to hold when nobody does anything: the engine runs what the portal says, the portal says what was asked for, every deployment
// has ended with a reason, what was pushed is there, and the log tells neither of a crash nor a secret.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { FINAL, until } from "./shop.mjs";

/** Failures in a row slow a slot down to one try a minute. */
const PATIENCE = 150;
/** Dead containers that are kept of a service, to be looked into. */
const KEPT = 40;

/** Waits for rest. Gives how many deployments ended in which way, how many seconds it took, and what was waited for last. */
export async function rest(shop, services) {
  const began = Date.now();
  let waited = "nothing";
  const ends = await until("everything is as it should be", () => assertRest(shop, services).catch((error) => {
    waited = error.message.slice(0, 2_000);
    throw error;
  }), PATIENCE);
  return { ends, seconds: (Date.now() - began) / 1000, waited };
}

async function assertRest(shop, services) {
  const portal = shop.portal.process;
  assert.ok(portal.exitCode === null && portal.signalCode === null, `the portal ended by itself: ${portal.exitCode} ${portal.signalCode}`);
  const containers = await shop.containers();
  const ends = {};
  for (const service of services) await assertService(shop, service, containers.filter((container) => container.service === service), ends);
  const strangers = containers.filter((container) => !services.includes(container.service));
  assert.deepEqual(strangers, [], "containers of no service");
  assert.ok((await shop.networks()).length <= 1, `one network: ${await shop.networks()}`);
  return ends;
}

async function assertService(shop, service, containers, ends) {
  const seen = JSON.stringify({ service, containers });
  const { status, body: view } = await shop.portal.api("GET", shop.path(service));
  if (status === 404) return assert.deepEqual(containers, [], `${service} was deleted`);
  assert.equal(status, 200, JSON.stringify(view));
  for (const deployment of await everything(shop, shop.path(service, "/deployments"))) {
    assert.ok(FINAL.has(deployment.state), `unfinished: ${JSON.stringify(deployment)} ${seen}`);
    assert.ok(deployment.state === "succeeded" || deployment.reason?.message, `no reason: ${JSON.stringify(deployment)}`);
    ends[deployment.state] = (ends[deployment.state] ?? 0) + 1;
  }
  const [run] = view.runs;
  const wanted = run?.desired === "running" ? run.revision : undefined;
  const replicas = wanted?.descriptor.replicas ?? 0;
  const alive = containers.filter(({ state }) => !["exited", "dead"].includes(state));
  assert.ok(alive.every(({ state }) => state === "running"), `all that live run: ${seen}`);
  assert.equal(alive.length, replicas, `as many containers as replicas: ${seen}`);
  assert.ok(containers.length - alive.length <= KEPT, `dead containers pile up: ${seen}`);
  const tasks = await shop.tasks(service);
  assert.deepEqual(alive.map(({ task }) => task).sort(), tasks.map(({ id }) => id).sort(), `the portal's tasks are the engine's containers: ${JSON.stringify(tasks)} ${seen}`);
  assert.deepEqual(tasks.map(({ slot }) => slot).sort(), Array.from({ length: replicas }, (_, at) => at + 1), JSON.stringify(tasks));
  for (const task of tasks) {
    assert.ok(task.state === "running" && ["healthy", "none"].includes(task.health), JSON.stringify(task));
    assert.equal(await content(shop, service, task.revision), await content(shop, service, wanted.revision.number), `of the revision that should run: ${JSON.stringify(task)}`);
    assert.match(await shop.answer(task), /^version /);
  }
}

/** What the tasks of a revision are made of: scaling makes a revision and keeps the tasks. */
async function content(shop, service, number) {
  const { descriptor, revision } = await shop.call(200, "GET", shop.path(service, `/revisions/${number}`));
  return JSON.stringify({ ...descriptor, image: revision.digest, replicas: 0, update: 0 });
}

/** All pages of a list. */
async function everything(shop, path) {
  const items = [];
  for (let after; ; ) {
    const page = await shop.call(200, "GET", after ? `${path}?after=${encodeURIComponent(after)}` : path);
    items.push(...page.items);
    after = page.next;
    if (!after) return items;
  }
}

/** Every tag that was pushed leads to one of the contents that may be there, and every byte of it is right. */
export async function assertPushed(shop, pusher) {
  for (const [name, { allowed }] of pusher.tags) {
    const [repository, tag] = name.split(":");
    const manifest = await pusher.get(`/v2/${shop.project}/${repository}/manifests/${tag}`);
    const digest = `sha256:${createHash("sha256").update(manifest).digest("hex")}`;
    assert.ok(allowed.has(digest), `${name} is ${digest}, and should be one of ${[...allowed]}`);
    const { config, layers } = JSON.parse(manifest);
    for (const part of [config, ...layers]) {
      const blob = await pusher.get(`/v2/${shop.project}/${repository}/blobs/${part.digest}`);
      assert.equal(`sha256:${createHash("sha256").update(blob).digest("hex")}`, part.digest, `a blob of ${name}`);
      assert.equal(blob.length, part.size, `the size of a blob of ${name}`);
    }
  }
}

/** The log tells of no panic and none of these secrets. */
export async function assertLogClean(shop, secrets) {
  const log = await shop.portal.log();
  const panic = log.split("\n").find((line) => /panicked at|RUST_BACKTRACE/.test(line));
  assert.equal(panic, undefined, "a panic in the portal's log");
  for (const secret of secrets) assert.ok(!log.includes(secret), "a secret in the portal's log");
}
