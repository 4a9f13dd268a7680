// Pushes of the soak: by the docker client, and by a client of our own that can be cut in the middle and goes on where the portal says.
//
// It remembers of every tag which contents may be there: that of the last push that was confirmed, and those of later ones of which nobody
// knows, because the portal was killed before it could say.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

const sha256 = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const TYPES = ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
/** How long a portal that was killed may be away. */
const AWAY = 60_000;

export class Pusher {
  constructor(shop, count) {
    Object.assign(this, { shop, count, tags: new Map() });
    this.authorization = `Basic ${Buffer.from(`admin:${shop.portal.password}`).toString("base64")}`;
  }

  /** One push, or two at once; each `how` has tags of its own, and pushes of one `how` take turns. */
  async push({ how, seed }) {
    this.turns ??= {};
    const turn = (this.turns[how] ?? Promise.resolve()).catch(() => {}).then(() => this.one(how, seed));
    this.turns[how] = turn;
    return turn;
  }

  async one(how, seed) {
    if (how === "docker") return this.settle(`docker:${seed % 3}`, [await this.byDocker(`docker:${seed % 3}`, seed)]);
    const image = (seed) => makeImage(seed, how === "plain" ? 1 << 20 : 12 << 20);
    const images = how === "twice" ? [image(seed), image(seed + 1)] : [image(seed)];
    const name = `raw:${how}-${seed % 3}`;
    this.settle(name, await Promise.all(images.map((image) => this.byHand(name, image, how === "cut" && (seed % 97) / 97))));
  }

  /** What may be under a tag from now on. */
  settle(name, pushed) {
    const before = this.tags.get(name)?.allowed ?? [];
    const confirmed = pushed.some(({ sure }) => sure);
    const digests = pushed.map(({ digest }) => digest).filter(Boolean);
    this.count(confirmed ? "pushed" : "pushFailed");
    const allowed = new Set(confirmed ? digests : [...before, ...digests]);
    // A tag of which no push was ever confirmed may as well not be there.
    if (confirmed || this.tags.has(name)) this.tags.set(name, { allowed });
  }

  /** By the docker client, which is only sure when nothing came between. */
  async byDocker(name, seed) {
    const { docker, registry } = this.shop;
    const reference = `${registry}/${name}`;
    try {
      await docker.webImage(reference, `${seed}`);
      const said = await docker.do(["push", reference]);
      return { digest: said.match(/digest: (sha256:[0-9a-f]{64})/)[1], sure: true };
    } catch {
      // What it was going to push under this tag is not known: the next confirmed push decides. Until then the tag is not looked at.
      this.tags.delete(name);
      return { sure: false };
    }
  }

  /** By hand, cut at this share of the layer unless it is `false`. */
  async byHand(name, image, cut) {
    const repository = `/v2/${this.shop.project}/${name.split(":")[0]}`;
    for (const blob of image.blobs) await this.blob(repository, blob, cut);
    const put = await this.patiently(() => this.send("PUT", `${repository}/manifests/${name.split(":")[1]}`, image.manifest, { "content-type": TYPES[0] }));
    assert.equal(put.status, 201, await put.text());
    return { digest: image.digest, sure: true };
  }

  /** Uploads a blob, however often it is cut. */
  async blob(repository, blob, cut) {
    const digest = sha256(blob);
    const begin = async () => {
      const begun = await this.patiently(() => this.send("POST", `${repository}/blobs/uploads/`));
      assert.equal(begun.status, 202, await begun.text());
      return begun.headers.get("location");
    };
    const location = await begin();
    if (cut !== false && blob.length > 1 << 20) {
      await this.cutPatch(location, blob, Math.floor(blob.length * cut));
      this.count("cut");
    }
    for (let tries = 0; ; tries++) {
      assert.ok(tries < 100, "an upload does not come to an end");
      const status = await this.patiently(() => this.send("GET", location));
      if (status.status === 404) {
        const there = await this.patiently(() => this.send("HEAD", `${repository}/blobs/${digest}`));
        assert.equal(there.status, 200, "an upload was forgotten that never ended");
        return;
      }
      assert.equal(status.status, 204, await status.text());
      const last = Number(status.headers.get("range").match(/^0-(\d+)$/)[1]);
      const next = last === 0 ? 0 : last + 1;
      assert.ok(next <= blob.length, `${next} of ${blob.length} bytes came`);
      if (tries > 0 && next > 0) this.count("resumed");
      const headers = next < blob.length ? { "content-range": `${next}-${blob.length - 1}` } : {};
      const put = await this.send("PUT", `${location}?digest=${digest}`, blob.subarray(next), headers).catch(() => undefined);
      if (put?.status === 201) return;
      // Somebody else's turn, or a portal that stops: ask again. Anything else is a fault.
      assert.ok(!put || [409, 416, 503].includes(put.status), `${put?.status} ${await put?.text()}`);
      await delay(50);
    }
  }

  /** Sends so many bytes of a PATCH that promises all, and drops the connection. */
  async cutPatch(location, blob, bytes) {
    const { registry } = this.shop.portal;
    const cut = request(`http://${registry}${location}`, { method: "PATCH", headers: { authorization: this.authorization, "content-length": blob.length } });
    const over = new Promise((resolve) => cut.once("error", resolve).once("close", resolve));
    cut.write(blob.subarray(0, bytes), () => cut.destroy());
    await over;
  }

  send(method, path, body, headers) {
    return fetch(`http://${this.shop.portal.registry}${path}`, { method, body, headers: { authorization: this.authorization, ...headers } });
  }

  /** Until there is an answer: the portal may be away for a while. */
  async patiently(act) {
    for (const given = Date.now() + AWAY; ; await delay(100)) {
      const answer = await act().catch((error) => error);
      if (answer instanceof Response && answer.status !== 503) return answer;
      if (Date.now() > given) throw answer instanceof Error ? answer : new Error(`503 for ${AWAY / 1000} s`);
    }
  }

  /** The bytes of something that must be there. */
  async get(path) {
    const answer = await this.send("GET", path, undefined, { accept: TYPES.join(", ") });
    const bytes = Buffer.from(await answer.arrayBuffer());
    assert.equal(answer.status, 200, `${path}: ${bytes.subarray(0, 300)}`);
    return bytes;
  }

  /** Every tag of the docker client's, pulled by it. */
  async pullAll() {
    for (const name of this.tags.keys()) {
      if (!name.startsWith("docker:")) continue;
      await this.shop.docker.run(["rmi", "-f", `${this.shop.registry}/${name}`]);
      await this.shop.docker.do(["pull", `${this.shop.registry}/${name}`]);
      this.count("pulled");
    }
  }
}

/** An image of one layer whose bytes a number decides; it is never run. */
function makeImage(seed, size) {
  const layer = Buffer.alloc(size);
  let state = seed | 1;
  for (let at = 0; at + 4 <= size; at += 4) layer.writeInt32LE((state = (Math.imul(state, 1664525) + 1013904223) | 0), at);
  const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [sha256(layer)] } }));
  const part = (mediaType, bytes) => ({ mediaType, digest: sha256(bytes), size: bytes.length });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: TYPES[0],
    config: part("application/vnd.oci.image.config.v1+json", config),
    layers: [part("application/vnd.oci.image.layer.v1.tar", layer)],
  });
  return { blobs: [layer, config], manifest, digest: sha256(manifest) };
}
