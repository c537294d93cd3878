// Archives made of what a slot says, which may be anything; and what of an uploaded one may be written.
import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { bounded } from "../../src/artifacts/limits.js";
import { mimeTypeOf } from "../../src/artifacts/mime-type.js";
import { packArchive } from "../../src/artifacts/pack-archive.js";
import { EntryCheck, isBelow } from "../../src/artifacts/slot-entries.js";
import { memberOf } from "../../src/artifacts/tar-members.js";
import type { ArtifactEntry, SlotRecord, Transfer } from "../../src/core/artifacts.js";
import { SwitchyardError } from "../../src/core/errors.js";
import { encodeArchiveTrailer } from "../../src/grpc/artifact-messages.js";
import { membersOf } from "../support/artifact-checks.js";

const NEVER = new Promise<SwitchyardError>(() => undefined);
const LIMITS = { bytesMax: 1_000, entriesMax: 10 };

function saying(...records: readonly SlotRecord[]): Transfer {
  async function* all() {
    yield* records;
  }
  return { records: all, send: async () => undefined, end: () => undefined, over: NEVER };
}

function entry(name: string, fields: Partial<ArtifactEntry> = {}): SlotRecord {
  const none = Buffer.alloc(0);
  const common = { type: "file", size: 0, mtimeS: 0, mode: 0o644, linkTarget: none } as const;
  return { kind: "entry", entry: { ...common, name: Buffer.from(name), ...fields } };
}

const ROOT: SlotRecord = { kind: "root", path: Buffer.from("root") };
const CONTENT_END: SlotRecord = { kind: "contentEnd" };
const END: SlotRecord = { kind: "end", truncated: false };
const content = (text: string): SlotRecord => ({ kind: "data", data: Buffer.from(text) });
const dir = (name: string) => entry(name, { type: "dir" });
const link = (name: string) => entry(name, { type: "symlink", linkTarget: Buffer.from("/etc") });

async function archived(...records: readonly SlotRecord[]) {
  const chunks = packArchive(saying(...records), LIMITS);
  const parts: Buffer[] = [];
  for (;;) {
    const { done, value } = await chunks.next();
    if (done) return { members: await membersOf(Buffer.concat(parts)), summary: value };
    parts.push(value);
  }
}

test("a file that became shorter is filled up, and named", async () => {
  const { members, summary } = await archived(ROOT, entry("a", { size: 5 }), content("12"), CONTENT_END, END);
  assert.deepEqual(members, ["a file 12\0\0\0"]);
  assert.deepEqual([summary.entries, summary.fileBytes, summary.leftOutCount], [1, 5, 1]);
  assert.equal(summary.leftOut[0]?.path.toString(), "root/a");
  assert.match(summary.leftOut[0]?.reason ?? "", /last 3 bytes are filled with zeros/);
});

test("special bits and times that no archive can hold are taken off", async () => {
  const odd = entry("e", { mode: 0o7777, mtimeS: -1e12, size: 1 });
  const { members } = await archived(ROOT, dir("d"), odd, content("x"), CONTENT_END, END);
  assert.deepEqual(
    members,
    ["d/ directory ", "e file x"].map((text) => text.replace("d/", "d")),
  );
});

test("no member can lead out, lie below a link, or come twice, whatever the slot says", async () => {
  for (const records of [
    [entry("../a")],
    [entry("/a")],
    [entry("a/../../b")],
    [entry("a//b")],
    [entry("a\0b")],
    [link("l"), entry("l/x")],
    [entry("f"), CONTENT_END, entry("f/x")],
    [dir("d"), dir("d")],
    [entry("missing/x")],
    [content("data of nothing")],
    [CONTENT_END],
    [entry("a", { size: 1 }), content("too much")],
    [entry("a", { size: 2_000 })],
    Array.from({ length: 11 }, (_, at) => dir(`${at}`)),
    [dir("b"), dir("a")],
    [dir("a"), dir("a/x"), dir("b"), dir("a/y")],
    [entry(""), CONTENT_END, dir("a")],
    [dir("a"), entry("")],
    [dir("d".repeat(4_097))],
  ]) {
    await assert.rejects(archived(ROOT, ...records, END), { reason: "TRANSFER_BROKEN" });
  }
});

test("entries cost memory for the folders that are open, and those have a depth", () => {
  const check = new EntryCheck(100_000);
  const none = Buffer.alloc(0);
  const add = (name: string, type: ArtifactEntry["type"]) =>
    check.check({ name: Buffer.from(name), type, size: 0, mtimeS: 0, mode: 0, linkTarget: none });
  for (let depth = 1; depth <= 256; depth += 1) add(`${"d/".repeat(depth - 1)}d`, "dir");
  assert.throws(() => add(`${"d/".repeat(256)}d`, "dir"), { reason: "TRANSFER_BROKEN" });
  const before = process.memoryUsage().heapUsed;
  for (let at = 0; at < 50_000; at += 1) add(`x${at + 100_000}`.padEnd(4_000, "x"), "file");
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(grown < 64_000_000, `${grown}`);
});

test("a mode of no rights stays one", async () => {
  const chunks = packArchive(
    saying(ROOT, entry("a", { mode: 0 }), CONTENT_END, entry("d", { mode: 0, type: "dir" }), END),
    LIMITS,
  );
  const parts: Buffer[] = [];
  for (let step = await chunks.next(); !step.done; step = await chunks.next()) parts.push(step.value);
  const tar = extract();
  tar.end(gunzipSync(Buffer.concat(parts)));
  const modes: string[] = [];
  for await (const member of tar) {
    modes.push(`${member.header.name} ${member.header.type} ${member.header.mode}`);
    member.resume();
  }
  assert.deepEqual(modes, ["a file 0", "d directory 0"]);
});

test("what was left out is named as far as it fits a message", async () => {
  const left = (at: number): SlotRecord => ({
    kind: "leftOut",
    name: Buffer.from(`${at}`.padEnd(16_000, "\xff"), "latin1"),
    reason: "r".repeat(1_000),
  });
  const { summary } = await archived(ROOT, ...Array.from({ length: 100 }, (_, at) => left(at)), END);
  assert.equal(summary.leftOutCount, 100);
  assert.ok(summary.leftOut.every(({ path }) => path.length === 4_096));
  const { length } = encodeArchiveTrailer(summary);
  assert.ok(length > 300_000 && length < 600_000, `${length}`);
});

test("a slot that says no, or breaks off, gives no archive", async () => {
  async function* refusing(): AsyncGenerator<SlotRecord> {
    yield ROOT;
    throw new SwitchyardError("ARTIFACT_NOT_FOUND", "File not found: p");
  }
  const chunks = packArchive({ ...saying(), records: refusing }, LIMITS);
  await assert.rejects(
    (async () => {
      while (!(await chunks.next()).done);
    })(),
    { reason: "ARTIFACT_NOT_FOUND" },
  );
});

test("names below a folder", () => {
  for (const name of ["a", "a/b", " ", "..a", "a/..b", "\n"]) assert.ok(isBelow(Buffer.from(name)), name);
  for (const name of ["", "/", "a/", "..", ".", "a/./b", "a\0"]) assert.ok(!isBelow(Buffer.from(name)), name);
});

test("members of an upload", () => {
  const of = (fields: object) => memberOf({ name: "a/b", type: "file", mode: 0o644, size: 0, ...fields } as never);
  const linkTo = (linkname: string) => of({ type: "symlink", linkname });
  assert.deepEqual(of({ name: "./a//b/", type: "directory" })?.name.toString(), "a/b");
  assert.equal(of({ name: "./", type: "directory" }), undefined);
  for (const target of ["c", "../c", "./c/d", "..", "../...", "..c/../..".slice(0, 3)])
    assert.ok(linkTo(target), target);
  for (const target of ["../../c", "/c", "c/../d", "../x/../../..", "", "a\0", "../../..", "c/.."]) {
    assert.throws(() => linkTo(target), { reason: "ARCHIVE_REFUSED" }, target);
  }
  const crowd = Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`k${at}`, ""]));
  for (const fields of [
    { name: "a\ufffd" },
    { name: "a\0" },
    { name: "x".repeat(5_000) },
    { name: "." },
    { pax: crowd },
    { type: null },
    { type: "link", linkname: "/etc/passwd" },
    { mode: 0o2755, type: "directory" },
  ]) {
    assert.throws(() => of(fields), { reason: "ARCHIVE_REFUSED" });
  }
});

test("bounds and types", () => {
  assert.deepEqual([bounded(0, 5, 9), bounded(7, 5, 9), bounded(99, 5, 9)], [5, 7, 9]);
  const types = { "a/b.json": "application/json", "x.tar.gz": "application/gzip", "dir.json/none": "", "a.cast": "" };
  for (const [path, type] of Object.entries(types)) {
    assert.equal(mimeTypeOf(path), type || "application/octet-stream");
  }
});
