// The stock docker client against the test engine: login, push, pull, and tiny images made on the spot.
//
// Nothing is pulled from a public registry: images are a static busybox and a few files. Each `Docker` has a folder of its own for
// credentials, so that one user's login is never another's.
import { execFile } from "node:child_process";
import { access, chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { atEnd } from "./ending.mjs";

const run = promisify(execFile);
const busybox = process.env.BUSYBOX ?? "/bin/busybox";

/** The engine's address; the tests that need one fail without it. */
export function engine() {
  const host = process.env.SLIPWAY_TEST_DOCKER_HOST;
  if (!host) throw new Error("SLIPWAY_TEST_DOCKER_HOST is not set: run this through `make test`");
  return host;
}

/** The engine's address behind a port, where a portal does not read files of the engine or of the kernel. */
export async function behindPort(t) {
  if (!engine().startsWith("unix://")) return engine();
  const path = engine().slice("unix://".length);
  const open = new Set();
  const server = createServer((near) => {
    const far = connect(path);
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      // Whoever ends in the middle has its own reasons.
      one.on("error", () => {});
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  atEnd(t, () => new Promise((resolve) => {
    server.close(resolve);
    for (const socket of open) socket.destroy();
  }));
  return `tcp://127.0.0.1:${server.address().port}`;
}

/** The engine that was started for this run alone, so that it may be stopped and killed. */
export class OwnEngine {
  /** None where the tests use the engine at hand, which is nobody's to stop. */
  static find() {
    const folder = process.env.SCRATCH && join(process.env.SCRATCH, "engine");
    if (!folder || engine() !== `unix://${folder}/docker.sock`) return undefined;
    return Object.assign(new OwnEngine(), { folder });
  }

  /** Ends it as a shutdown does: it stops all containers. */
  async stop() {
    await run(script, ["stop", this.folder]);
  }

  /** Ends it as a crash does: containers go on for the moment. */
  async crash() {
    // Its containerd goes with it, a moment later: an engine that finds it still there waits for it in vain.
    const files = ["dockerd.pid", "run/containerd/containerd.pid"];
    const [engine, helper] = await Promise.all(files.map(async (file) => Number(await readFile(join(this.folder, file), "utf8"))));
    process.kill(engine, "SIGKILL");
    for (const pid of [engine, helper]) {
      while (await access(`/proc/${pid}`).then(() => true, () => false)) await delay(20);
    }
  }

  /** Starts it again, on what it left, and waits until it answers. */
  async start() {
    await run(script, ["start", this.folder]);
  }

  /** One call of its API, without a client's process. Gives status and the answer's JSON; fails where the engine ends over it. */
  async call(method, path, body) {
    const text = body && JSON.stringify(body);
    const headers = text ? { "content-type": "application/json", "content-length": Buffer.byteLength(text) } : {};
    const said = await new Promise((resolve, reject) => {
      const asked = request({ socketPath: join(this.folder, "docker.sock"), method, path, headers }, (answer) => {
        const pieces = [];
        answer.on("data", (piece) => pieces.push(piece)).on("error", reject);
        answer.on("end", () => resolve({ status: answer.statusCode, text: Buffer.concat(pieces).toString() }));
      });
      asked.on("error", reject).end(text);
    });
    return { status: said.status, body: said.text ? JSON.parse(said.text) : undefined };
  }
}

const script = fileURLToPath(new URL("../scripts/engine.sh", import.meta.url));

/** A docker client of one user, who talks to the engine at `host`. */
export class Docker {
  static async install(t, host = engine()) {
    const docker = new Docker();
    docker.host = host;
    docker.config = await mkdtemp(join(tmpdir(), "slipway-docker-"));
    atEnd(t, () => rm(docker.config, { recursive: true, force: true }));
    return docker;
  }

  /** Runs `docker ...args`. Gives `{code, out}` with both streams in `out`; a failure is the caller's to judge. */
  async run(args, input) {
    const env = { ...process.env, DOCKER_HOST: this.host, DOCKER_CONFIG: this.config };
    try {
      const running = run("docker", args, { env, timeout: 300_000, maxBuffer: 16 << 20 });
      // A client that ends without reading says why by its exit code.
      running.child.stdin.on("error", () => {}).end(input ?? "");
      const { stdout, stderr } = await running;
      return { code: 0, out: stdout + stderr };
    } catch (error) {
      if (typeof error.code !== "number") throw error;
      return { code: error.code, out: error.stdout + error.stderr };
    }
  }

  /** The same, where failure is not expected. Gives the output. */
  async do(args, input) {
    const { code, out } = await this.run(args, input);
    if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}:\n${out}`);
    return out.trim();
  }

  async login(registry, username, password) {
    return this.do(["login", "--username", username, "--password-stdin", registry], password);
  }

  /** Makes the image `reference` from files (path: content, `busybox`, a `->` link, or a `from` of this machine) and Dockerfile instructions. */
  async image(reference, files, changes) {
    const root = await mkdtemp(join(tmpdir(), "slipway-image-"));
    try {
      for (const [path, content] of Object.entries(files)) {
        const file = join(root, path);
        await mkdir(dirname(file), { recursive: true });
        if (content === BUSYBOX) {
          await copyFile(busybox, file);
          await chmod(file, 0o755);
        } else if (content.from) await copyFile(content.from, file);
        else if (content.startsWith("->")) await symlink(content.slice(2), file);
        else await writeFile(file, content);
      }
      const archive = `${root}.tar`;
      await run("tar", ["-C", root, "--owner=0", "--group=0", "-cf", archive, "."]);
      await this.do(["import", ...changes.flatMap((change) => ["--change", change]), archive, reference]);
      await rm(archive);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  }

  /** A web server on port 8080 with `/` (its version) and `/healthz`; it says one line when it starts, and has a shell. */
  async webImage(reference, version) {
    await this.image(
      reference,
      { "bin/busybox": BUSYBOX, "bin/sh": "->busybox", "www/index.html": `version ${version}\n`, "www/healthz": "ok\n" },
      [`CMD ["/bin/sh", "-c", "echo web ${version} listens on 8080; exec busybox httpd -f -p 8080 -h /www"]`, "ENV PATH=/bin", "EXPOSE 8080"],
    );
  }

  /** Says why and ends with 1. */
  async brokenImage(reference) {
    await this.image(reference, { "bin/busybox": BUSYBOX, "bin/sh": "->busybox" }, [
      'CMD ["/bin/sh", "-c", "echo no configuration found >&2; exit 1"]',
      "ENV PATH=/bin",
    ]);
  }

  /** The same web server without any shell: busybox under the name of its httpd alone. */
  async bareImage(reference) {
    await this.image(reference, { httpd: BUSYBOX, "www/index.html": "bare\n", "www/healthz": "ok\n" }, [
      'ENTRYPOINT ["/httpd", "-f", "-p", "8080", "-h", "/www"]',
      "EXPOSE 8080",
    ]);
  }
}

export const BUSYBOX = "(the static busybox)";
