// Large archives and uploads through a server process of its own, and what its memory grew by meanwhile.
import assert from "node:assert/strict";
import { createHash, type Hash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { SwitchyardClient, Trajectory } from "../../src/client/index.js";

export interface Load {
  readonly bytes: number;
  readonly ms: number;
  /** The most that its resident memory was above that before. */
  readonly grownBytes: number;
}

const PIECE_BYTES = 128 * 1024;
const HEADER_BYTES = 512;

/** Resident bytes of a process. */
function residentOf(pid: number): number {
  const [, kb] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
  return Number(kb) * 1024;
}

/** Looks on while the work is done. */
async function watched(pid: number, bytes: number, work: () => Promise<void>): Promise<Load> {
  const before = residentOf(pid);
  let most = before;
  const look = setInterval(() => {
    most = Math.max(most, residentOf(pid));
  }, 20);
  const began = performance.now();
  try {
    await work();
  } finally {
    clearInterval(look);
  }
  return { bytes, ms: performance.now() - began, grownBytes: Math.max(most, residentOf(pid)) - before };
}

export function spell({ bytes, ms, grownBytes }: Load): string {
  const mb = (count: number) => (count / 1e6).toFixed(1);
  return `${mb(bytes)} MB in ${(ms / 1000).toFixed(1)} s, ${mb((bytes / ms) * 1000)} MB/s; memory grew by ${mb(grownBytes)} MB`;
}

/** Bytes that gzip makes no smaller, on their way through a hash. */
async function* noise(bytes: number, hash: Hash): AsyncGenerator<Buffer> {
  for (let left = bytes; left > 0; left -= PIECE_BYTES) {
    const piece = randomBytes(Math.min(left, PIECE_BYTES));
    hash.update(piece);
    yield piece;
  }
}

/** Of the first member of a tar.gz, a file of so many bytes. */
async function sha256Within(archive: AsyncIterable<Uint8Array>, bytes: number): Promise<string> {
  const hash = createHash("sha256");
  const gunzip = createGunzip();
  const fed = pipeline(archive, gunzip);
  let at = -HEADER_BYTES;
  for await (const chunk of gunzip) {
    hash.update(chunk.subarray(Math.max(0, -at), Math.max(0, bytes - at)));
    at += chunk.length;
  }
  await fed;
  return hash.digest("hex");
}

/** An upload of so many bytes, and then an archive of them; throws when a byte is another. */
export async function thereAndBack(
  client: SwitchyardClient,
  trajectory: Trajectory,
  pid: number,
  bytes: number,
): Promise<{ readonly up: Load; readonly down: Load }> {
  const hash = createHash("sha256");
  let [written, came] = ["", ""];
  const up = await watched(pid, bytes, async () => {
    ({ sha256: written } = await client.writeArtifact(trajectory, "folder/noise.bin", noise(bytes, hash)));
  });
  const sha256 = hash.digest("hex");
  const down = await watched(pid, bytes, async () => {
    came = await sha256Within(client.archiveArtifacts(trajectory, "folder"), bytes);
  });
  assert.deepEqual([written, came], [sha256, sha256]);
  return { up, down };
}
