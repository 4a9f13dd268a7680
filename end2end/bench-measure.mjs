// What the benchmarks measure with: wall and CPU time of a server while curl works on it, its memory, files of random bytes, and the peers.
import { execFile, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "./portal.mjs";

const run = promisify(execFile);
export const scratch = process.env.SCRATCH;
export const MiB = 1024 * 1024;

const endings = [];
/** Stands for a test: what must be put away at the end. */
export const owner = { after: (ending) => endings.push(ending) };

/** Puts it away. */
export async function putAway() {
  for (const ending of endings.reverse()) await ending();
}

export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
/** The value that this share of them is not above. */
export const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.ceil(share * values.length) - 1)];
export const say = (what, figures) => console.log(`${what.padEnd(44)} ${figures}`);
export const spread = (values, digits = 3) => `median ${median(values).toFixed(digits)}  (${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)})`;

/** CPU seconds of a process so far. */
export function cpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Anonymous resident memory of a process, in MiB. */
export function anonymous(pid) {
  return Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/RssAnon:\s+(\d+)/)[1]) / 1024;
}

/** All resident memory of a process, in MiB: pages of files that it has mapped, too. */
export function resident(pid) {
  return Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)[1]) / 1024;
}

/** The largest anonymous memory while `act` runs. */
export async function peak(pid, act) {
  let highest = anonymous(pid);
  const watch = setInterval(() => (highest = Math.max(highest, anonymous(pid))), 20);
  await act();
  clearInterval(watch);
  return highest;
}

/** A file of random bytes and its digest. */
export async function blob(name, size) {
  const path = join(scratch, name);
  const file = await open(path, "w");
  const piece = randomBytes(MiB);
  for (let at = 0; at < size; at += MiB) {
    piece.writeUInt32LE(at / MiB, 0);
    await file.write(piece);
  }
  await file.close();
  return { path, size, digest: await digest(path) };
}

export async function digest(path) {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: MiB })) hash.update(piece);
  return `sha256:${hash.digest("hex")}`;
}

/** Changes a blob's first bytes: the next push is of something new. */
export async function renew(blob) {
  const file = await open(blob.path, "r+");
  await file.write(randomBytes(64), 0, 64, 0);
  await file.close();
  blob.digest = await digest(blob.path);
}

/** A registry: where it is, who serves it, what a client sends along. */
export class Registry {
  constructor(name, base, pid, headers = []) {
    Object.assign(this, { name, base, pid, headers });
  }

  curl(...args) {
    return run("curl", ["-sS", "--fail-with-body", ...this.headers.flatMap((header) => ["-H", header]), ...args], { maxBuffer: MiB });
  }

  /** Wall and CPU seconds of what `act` does. */
  async measure(act) {
    const [began, used] = [performance.now(), cpu(this.pid)];
    await act();
    return { wall: (performance.now() - began) / 1000, cpu: cpu(this.pid) - used };
  }

  async push(blob) {
    const { stdout } = await this.curl("-X", "POST", "-D", "-", "-o", "/dev/null", `${this.base}/blobs/uploads/`);
    const location = new URL(stdout.match(/^location: (\S+)/im)[1], this.base);
    location.searchParams.set("digest", blob.digest);
    return this.measure(() => this.curl("-T", blob.path, "-H", "content-type: application/octet-stream", "-H", "expect:", location.href));
  }

  pull(blob) {
    return this.measure(() => this.curl("-o", "/dev/null", `${this.base}/blobs/${blob.digest}`));
  }

  /** Several blobs at once. */
  pullAll(blobs, most = 8) {
    const urls = blobs.flatMap((blob) => ["-o", "/dev/null", `${this.base}/blobs/${blob.digest}`]);
    return this.measure(() => this.curl("-Z", "--parallel-immediate", "--parallel-max", `${most}`, ...urls));
  }

  /** The same of pushes; sessions are begun before the clock runs. */
  async pushAll(blobs) {
    const uploads = [];
    for (const blob of blobs) {
      const { stdout } = await this.curl("-X", "POST", "-D", "-", "-o", "/dev/null", `${this.base}/blobs/uploads/`);
      const location = new URL(stdout.match(/^location: (\S+)/im)[1], this.base);
      location.searchParams.set("digest", blob.digest);
      uploads.push("-T", blob.path, "-o", "/dev/null", location.href);
    }
    return this.measure(() => this.curl("-Z", "--parallel-immediate", "--parallel-max", "8", "-H", "content-type: application/octet-stream", "-H", "expect:", ...uploads));
  }

  /** Manifests by digest over connections that are used again. */
  manifests(digests, most) {
    const urls = digests.flatMap((digest) => ["-o", "/dev/null", `${this.base}/manifests/${digest}`]);
    const parallel = most > 1 ? ["-Z", "--parallel-max", `${most}`] : [];
    return this.measure(() => this.curl(...parallel, "-H", "accept: application/vnd.oci.image.manifest.v1+json", ...urls));
  }
}

/** nginx, serving the files of a folder: the limit of what a server can do with bytes. */
export async function nginx(folder) {
  const port = await freePort();
  const config = join(scratch, "nginx.conf");
  const text = `daemon off; pid ${scratch}/nginx.pid; error_log /dev/null; worker_processes 1; user root;
    events {} http { access_log off; sendfile on; server { listen 127.0.0.1:${port}; root ${folder}; } }`;
  await writeFile(config, text);
  const child = spawn("nginx", ["-c", config, "-p", scratch], { stdio: "ignore" });
  endings.push(() => child.kill());
  const base = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 100; tries++) {
    if (await fetch(base).catch(() => undefined)) break;
    await delay(50);
  }
  // The CPU time is its worker's.
  const worker = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ")[0]);
  const server = new Registry("nginx", base, worker);
  server.fetch = (names) => server.measure(() => server.curl("-Z", "--parallel-immediate", ...names.flatMap((name) => ["-o", "/dev/null", `${base}/${name}`])));
  return server;
}

/** Debian's docker-registry on the same disk. */
export async function peer() {
  const port = await freePort();
  const config = join(scratch, "registry.yml");
  const lines = ["version: 0.1", "log: {level: error, accesslog: {disabled: true}}", `storage: {filesystem: {rootdirectory: ${scratch}/peer}}`, `http: {addr: "127.0.0.1:${port}"}`];
  await writeFile(config, lines.join("\n"));
  const child = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
  endings.push(() => child.kill());
  for (let tries = 0; tries < 100; tries++) {
    if ((await fetch(`http://127.0.0.1:${port}/v2/`).catch(() => undefined))?.ok) break;
    await delay(50);
  }
  return new Registry("docker-registry 2.8", `http://127.0.0.1:${port}/v2/bench/blob`, child.pid);
}
