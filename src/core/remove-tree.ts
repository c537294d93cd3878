// Removes a folder with everything in it, by rm(1): a tree made by untrusted code may be deeper than any path, larger than
// a loop should wait for, and forbidden to its owner.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A folder that is not there counts as removed. Rejects when something is left. */
export async function removeTree(folder: string): Promise<void> {
  try {
    await run("rm", ["-rf", "--one-file-system", "--", folder]);
  } catch {
    // Folders without write permission stop everyone but root.
    await run("chmod", ["-R", "u+rwX", "--", folder]).catch(() => undefined);
    await run("rm", ["-rf", "--one-file-system", "--", folder]);
  }
}
