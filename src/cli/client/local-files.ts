// Files of this machine on their way from and to a server. A file appears under its name once it is whole, or not at all.
import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";

export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/** Where something of that remote name goes: as `cp` would have it. */
export async function localTarget(remote: string, local: string | undefined, fallback: string): Promise<string> {
  const name = basename(remote) || fallback;
  if (local === undefined) return name;
  return (await isFolder(local)) ? join(local, name) : local;
}

export async function writeWhole(path: string, content: AsyncIterable<Uint8Array>, mode?: number): Promise<void> {
  const part = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString("hex")}.part`);
  try {
    await pipeline(content, createWriteStream(part, { flags: "wx", ...(mode !== undefined && { mode }) }));
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

export async function writeToStdout(content: AsyncIterable<Uint8Array>): Promise<void> {
  await pipeline(content, process.stdout, { end: false });
}
