// A storm on an engine: two hundred containers that nobody but the test made. Each lives once and for a moment, ends with a code of its own, and stays
// there, so that the engine can be asked about every one of them at the end. It goes on whatever happens to the engine meanwhile.
import assert from "node:assert/strict";
import { atEnd } from "./ending.mjs";
import { each, until } from "./shop.mjs";

const COUNT = 200;
/** So many are started at a time. */
const AT_ONCE = 4;
/** A busy machine, and an engine that is away for a while. */
const LONG = 180;
/** What an engine shows where it does not know with what a program ended. */
const UNKNOWN = 255;

export class Storm {
  static async gather(t, shop, engine, image) {
    const storm = Object.assign(new Storm(), { shop, engine, image, started: 0, made: 0, left: [], since: new Date().toISOString() });
    storm.name = `storm-${shop.portal.port}`;
    storm.lives = Array.from({ length: COUNT }, (_, n) => ({ code: n % 5, seconds: n % 4 }));
    atEnd(t, () => storm.clear());
    await each(storm.lives, 8, (life) => storm.make(life));
    return storm;
  }

  /** Makes the container of a life. */
  async make(life) {
    const script = `busybox sleep ${life.seconds}; exit ${life.code}`;
    const wanted = { Image: this.image, Entrypoint: ["/bin/sh", "-c"], Cmd: [script], Labels: { storm: this.name }, HostConfig: { NetworkMode: "none" } };
    const { Id } = await this.ask(201, "POST", `/containers/create?name=${this.name}-${this.made++}`, wanted);
    Object.assign(life, { id: Id, tried: false });
  }

  /** Removes them, wherever the test stopped. */
  async clear() {
    await this.engine.start();
    const filters = encodeURIComponent(JSON.stringify({ label: [`storm=${this.name}`] }));
    const { body } = await this.engine.call("GET", `/containers/json?all=true&filters=${filters}`);
    await each(body, 8, ({ Id }) => this.engine.call("DELETE", `/containers/${Id}?force=true`));
  }

  async ask(status, method, path, body) {
    const answer = await this.engine.call(method, path, body);
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Starts all of them, without a pause. */
  async blow() {
    try {
      await each(this.lives, AT_ONCE, async (life) => {
        await until(`${life.name} is started`, () => this.startOnce(life), LONG);
        this.started += 1;
      });
    } catch (error) {
      this.failed = error;
      throw error;
    }
  }

  /**
   * Starts one, and asks for it once. Where the engine ended over it, it says when it is back whether it was; if not, another one takes its place:
   * what an engine is killed over it may not start any more.
   */
  async startOnce(life) {
    if (life.tried) {
      if ((await this.state(life.id)).Status !== "created") return true;
      const { id } = life;
      await this.make(life);
      this.left.push({ ...life, id });
    }
    life.tried = true;
    await this.ask(204, "POST", `/containers/${life.id}/start`);
    return true;
  }

  async state(id) {
    return (await this.ask(200, "GET", `/containers/${id}/json`)).State;
  }

  /** Waits until so many were started. */
  async reached(count) {
    await until(`${count} are started`, () => this.failed || this.started >= count, LONG);
    if (this.failed) throw this.failed;
  }

  /** What the engine says of each, once all have ended. */
  async over() {
    return until(
      "all containers have ended",
      async () => {
        const found = [];
        await each([...this.lives, ...this.left], 8, async ({ id, code }) => {
          const { Status, ExitCode, StartedAt, FinishedAt } = await this.state(id);
          found.push({ id, code, status: Status, exit: ExitCode, startedAt: Date.parse(StartedAt), finishedAt: Date.parse(FinishedAt) });
        });
        // An engine that was killed while it started one runs it on without knowing since when, and calls it "created" again when it has ended.
        const ended = ({ status, finishedAt }) => status === "exited" || (status === "created" && finishedAt > 0);
        const others = found.filter((one) => !ended(one));
        const over = found.length - others.length;
        if (over < COUNT || others.some(({ status }) => status === "running")) throw new Error(`${over} have: ${JSON.stringify(others)}`);
        return found;
      },
      LONG,
    );
  }

  /** Events of one kind by container, the newest first. */
  async told(kind) {
    const found = new Map();
    for (let after = ""; after !== undefined; ) {
      const part = await this.shop.call(200, "GET", `/machines/local/events?kind=${kind}&since=${this.since}&limit=200${after && `&after=${after}`}`);
      for (const event of part.items) found.set(event.container, [...(found.get(event.container) ?? []), event]);
      after = part.next;
    }
    return found;
  }

  /** Waits until all that the engine told so far is written down: events are written in their order. */
  async heard() {
    const last = { code: 0, seconds: 0 };
    await this.make(last);
    await until("what was told last is written down", async () => (await this.told("created")).has(last.id), LONG);
  }

  /** The portal tells of each container what the engine shows: that it was made, started and ended, with what, and each of it once. */
  async compare() {
    const there = await this.over();
    // Of a start that the engine does not know, the end may have been heard by nobody.
    const wanted = ({ startedAt, finishedAt }) => ({ created: 1, started: startedAt > 0 ? 1 : 0, died: startedAt > 0 && finishedAt > 0 ? 1 : 0 });
    const all = async () => ({ created: await this.told("created"), started: await this.told("started"), died: await this.told("died") });
    await until(
      "whatever the engine shows is told",
      async () => {
        const told = await all();
        const missing = there.filter((one) => Object.entries(wanted(one)).some(([kind, count]) => (told[kind].get(one.id)?.length ?? 0) < count));
        if (missing.length > 0) throw new Error(`${missing.length} lack something: ${JSON.stringify(missing[0])}`);
        return true;
      },
      LONG,
    );
    await this.heard();
    const told = await all();
    for (const one of there) {
      const of = Object.fromEntries(Object.entries(told).map(([kind, events]) => [kind, events.get(one.id) ?? []]));
      const said = JSON.stringify([one, of]);
      for (const [kind, count] of Object.entries(wanted(one))) {
        // An engine that was killed after it told of a start or an end, and before it wrote it down, does not know of it, nor when it was.
        if (kind !== "created" && count === 0) assert.ok(of[kind].length <= 1, `${kind}: ${said}`);
        else assert.equal(of[kind].length, count, `${kind}: ${said}`);
      }
      for (const { at } of one.startedAt > 0 ? of.started : []) assert.ok(at >= one.startedAt && at < one.startedAt + 60_000, said);
      for (const { at, exit_code } of of.died) {
        // An engine that was killed after it told of an end, and before it wrote it down, finds a dead container: when it is back it shows that time,
        // and 255 or 0. One that is being killed may itself tell of an end without knowing with what (255), and know it when it is back.
        const own = exit_code === one.code && one.exit !== one.code;
        if (one.finishedAt <= 0) assert.equal(exit_code, one.code, said);
        else if (own) assert.ok([UNKNOWN, 0].includes(one.exit) && at >= one.startedAt && at < one.finishedAt + 60_000, said);
        else {
          assert.ok(exit_code === one.exit || (exit_code === UNKNOWN && one.exit === one.code), said);
          assert.ok(at >= one.finishedAt && at < one.finishedAt + 60_000, said);
        }
      }
    }
    const alone = there.filter(({ status, exit, code }) => status === "exited" && exit === code);
    assert.ok(alone.length > COUNT / 2, `most ended by themselves, and not with the engine: ${alone.length}`);
  }
}
