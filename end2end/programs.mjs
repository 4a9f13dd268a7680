// Programs of this machine in images of the tests: bash, vim and less as people have them, with the libraries they need. Nothing is pulled for it.
import { execFile } from "node:child_process";
import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where scripts/setup.sh puts what Debian does not have, each in a folder of its own. */
async function tools() {
  const folder = join(process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../target", import.meta.url)), "tools");
  const there = await readdir(folder).catch(() => []);
  return there.map((name) => join(folder, name, "bin"));
}

/** The machine's path of the first of these programs that it has. */
export async function find(...names) {
  for (const name of names) {
    for (const folder of ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", ...(process.env.PATH ?? "").split(":"), ...(await tools())]) {
      if (await access(join(folder, name)).then(() => true, () => false)) return join(folder, name);
    }
  }
  throw new Error(`none of ${names.join(", ")} is on this machine: scripts/setup.sh test brings it on Debian, and says what is missing elsewhere`);
}

/** What the terminal that shells have can do, as programs that draw look it up. */
async function terminfo() {
  for (const folder of ["/lib/terminfo", "/usr/share/terminfo", "/etc/terminfo"]) {
    if (await readdir(join(folder, "x")).then((names) => names.includes("xterm-256color"), () => false)) return join(folder, "x/xterm-256color");
  }
  throw new Error("this machine does not describe the terminal xterm-256color: Debian's package ncurses-base does");
}

/** The files of an image with bash, vim and less, for `Docker.image`. */
export async function comfort() {
  const programs = { "bin/bash": await find("bash"), "bin/vim": await find("vim.tiny", "vim"), "bin/less": await find("less") };
  const described = await terminfo();
  const files = { [described.slice(1)]: { from: described } };
  for (const [path, from] of Object.entries(programs)) {
    files[path] = { from };
    const { stdout } = await run("ldd", [from]);
    for (const [, library] of stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(/gm)) files[library.slice(1)] = { from: library };
  }
  // Whoever has settings of their own, if empty ones, is not asked for the distribution's.
  return { ...files, ".vimrc": "\n" };
}
