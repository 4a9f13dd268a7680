// The clients that people push and pull with, as they come from the distribution, each with a store and credentials of its own in a folder
// that goes with the test. Images are a static busybox and a few bytes: nothing is pulled from outside.
import { execFile, spawn } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { atEnd } from "./ending.mjs";
import { until } from "./shop.mjs";

const execute = promisify(execFile);
const busybox = process.env.BUSYBOX ?? "/bin/busybox";

/** A program with a folder of its own. */
class Client {
  static async install(t) {
    const client = new this();
    // Not below TMPDIR: podman takes no path of more than 50 characters.
    client.folder = await mkdtemp("/tmp/slipway-client-");
    client.env = { ...process.env, REGISTRY_AUTH_FILE: join(client.folder, "auth.json"), HOME: client.folder };
    client.stores = 0;
    atEnd(t, () => rm(client.folder, { recursive: true, force: true }));
    await client.begin(t);
    return client;
  }

  async begin() {
    await this.emptyStore();
  }

  /** From now on the client has a store with nothing in it. */
  async emptyStore() {
    this.store = join(this.folder, `store-${++this.stores}`);
    await mkdir(this.store);
  }

  /** Runs it. Gives `{ code, out }` with both streams in `out`; a failure is the caller's to judge. */
  async run(args, input) {
    try {
      const running = execute(this.program, [...this.before(), ...args], { env: this.env, timeout: 300_000, maxBuffer: 16 << 20 });
      running.child.stdin.on("error", () => {}).end(input ?? "");
      const { stdout, stderr } = await running;
      return { code: 0, out: stdout + stderr, stdout };
    } catch (error) {
      if (typeof error.code !== "number") throw error;
      return { code: error.code, out: error.stdout + error.stderr };
    }
  }

  /** The same, where failure is not expected. Gives what it printed to be read by programs. */
  async do(args, input) {
    const { code, out, stdout } = await this.run(args, input);
    if (code !== 0) throw new Error(`${this.program} ${args.join(" ")} ended with ${code}:\n${out}`);
    return stdout.trim();
  }

  before() {
    return [];
  }

  /** Signs in; gives `{ code, out }`. */
  async login(registry, username, secret) {
    return this.run(["login", "--tls-verify=false", "--username", username, "--password-stdin", registry], secret);
  }

  /** A folder from which an image of two layers is built: a base that all have in common, and `text`. */
  async context(text) {
    const context = await mkdtemp(join(this.folder, "context-"));
    await copyFile(busybox, join(context, "busybox"));
    await writeFile(join(context, "text"), text);
    await writeFile(join(context, "Dockerfile"), 'FROM scratch\nCOPY busybox /bin/busybox\nCOPY text /text\nCMD ["/bin/busybox", "cat", "/text"]\n');
    return context;
  }

  /** Pushes; gives the digest that the client says it pushed. */
  async push(reference) {
    const file = join(this.folder, "digest");
    await this.do(["push", "--tls-verify=false", "--digestfile", file, reference]);
    return (await readFile(file, "utf8")).trim();
  }

  async tryPush(reference) {
    return this.run(["push", "--tls-verify=false", reference]);
  }

  async tryPull(reference) {
    return this.run(["pull", "--tls-verify=false", reference]);
  }

  async pull(reference) {
    await this.do(["pull", "--tls-verify=false", reference]);
  }

  async tag(from, to) {
    await this.do(["tag", from, to]);
  }
}

export class Podman extends Client {
  program = "podman";

  before() {
    const { store } = this;
    return ["--root", join(store, "root"), "--runroot", join(store, "run"), "--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=none"];
  }

  async build(reference, text) {
    await this.do(["build", "--isolation=chroot", "--layers", "--timestamp=0", "--tag", reference, await this.context(text)]);
  }

  async digest(reference) {
    return this.do(["inspect", "--type=image", "--format={{.Digest}}", reference]);
  }
}

export class Buildah extends Client {
  program = "buildah";

  before() {
    return ["--root", join(this.store, "root"), "--runroot", join(this.store, "run"), "--storage-driver=vfs"];
  }

  async build(reference, text) {
    await this.do(["build", "--isolation=chroot", "--layers", "--timestamp=0", "--tag", reference, await this.context(text)]);
  }

  async digest(reference) {
    return this.do(["inspect", "--type=image", "--format={{.FromImageDigest}}", reference]);
  }
}

/** Has no store: what it copies lies in folders. */
export class Skopeo extends Client {
  program = "skopeo";

  async inspect(reference) {
    return JSON.parse(await this.do(["inspect", "--tls-verify=false", `docker://${reference}`]));
  }

  async raw(reference) {
    return this.do(["inspect", "--raw", "--tls-verify=false", `docker://${reference}`]);
  }

  async tryCopy(from, to, more = []) {
    return this.run(["copy", "--src-tls-verify=false", "--dest-tls-verify=false", ...more, from, to]);
  }

  async copy(from, to, more = []) {
    await this.do(["copy", "--src-tls-verify=false", "--dest-tls-verify=false", ...more, from, to]);
  }
}

/** containerd's own client, with a daemon of its own that serves nothing else. */
export class Ctr extends Client {
  program = "ctr";

  async begin(t) {
    const [config, socket] = [join(this.folder, "config.toml"), join(this.folder, "containerd.sock")];
    const lines = ["version = 2", `root = "${this.folder}/root"`, `state = "${this.folder}/state"`, 'disabled_plugins = ["io.containerd.grpc.v1.cri"]'];
    await writeFile(config, [...lines, "[grpc]", `address = "${socket}"`, "[ttrpc]", `address = "${socket}.ttrpc"`, ""].join("\n"));
    const daemon = spawn("containerd", ["--config", config, "--log-level", "error"], { stdio: "ignore" });
    const ended = new Promise((resolve) => daemon.once("close", resolve));
    atEnd(t, async () => {
      daemon.kill("SIGTERM");
      await ended;
    });
    this.env = { ...this.env, CONTAINERD_ADDRESS: socket };
    await this.emptyStore();
    await until("containerd answers", async () => (await this.run(["version"])).code === 0);
  }

  before() {
    return ["--namespace", `slipway-${this.stores}`];
  }

  /** It keeps no credentials: they come with each command. */
  async login(_, username, secret) {
    this.user = `${username}:${secret}`;
    return { code: 0, out: "" };
  }

  async tryPush(reference) {
    return this.run(["images", "push", "--plain-http", "--user", this.user, reference]);
  }

  async tryPull(reference) {
    return this.run(["images", "pull", "--plain-http", "--snapshotter", "native", "--user", this.user, reference]);
  }

  /** Fetches all of it and unpacks nothing. */
  async pull(reference) {
    await this.do(["content", "fetch", "--all-platforms", "--plain-http", "--user", this.user, reference]);
  }

  async push(reference) {
    await this.do(["images", "push", "--plain-http", "--user", this.user, reference]);
    return this.digest(reference);
  }

  async tag(from, to) {
    await this.do(["images", "tag", from, to]);
  }

  async digest(reference) {
    const listed = await this.do(["images", "ls", `name==${reference}`]);
    return /sha256:[0-9a-f]{64}/.exec(listed)?.[0];
  }
}
