// Uploads taken apart, whatever they are made of.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { type UploadKind, unpackUpload } from "../../src/artifacts/unpack-archive.js";
import type { PutRecord, SlotRecord, Transfer } from "../../src/core/artifacts.js";
import type { SwitchyardError } from "../../src/core/errors.js";
import { tarOf } from "../support/artifact-checks.js";

const LIMITS = { bytesMax: 10_000_000, entriesMax: 1_000 };
const NEVER = new Promise<SwitchyardError>(() => undefined);
const ZEROS = Buffer.alloc(1_024);

/** A member's 512 bytes of header, without content. */
function header(type: string, size: number | Buffer, name = "x"): Buffer {
  const block = Buffer.alloc(512);
  block.write(name);
  block.write("0000644\0", 100);
  if (typeof size === "number") block.write(`${size.toString(8).padStart(11, "0")} `, 124);
  else size.copy(block, 124);
  block.write("00000000000 ", 136);
  block.write("        ", 148);
  block.write(type, 156);
  block.write("ustar\x0000", 257, "latin1");
  const sum = block.reduce((all, byte) => all + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function extended(type: string, body: Buffer | string): Buffer {
  const bytes = Buffer.from(body);
  return Buffer.concat([header(type, bytes.length), bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** Keys of a pax header. */
function keys(count: number): string {
  return Array.from({ length: count }, (_, at) => `11 k${String(at).padStart(5, "0")}=\n`).join("");
}

/** What the slot is told of it, and its summary. */
async function unpacked(upload: Buffer, kind: UploadKind = "tar", chunkBytes = 60_000) {
  async function* chunks() {
    for (let at = 0; at < upload.length; at += chunkBytes) yield upload.subarray(at, at + chunkBytes);
  }
  const told: PutRecord[] = [];
  let written: () => void = () => undefined;
  const whole = new Promise<void>((resolve) => {
    written = resolve;
  });
  async function* records(): AsyncGenerator<SlotRecord> {
    await whole;
    yield { kind: "end", truncated: false };
  }
  const send = async (record: PutRecord) => {
    told.push(record);
    if (record.kind === "end") written();
  };
  const transfer: Transfer = { records, send, end: () => undefined, over: NEVER };
  const summary = await unpackUpload(chunks(), kind, 0o644, LIMITS, transfer);
  return { told, summary };
}

/** The longest that the loop was held up while it rejected with ARCHIVE_REFUSED. */
async function refusedWithin(upload: Buffer): Promise<number> {
  const began = process.cpuUsage();
  await assert.rejects(unpacked(upload), { reason: "ARCHIVE_REFUSED" });
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1_000;
}

test("headers that say much are refused before they are decoded", { timeout: 60_000 }, async () => {
  const file = header("0", 0);
  for (const upload of [
    [extended("g", keys(270_000)), ...Array.from({ length: 10 }, () => extended("x", "")), file],
    [extended("g", keys(4_000)), ...Array.from({ length: 10_000 }, () => extended("x", "")), file],
    [extended("g", keys(4_000)), extended("x", "9 a=bcde\n"), file],
    [extended("x", keys(300_000)), file],
    [extended("L", "/".repeat(4_000_000)), file],
    [extended("K", "a/".repeat(2_000_000)), file],
    [file, header("5", 2 ** 32), extended("L", "/".repeat(200_000)), file],
    [extended("L", "a/".repeat(3_000)), file],
  ]) {
    const ms = await refusedWithin(Buffer.concat([...upload, ZEROS]));
    assert.ok(ms < 1_000, `${ms} ms`);
  }
});

test("honest headers, large files and much filling pass", async () => {
  const long = `${"d".repeat(200)}/${"e".repeat(200)}`;
  const large = "x".repeat(900_000);
  const attributes = { "SCHILY.xattr.user.a": "v".repeat(20_000) };
  const members = await tarOf([{ name: long }, "1"], [{ name: "large" }, large], [{ name: "p", pax: attributes }, "2"]);
  const upload = Buffer.concat([members, Buffer.alloc(1_024_000), members]);
  for (const chunkBytes of [700, 60_000, upload.length]) {
    const { summary, told } = await unpacked(upload, "tar", chunkBytes);
    assert.deepEqual([summary.entries, summary.fileBytes], [6, 2 * 900_002]);
    assert.equal(told.at(-1)?.kind, "end");
  }
});

test("a member whose size is no number is refused", { timeout: 10_000 }, async () => {
  for (const first of [0x81, 0xfe]) {
    const size = Buffer.alloc(12, 0xff);
    size[0] = first;
    await assert.rejects(unpacked(Buffer.concat([header("0", size), ZEROS])), { reason: "ARCHIVE_REFUSED" });
  }
});

test("the digest is of all that came, also after the end of a gzip", async () => {
  const gzip = gzipSync(await tarOf([{ name: "x" }, "x"]));
  const upload = Buffer.concat([gzip, Buffer.alloc(500_000)]);
  const { summary } = await unpacked(upload, "tar.gz", 10_000);
  assert.deepEqual(summary.sha256, createHash("sha256").update(upload).digest());
});
