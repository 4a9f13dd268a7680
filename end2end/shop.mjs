// A project on a real portal with a real engine, in the words of the tests: deploy, how it ended, what runs. The engine is asked beside the
// portal, so that what the portal says can be compared with what is.
//
// Its containers bear a project's name that no other test has; those alone are looked at, and removed at the end.
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { atEnd } from "./ending.mjs";
import { Docker } from "./engine.mjs";
import { Portal } from "./portal.mjs";

const ENVIRONMENT = "local";

/** The states after which nothing follows. */
export const FINAL = new Set(["succeeded", "failed", "rolled_back", "cancelled", "superseded"]);

/**
 * Asks `probe` until it gives something that is not false, nothing or an error; says at the end what it waited for and what came last. It waits long: what
 * comes costs no more by it, and on a busy machine some things come late.
 */
export async function until(what, probe, seconds = 60) {
  const given = Date.now() + seconds * 1000;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      last = error.stack;
    }
    if (Date.now() > given) throw new Error(`waited ${seconds} s for: ${what}; the last answer was ${typeof last === "string" ? last : JSON.stringify(last)}`);
    await delay(50);
  }
}

/** Does this with each of them, so many at a time. */
export async function each(items, most, act) {
  const left = [...items];
  const worker = async () => {
    while (left.length > 0) await act(left.shift());
  };
  await Promise.all(Array.from({ length: most }, worker));
}

export class Shop {
  /** Starts a portal with an empty project, and a docker client that is signed in. */
  static async open(t, env = {}) {
    const shop = new Shop();
    shop.portal = await Portal.start(t, env);
    shop.project = `shop-${shop.portal.port}`;
    shop.docker = await Docker.install(t);
    atEnd(t, () => shop.close());
    shop.registry = `${shop.portal.registry}/${shop.project}`;
    assert.equal((await shop.portal.api("POST", "/projects", { name: shop.project })).status, 201);
    await shop.docker.login(shop.portal.registry, "admin", shop.portal.password);
    return shop;
  }

  /** Stops the portal, which would bring them back, and removes the project's containers and network. */
  async close() {
    await this.portal.stop();
    const containers = await this.containers();
    if (containers.length > 0) await this.docker.run(["rm", "-f", ...containers.map((container) => container.id)]);
    for (const network of await this.networks()) await this.docker.run(["network", "rm", network]);
  }

  path(service, rest = "") {
    return `/projects/${this.project}/services${service ? `/${service}` : ""}${rest}`;
  }

  /** A call that must be answered with this status. Gives the answer's JSON. */
  async call(status, method, path, body) {
    const answer = await this.portal.api(method, path, body);
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async service(name) {
    await this.call(201, "POST", this.path(), { name });
  }

  /** Pushes an image that the docker client has made. */
  async push(repository, tag) {
    await this.docker.do(["push", `${this.registry}/${repository}:${tag}`]);
  }

  /** Begins a deployment. Gives its id. */
  async deploy(service, descriptor) {
    return (await this.call(202, "POST", this.path(service, "/deployments"), { environment: ENVIRONMENT, descriptor })).id;
  }

  /** How a deployment is now, or when it is over, if that takes no longer than so many seconds. */
  async deployment(service, id, wait = 0) {
    return this.call(200, "GET", this.path(service, `/deployments/${id}?wait=${wait}`));
  }

  /** How a deployment ended, once it is over. */
  async over(service, id) {
    return until(`deployment ${id} is over`, async () => {
      const view = await this.deployment(service, id, 60);
      if (!FINAL.has(view.state)) throw new Error(JSON.stringify(view));
      return view;
    }, 180);
  }

  /** A deployment that must succeed. */
  async deployed(service, descriptor) {
    const view = await this.over(service, await this.deploy(service, descriptor));
    assert.equal(view.state, "succeeded", JSON.stringify(view));
    return view;
  }

  /** The tasks that live, as the portal says. */
  async tasks(service) {
    const { items } = await this.call(200, "GET", this.path(service, "/tasks"));
    return items.filter((task) => ["preparing", "running", "restarting", "stopping"].includes(task.state));
  }

  /** The project's containers, dead ones too, as the engine says. */
  async containers(service) {
    const label = (name) => `{{.Label "dev.slipway.${name}"}}`;
    const format = `{{.ID}} {{.State}} ${label("service")} ${label("revision")} ${label("task")}`;
    const filters = [`label=dev.slipway.project=${this.project}`, ...(service ? [`label=dev.slipway.service=${service}`] : [])];
    const listed = await this.docker.do(["ps", "-a", "--no-trunc", ...filters.flatMap((filter) => ["--filter", filter]), "--format", format]);
    return listed.split("\n").filter(Boolean).map((line) => {
      const [id, state, service, revision, task] = line.split(" ");
      return { id, state, service, revision: Number(revision), task };
    });
  }

  /** The project's networks, by name. */
  async networks() {
    const listed = await this.docker.do(["network", "ls", "--filter", `label=dev.slipway.project=${this.project}`, "--format", "{{.Name}}"]);
    return listed.split("\n").filter(Boolean);
  }

  /** What a task answers on its published port. */
  async answer(task) {
    const answer = await fetch(`http://${task.host}:${task.ports[0].host}/`, { signal: AbortSignal.timeout(60_000) });
    return (await answer.text()).trim();
  }
}
