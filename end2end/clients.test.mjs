// Every client that people push and pull with, as it comes from the distribution, against a real portal: sign in, push, pull into an empty
// store, push again, push to another repository, be refused. A recorder between client and portal tells what was really sent.
//
// What the protocol demands of the portal, request by request, is in server/tests/it/registry.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Buildah, Ctr, Podman, Skopeo } from "./clients.mjs";
import { Docker } from "./engine.mjs";
import { Portal } from "./portal.mjs";
import { Recorder, mounted, uploaded } from "./recorder.mjs";

const PASSWORD = "correct horse battery";
/** They make file systems of layers, each in its way. */
const MINUTES = { timeout: 480_000, skip: process.getuid() === 0 ? false : "podman, buildah and containerd are run as root here" };

/** A portal behind a recorder with the project `shop` of `ana` (admin), `dev` (developer) and `gus` (guest); `eve` is none of its members. */
async function shop(t) {
  const recorder = await Recorder.start(t);
  const portal = await Portal.start(t, { SLIPWAY_PUBLIC_URL: `http://${recorder.address}` });
  recorder.to = portal.port;
  const call = async (method, path, body, user) => {
    const answer = await portal.api(method, path, body, user);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  for (const username of ["ana", "dev", "gus", "eve"]) await call("POST", "/users", { username, password: PASSWORD });
  await call("POST", "/projects", { name: "shop" });
  for (const [name, role] of [["ana", "admin"], ["dev", "developer"], ["gus", "guest"]]) await call("PUT", `/projects/shop/members/${name}`, { role });
  return { portal, recorder, call, registry: recorder.address, repository: (name) => `${recorder.address}/shop/${name}` };
}

/** A personal token of this person. */
async function personalToken(shop, username, scopes) {
  const made = await shop.call("POST", "/me/tokens", { name: "client", scopes }, { username, password: PASSWORD });
  return made.secret;
}

/** The digest of the manifest that the portal has under a reference, in the portal's words. */
async function digestOf(shop, username, name, tag) {
  const answer = await manifests(shop, username, "HEAD", name, tag);
  assert.equal(answer.status, 200);
  return answer.headers.get("docker-content-digest");
}

const basic = (username, secret = PASSWORD) => `Basic ${Buffer.from(`${username}:${secret}`).toString("base64")}`;

async function manifests(shop, username, method, name, reference, body, type) {
  const headers = { authorization: basic(username), ...(type ? { "content-type": type } : {}) };
  return fetch(`http://${shop.registry}/v2/shop/${name}/manifests/${reference}`, { method, headers, body });
}

/** Signs in, with a wrong password first, then with a personal token, then with the password. */
async function signsIn(shop, client) {
  const wrong = await client.login(shop.registry, "dev", "wrong wrong wrong");
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.out, /invalid username\/password|incorrect username or password|user name or the password .* is wrong/i);
  for (const secret of [await personalToken(shop, "dev", ["pull", "push"]), PASSWORD]) {
    const { code, out } = await client.login(shop.registry, "dev", secret);
    assert.equal(code, 0, out);
  }
}

/** The round trip of a client that builds images and has a store. */
async function roundTrip(t, kind) {
  const site = await shop(t);
  const client = await kind.install(t);
  await signsIn(site, client);
  const [one, two, elsewhere] = [site.repository("web:1"), site.repository("web:2"), site.repository("team/other:1")];
  await client.build(one, "one\n");
  let pushed;
  const first = await site.recorder.during(async () => (pushed = await client.push(one)));
  assert.equal(uploaded(first).length, 3, "two layers and a configuration");
  assert.equal(pushed, await digestOf(site, "gus", "web", "1"), "what the client says it pushed is what is there");

  // Again: all is there already.
  const again = await site.recorder.during(() => client.push(one));
  assert.deepEqual(uploaded(again), []);

  // A second image with the same base sends what is new alone.
  await client.build(two, "two\n");
  const second = await site.recorder.during(() => client.push(two));
  assert.equal(uploaded(second).length, 2, "one layer and a configuration");

  // To another repository: layers are mounted.
  await client.tag(one, elsewhere);
  const third = await site.recorder.during(() => client.push(elsewhere));
  assert.ok(mounted(third).length >= 2, JSON.stringify(third));
  assert.ok(uploaded(third).length <= 1, "the configuration at most");

  // Back, into a store with nothing in it.
  await client.emptyStore();
  await client.pull(one);
  assert.equal(await client.digest(one), pushed);
  await isRefused(site, client, one);
}

/** What people see who may not. The client's store holds `image`. */
async function isRefused(site, client, image) {
  await client.login(site.registry, "gus", PASSWORD);
  const another = site.repository("gus:1");
  await client.tag(image, another);
  const guest = await client.tryPush(another);
  assert.notEqual(guest.code, 0);
  assert.match(guest.out, /as guest you may not push to this project; an admin of project shop can give you a role that may/);
  await client.login(site.registry, "eve", PASSWORD);
  const stranger = await client.tryPull(site.repository("web:2"));
  assert.notEqual(stranger.code, 0);
  assert.match(stranger.out, /no repository shop\/web here that you may see|not found|repository does not exist/);
  const token = await personalToken(site, "dev", ["pull"]);
  await client.login(site.registry, "dev", token);
  const narrow = await client.tryPush(another);
  assert.notEqual(narrow.code, 0);
  assert.match(narrow.out, /this token may not push to this project: it lacks the scope push/);
}

test("podman", MINUTES, (t) => roundTrip(t, Podman));
test("buildah", MINUTES, (t) => roundTrip(t, Buildah));

test("docker", MINUTES, async (t) => {
  const site = await shop(t);
  const docker = await Docker.install(t);
  const login = (registry, username, secret) => docker.run(["login", "--username", username, "--password-stdin", registry], secret);
  const client = {
    login,
    tag: (from, to) => docker.do(["tag", from, to]),
    tryPush: (reference) => docker.run(["push", reference]),
    tryPull: (reference) => docker.run(["pull", reference]),
  };
  await signsIn(site, client);
  const [one, two, elsewhere] = [site.repository("web:1"), site.repository("web:2"), site.repository("team/other:1")];
  await docker.webImage(one, "one");
  let said;
  const first = await site.recorder.during(async () => (said = await docker.do(["push", one])));
  assert.equal(uploaded(first).length, 2, "a layer and a configuration");
  const digest = /digest: (sha256:[0-9a-f]{64})/.exec(said)[1];
  assert.equal(digest, await digestOf(site, "gus", "web", "1"));
  const again = await site.recorder.during(async () => (said = await docker.do(["push", one])));
  assert.match(said, /Layer already exists/);
  assert.deepEqual(uploaded(again), []);

  // A second image with the same layer, to another repository.
  const container = await docker.do(["create", one]);
  await docker.do(["commit", "--change", "LABEL of=two", container, elsewhere]);
  await docker.do(["rm", container]);
  const third = await site.recorder.during(async () => (said = await docker.do(["push", elsewhere])));
  assert.match(said, /Mounted from shop\/web/);
  assert.equal(mounted(third).length, 1);

  await docker.do(["tag", one, two]);
  await docker.do(["push", two]);
  await docker.do(["rmi", "--force", one, two, elsewhere]);
  await docker.do(["pull", one]);
  assert.match(await docker.do(["inspect", "--format={{json .RepoDigests}}", one]), new RegExp(digest));
  await isRefused(site, client, one);
  await docker.do(["rmi", "--force", one, site.repository("gus:1")]);
});

test("containerd", MINUTES, async (t) => {
  const site = await shop(t);
  const [buildah, ctr] = [await Buildah.install(t), await Ctr.install(t)];
  const [one, elsewhere] = [site.repository("web:1"), site.repository("team/other:1")];
  await buildah.login(site.registry, "dev", PASSWORD);
  await buildah.build(one, "one\n");
  const pushed = await buildah.push(one);
  await buildah.tag(one, site.repository("web:2"));
  await buildah.push(site.repository("web:2"));

  await ctr.login(site.registry, "dev", "wrong wrong wrong");
  const wrong = await ctr.tryPull(one);
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.out, /401 Unauthorized/);
  await ctr.login(site.registry, "dev", await personalToken(site, "dev", ["pull", "push"]));
  await ctr.pull(one);
  assert.equal(await ctr.digest(one), pushed);
  await ctr.login(site.registry, "dev", PASSWORD);
  await ctr.tag(one, elsewhere);
  const other = await site.recorder.during(async () => assert.equal(await ctr.push(elsewhere), pushed));
  assert.deepEqual(uploaded(other).map(({ path }) => path), [], "everything is mounted");
  assert.equal(mounted(other).length, 3);
  const again = await site.recorder.during(() => ctr.push(elsewhere));
  assert.deepEqual(uploaded(again), []);
  await ctr.emptyStore();
  await ctr.pull(elsewhere);
  assert.equal(await ctr.digest(elsewhere), pushed);

  await ctr.login(site.registry, "gus", PASSWORD);
  await ctr.tag(elsewhere, site.repository("gus:1"));
  const guest = await ctr.tryPush(site.repository("gus:1"));
  assert.notEqual(guest.code, 0);
  assert.match(guest.out, /403 Forbidden|as guest you may not push/);
  await ctr.login(site.registry, "eve", PASSWORD);
  const stranger = await ctr.tryPull(one);
  assert.notEqual(stranger.code, 0);
  assert.match(stranger.out, /not found/);
});

/** Builds an image for two platforms, each with a text of its own, and pushes their index. */
async function pushesForTwoPlatforms(site, podman, name) {
  await podman.login(site.registry, "dev", PASSWORD);
  const multi = site.repository(name);
  await podman.do(["manifest", "create", multi]);
  for (const architecture of ["amd64", "arm64"]) {
    const context = await podman.context(architecture);
    await podman.do(["build", "--isolation=chroot", "--platform", `linux/${architecture}`, "--timestamp=0", "--manifest", multi, context]);
  }
  await podman.do(["manifest", "push", "--all", "--tls-verify=false", "--format=oci", multi, `docker://${multi}`]);
  return multi;
}

test("skopeo, with images of several platforms", MINUTES, async (t) => {
  const site = await shop(t);
  const [podman, skopeo] = [await Podman.install(t), await Skopeo.install(t)];
  await signsIn(site, skopeo);
  const multi = await pushesForTwoPlatforms(site, podman, "multi:1");
  const index = JSON.parse(await skopeo.raw(multi));
  assert.deepEqual(index.manifests.map(({ platform }) => platform.architecture).sort(), ["amd64", "arm64"]);

  const copied = site.repository("copies/multi:1");
  const copy = await site.recorder.during(() => skopeo.copy(`docker://${multi}`, `docker://${copied}`, ["--all"]));
  assert.equal(mounted(copy).length, 3, "the layer that both have and the two others");
  assert.equal(uploaded(copy).length, 2, "the two configurations alone");
  assert.equal(await digestOf(site, "gus", "copies/multi", "1"), await digestOf(site, "gus", "multi", "1"));
  await skopeo.copy(`docker://${multi}`, `docker://${site.repository("multi:2")}`, ["--all"]);
  const tags = JSON.parse(await skopeo.do(["list-tags", "--tls-verify=false", `docker://${site.repository("multi")}`]));
  assert.deepEqual(tags.Tags, ["1", "2"]);
  const inspected = await skopeo.inspect(multi);
  assert.equal(inspected.Digest, await digestOf(site, "gus", "multi", "1"));
  assert.equal(inspected.Architecture, "amd64");

  // The whole repository to a folder, and from there back to another one.
  await skopeo.do(["sync", "--all", "--src-tls-verify=false", "--src=docker", "--dest=dir", site.repository("multi"), skopeo.store]);
  await skopeo.copy(`dir:${join(skopeo.store, "multi:2")}`, `docker://${site.repository("back:1")}`, ["--all", "--preserve-digests"]);
  assert.equal(await digestOf(site, "gus", "back", "1"), await digestOf(site, "gus", "multi", "1"));

  // Refused with words that help.
  const refused = await skopeo.run(["delete", "--tls-verify=false", `docker://${multi}`]);
  assert.notEqual(refused.code, 0);
  assert.match(refused.out, /as developer you may not delete images of this project/);
  const guest = await skopeo.tryCopy(`docker://${multi}`, `docker://${site.repository("gus:1")}`, ["--dest-creds", `gus:${PASSWORD}`]);
  assert.notEqual(guest.code, 0);
  assert.match(guest.out, /as guest you may not push to this project/);
  const stranger = await skopeo.tryCopy(`docker://${multi}`, `dir:${skopeo.store}/eve`, ["--src-creds", `eve:${PASSWORD}`]);
  assert.notEqual(stranger.code, 0);
  assert.match(stranger.out, /no repository shop\/multi here that you may see/);

  // Deleted by its digest, with every tag that named it.
  await skopeo.login(site.registry, "ana", PASSWORD);
  await skopeo.do(["delete", "--tls-verify=false", `docker://${multi}`]);
  for (const tag of ["1", "2"]) assert.equal((await manifests(site, "gus", "HEAD", "multi", tag)).status, 404);
  const gone = await skopeo.run(["inspect", "--tls-verify=false", `docker://${multi}`]);
  assert.match(gone.out, /manifest unknown: the repository has no manifest/);
});

test("an image of several platforms that was copied in is pulled as if it had been pushed here", MINUTES, async (t) => {
  const [there, here] = [await shop(t), await shop(t)];
  const [podman, skopeo, docker] = [await Podman.install(t), await Skopeo.install(t), await Docker.install(t)];
  const source = await pushesForTwoPlatforms(there, podman, "multi:1");

  await here.call("PUT", "/outside-registries", { allowed: [`http://${there.registry}`] });
  await here.call("PUT", `/projects/shop/registries/${there.registry}`, { username: "gus", secret: PASSWORD });
  const asked = await here.call("POST", "/projects/shop/copies", { from: source, to: "mirror/multi:1" }, { username: "dev", password: PASSWORD });
  const ended = await here.call("GET", `/projects/shop/copies/${asked.id}?wait=60`);
  assert.equal(ended.state, "succeeded", JSON.stringify(ended));
  const copied = here.repository("mirror/multi:1");

  // Byte for byte, the index and what it lists.
  for (const site of [there, here]) await skopeo.login(site.registry, "gus", PASSWORD);
  const index = await skopeo.raw(copied);
  assert.equal(index, await skopeo.raw(source));
  const { manifests: listed } = JSON.parse(index);
  assert.equal(listed.length, 2);
  const pinned = (reference, { digest }) => `${reference.slice(0, reference.lastIndexOf(":"))}@${digest}`;
  for (const one of listed) assert.equal(await skopeo.raw(pinned(copied, one)), await skopeo.raw(pinned(source, one)));
  const whole = async (reference, folder) => {
    await skopeo.copy(`docker://${reference}`, `dir:${join(skopeo.store, folder)}`, ["--all", "--preserve-digests"]);
    const names = (await readdir(join(skopeo.store, folder))).sort();
    return Promise.all(names.map(async (name) => [name, createHash("sha256").update(await readFile(join(skopeo.store, folder, name))).digest("hex")]));
  };
  const files = await whole(copied, "copied");
  assert.equal(files.length, 9, "the index, two manifests, two configurations, three layers, and the folder's version");
  assert.deepEqual(files, await whole(source, "source"));

  // Each platform, with each client.
  await podman.emptyStore();
  await podman.login(here.registry, "gus", PASSWORD);
  await docker.login(here.registry, "gus", PASSWORD);
  for (const { digest, platform } of listed) {
    const { architecture } = platform;
    await podman.do(["pull", "--tls-verify=false", "--platform", `linux/${architecture}`, copied]);
    assert.equal(await podman.do(["inspect", "--type=image", "--format={{.Architecture}}", copied]), architecture);
    await docker.do(["pull", "--platform", `linux/${architecture}`, copied]);
    assert.equal(await docker.do(["image", "inspect", "--format={{.Architecture}}", copied]), architecture);
    await docker.do(["rmi", "--force", copied]);
    await docker.do(["pull", pinned(copied, { digest })]);
    await docker.do(["rmi", "--force", pinned(copied, { digest })]);
  }
});

test("signatures and artifacts, as ORAS and cosign attach them", MINUTES, async (t) => {
  const site = await shop(t);
  const [buildah, skopeo] = [await Buildah.install(t), await Skopeo.install(t)];
  await buildah.login(site.registry, "dev", PASSWORD);
  await skopeo.login(site.registry, "dev", PASSWORD);
  const image = site.repository("web:1");
  await buildah.build(image, "one\n");
  const subject = await buildah.push(image);
  const { length: size } = await (await manifests(site, "dev", "GET", "web", "1")).text();
  const OCI = "application/vnd.oci.image.manifest.v1+json";

  const blob = async (text) => {
    const digest = `sha256:${createHash("sha256").update(text).digest("hex")}`;
    const url = `http://${site.registry}/v2/shop/web/blobs/uploads/?digest=${encodeURIComponent(digest)}`;
    assert.equal((await fetch(url, { method: "POST", headers: { authorization: basic("dev") }, body: text })).status, 201);
    return { digest, size: text.length };
  };
  const manifest = async (reference, content) => {
    const body = JSON.stringify({ schemaVersion: 2, mediaType: OCI, ...content });
    const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
    const put = await manifests(site, "dev", "PUT", "web", reference ?? digest, body, OCI);
    assert.equal(put.status, 201, await put.text());
    return { digest, put };
  };
  const empty = { mediaType: "application/vnd.oci.empty.v1+json", ...(await blob("{}")) };

  // A bill of materials, by ORAS: an artifact without a tag that names its subject.
  const sbom = await manifest(undefined, {
    artifactType: "application/vnd.example.sbom",
    config: empty,
    layers: [{ mediaType: "application/json", ...(await blob('{"packages":[]}')), annotations: { "org.opencontainers.image.title": "sbom.json" } }],
    subject: { mediaType: OCI, digest: subject, size },
    annotations: { "org.example.by": "a test" },
  });
  assert.equal(sbom.put.headers.get("oci-subject"), subject);
  // A signature, by cosign: as a referrer, and under the tag of its older scheme.
  const signature = await manifest(undefined, {
    config: { mediaType: "application/vnd.dev.cosign.artifact.sig.v1+json", ...(await blob('{"sig":1}')) },
    layers: [{ mediaType: "application/vnd.dev.cosign.simplesigning.v1+json", ...(await blob('{"critical":{}}')) }],
    subject: { mediaType: OCI, digest: subject, size },
  });
  const older = await manifest(`${subject.replace(":", "-")}.sig`, {
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...(await blob('{"architecture":"","os":"","rootfs":{"type":"layers","diff_ids":[]}}')) },
    layers: [{ mediaType: "application/vnd.dev.cosign.simplesigning.v1+json", ...(await blob('{"critical":1}')) }],
  });

  const referrers = async (query = "") => {
    const answer = await fetch(`http://${site.registry}/v2/shop/web/referrers/${subject}${query}`, { headers: { authorization: basic("gus") } });
    assert.equal(answer.status, 200);
    return (await answer.json()).manifests;
  };
  assert.deepEqual((await referrers()).map(({ digest }) => digest).sort(), [sbom.digest, signature.digest].sort());
  const [found] = await referrers("?artifactType=application/vnd.example.sbom");
  assert.deepEqual([found.digest, found.annotations], [sbom.digest, { "org.example.by": "a test" }]);
  const [signed] = await referrers("?artifactType=application/vnd.dev.cosign.artifact.sig.v1%2Bjson");
  assert.equal(signed.digest, signature.digest);

  // A stock client takes them along, byte for byte.
  for (const { digest } of [sbom, signature, older]) {
    const folder = join(skopeo.store, digest.slice(7, 19));
    await skopeo.copy(`docker://${site.repository("web")}@${digest}`, `dir:${folder}`, ["--preserve-digests"]);
    const body = await readFile(join(folder, "manifest.json"));
    assert.equal(`sha256:${createHash("sha256").update(body).digest("hex")}`, digest);
    await skopeo.copy(`dir:${folder}`, `docker://${site.repository(`copies:${digest.slice(7, 19)}`)}`, ["--preserve-digests"]);
    assert.equal(await digestOf(site, "gus", "copies", digest.slice(7, 19)), digest);
  }
});
