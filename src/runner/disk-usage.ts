// What a folder holds on disk, as du(1) counts it. Processes of the slot may change it meanwhile, and may have made it larger
// than a loop should wait for: what holds few entries is looked at here, at once, and anything else by du itself.
import { execFile } from "node:child_process";
import { type Dir, lstatSync, opendirSync } from "node:fs";
import { join } from "node:path";

export interface DiskUsage {
  /** Allocated. */
  readonly bytes: number;
  /** Folders too. */
  readonly files: number;
}

/** So many are looked at in half a millisecond. */
const ENTRIES_MAX = 32;
/** What stat(2) counts in. */
const BLOCK_BYTES = 512;

/** By folder. What could be measured counts also when something else could not, as in a slot that is being wiped. */
export async function diskUsage(folders: readonly string[]): Promise<ReadonlyMap<string, DiskUsage>> {
  const usages = new Map<string, DiskUsage>();
  const large: string[] = [];
  for (const folder of folders) {
    const few = usageOfFew(folder);
    if (few) usages.set(folder, few);
    else large.push(folder);
  }
  if (large.length === 0) return usages;
  const [bytes, files] = [await countedByDu(large, "-B1"), await countedByDu(large, "--inodes")];
  for (const folder of large) usages.set(folder, { bytes: bytes.get(folder) ?? 0, files: files.get(folder) ?? 0 });
  return usages;
}

/** Undefined when it holds more than a few entries. */
function usageOfFew(folder: string): DiskUsage | undefined {
  const folders = [folder];
  let [bytes, files] = [0, 0];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    const path = next;
    try {
      bytes += lstatSync(path).blocks * BLOCK_BYTES;
      files += 1;
      for (const entry of entriesOf(opendirSync(path))) {
        if (files + folders.length >= ENTRIES_MAX) return undefined;
        if (entry.isDirectory()) folders.push(join(path, entry.name));
        else {
          bytes += lstatSync(join(path, entry.name)).blocks * BLOCK_BYTES;
          files += 1;
        }
      }
    } catch {
      return undefined;
    }
  }
  return { bytes, files };
}

/** One at a time, so that nobody waits for a folder of a million. */
function* entriesOf(folder: Dir) {
  try {
    for (let entry = folder.readSync(); entry; entry = folder.readSync()) yield entry;
  } finally {
    folder.closeSync();
  }
}

function countedByDu(folders: readonly string[], unit: "-B1" | "--inodes"): Promise<Map<string, number>> {
  return new Promise((resolve) => {
    execFile("du", ["-s", "-x", unit, "--", ...folders], (_, stdout) => {
      const lines = [...stdout.matchAll(/^(\d+)\t(.+)$/gm)];
      resolve(new Map(lines.map(([, size, folder = ""]) => [folder, Number(size)])));
    });
  });
}
