// What programs cost on the host itself: the floor that figures are held against, a spawn by Node, bubblewrap for each command.
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { packageFile } from "../../../src/backend/package-files.js";
import { percentile } from "../figures.js";
import type { Bench } from "../row.js";

export const TRUE = ["bash", "-c", "true"] as const;

/** The same in bubblewrap, entered anew. */
export const BWRAP_TRUE = [
  ...["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"],
  ...["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev"],
  ...["--tmpfs", "/tmp", ...TRUE],
] as const;

/** Commands a second by `posix_spawn` in C, `workers` at a time. */
export async function startsPerSecond(
  { folder, signal, seconds }: Pick<Bench, "folder" | "signal" | "seconds">,
  workers: number,
  command: readonly string[],
): Promise<number> {
  const program = join(folder, "floor");
  if (!existsSync(program))
    execFileSync("cc", ["-O2", "-o", program, packageFile("scripts", "bench", "rivals", "floor.c")]);
  const rate = Number(await output(program, [String(workers), String(seconds), ...command], signal));
  if (rate > 0) return rate;
  throw new Error(`no ${command.join(" ")} ended in ${seconds} s`);
}

/** Milliseconds, p50, of one start after the other by a Node process that does nothing else. */
export async function idleSpawnMs(
  { signal, seconds }: Pick<Bench, "signal" | "seconds">,
  command: readonly string[],
): Promise<number> {
  const spawner = packageFile("scripts", "bench", "rivals", "spawner.mjs");
  const times = JSON.parse(await output(process.execPath, [spawner, String(seconds), ...command], signal)) as number[];
  return percentile(times, 0.5);
}

/** With a socket as its stdin, which is what Node's pipes are, bash believes in a remote login and reads ~/.bashrc. */
async function output(program: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], signal });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [said, code] = await Promise.all([text(child.stdout), ended]);
  if (code === 0) return said;
  throw new Error(`${program}: exit code ${code}`);
}
