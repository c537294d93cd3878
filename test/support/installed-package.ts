// The package as npm packs it, installed into an empty folder, and its command there, as a user would run it.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const READY = /^switchyard ready on (\S+), backend (docker|process), \d+ slots$/;

export interface Installed {
  /** The folder that it was installed into, which was empty. */
  readonly folder: string;
  readonly tarball: string;
  /** Paths of what the tarball holds, sorted. */
  readonly files: readonly string[];
  readonly installMs: number;
}

/** Its caller removes `remove`. */
export async function packAndInstall(): Promise<Installed & { readonly remove: () => void }> {
  const parent = mkdtempSync(join(tmpdir(), "switchyard-package-"));
  const folder = join(parent, "empty");
  mkdirSync(folder);
  const packed = await run(ROOT, "npm", "pack", "--silent", "--json", "--pack-destination", parent);
  const described: unknown = JSON.parse(packed);
  const { filename, files } = readPacked(described);
  const tarball = join(parent, filename);
  const beganMs = performance.now();
  // Else npm looks for a package.json in the folders above.
  await run(folder, "npm", "install", "--prefix", folder, "--prefer-offline", "--loglevel=error", tarball);
  const installMs = performance.now() - beganMs;
  return { folder, tarball, files, installMs, remove: () => rmSync(parent, { recursive: true }) };
}

/** npm 10 gives a list of packages, later ones an object by name. */
function readPacked(described: unknown): { filename: string; files: string[] } {
  const [packed] = Object.values(described ?? {}) as { filename: string; files: { path: string }[] }[];
  if (!packed) throw new Error("npm pack describes no package");
  return { filename: packed.filename, files: packed.files.map(({ path }) => path).sort() };
}

/** Resolves with its stdout; rejects with all it wrote unless it exits with 0. */
export async function run(cwd: string, command: string, ...args: string[]): Promise<string> {
  try {
    return (await promisify(execFile)(command, args, { cwd, maxBuffer: 1 << 26 })).stdout;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(" ")} failed:\n${stdout}${stderr}`, { cause: error });
  }
}

/** `npx switchyard serve` in that folder, on a free port. */
export class NpxServer {
  readonly #child: ChildProcess;
  #stderr = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
  }

  static start(folder: string, instance: string, ...flags: string[]): NpxServer {
    const args = ["switchyard", "serve", "--listen", "127.0.0.1:0", ...flags];
    const env = { ...process.env, SWITCHYARD_INSTANCE: instance };
    return new NpxServer(spawn("npx", args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"], detached: true }));
  }

  /** Rejects when it ends before it is ready. */
  async ready(): Promise<{ readonly address: string; readonly backend: string }> {
    if (this.#child.stdout) {
      for await (const line of createInterface({ input: this.#child.stdout })) {
        const [, address, backend] = READY.exec(line) ?? [];
        if (address && backend) return { address, backend };
      }
    }
    throw new Error(`no ready line: ${this.#stderr}`);
  }

  /** As Ctrl-C does, to npx and all that it started; resolves when all of them have ended, with what the server logged. */
  async interrupt(): Promise<string> {
    // Not `exit`: npx does not wait for what it started, and dies of the signal itself.
    const ended = once(this.#child, "close");
    this.#signal("SIGINT");
    await ended;
    return this.#stderr;
  }

  /** For a test that failed on its way. */
  kill(): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#signal("SIGKILL");
  }

  #signal(name: NodeJS.Signals): void {
    if (this.#child.pid !== undefined) process.kill(-this.#child.pid, name);
  }
}
