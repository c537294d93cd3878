// The sandbox image's own shell, for a floor that knows nothing of another one: what is gained by it is seen apart.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { loadConfig } from "../../../src/config/load.js";
import type { Bench } from "../row.js";

/** Where commands of a slot find `bash` in the default image. */
const SHELL = "/usr/local/bin/bash";

/** Path of a copy on this machine, where it runs as long as it needs no library of the image's. */
export async function imageShell({ folder, signal }: Pick<Bench, "folder" | "signal">): Promise<string> {
  const run = promisify(execFile);
  const image = loadConfig({ env: {}, flags: {} }).pools.default?.image ?? "";
  const { stdout } = await run("docker", ["create", image, SHELL], { signal });
  const container = stdout.trim();
  const copy = join(folder, "image-bash");
  try {
    await run("docker", ["cp", "--follow-link", `${container}:${SHELL}`, copy], { signal });
  } finally {
    await run("docker", ["rm", container]);
  }
  return copy;
}
