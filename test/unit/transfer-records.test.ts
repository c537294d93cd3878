// Records of a transfer, taken out of bytes that may be anything.
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodePutRecord, RecordReader } from "../../src/backend/transfer-records.js";
import type { SlotRecord, TransferWork } from "../../src/core/artifacts.js";
import { entryBody, record } from "../support/slot-records.js";

const READ: TransferWork = { kind: "read", offset: 0, bytesMax: 1_000_000 };
const PUT: TransferWork = { kind: "put", single: true };

test("records come whole out of any pieces", () => {
  const put = {
    type: "file",
    name: Buffer.from("n\xff", "latin1"),
    linkTarget: Buffer.alloc(0),
    mode: 0o600,
    mtimeS: -5,
  } as const;
  const bytes = Buffer.concat([
    record("R", "a/b"),
    encodePutRecord({ kind: "entry", entry: put }),
    encodePutRecord({ kind: "data", data: Buffer.from("con") }),
    encodePutRecord({ kind: "data", data: Buffer.from("tent") }),
    encodePutRecord({ kind: "contentEnd" }),
    record("F"),
  ]);
  for (const size of [1, 3, 7, bytes.length]) {
    const reader = new RecordReader(READ);
    const records: SlotRecord[] = [];
    for (let at = 0; at < bytes.length; at += size) records.push(...reader.push(bytes.subarray(at, at + size)));
    const content = records.flatMap((each) => (each.kind === "data" ? [each.data] : []));
    assert.equal(Buffer.concat(content).toString(), "content");
    if (size === bytes.length) assert.equal(content.length, 1);
    assert.deepEqual(
      records.filter(({ kind }) => kind !== "data"),
      [
        { kind: "root", path: Buffer.from("a/b") },
        { kind: "entry", entry: { ...put, size: 0 } },
        { kind: "contentEnd" },
        { kind: "end", truncated: false },
      ],
    );
  }
});

test("records that no honest process of the work says, or not so often, are not taken", () => {
  const LIST: TransferWork = { kind: "list", recursive: true, entriesMax: 2 };
  const PACK: TransferWork = { kind: "pack", entriesMax: 2, bytesMax: 1_000 };
  const [root, end, of, cut] = [record("R", "p"), record("F"), record("D", "x"), record("Z")];
  const file = record("E", entryBody("f"));
  const folder = record("E", entryBody("d"));
  const left = record("O", Buffer.alloc(8));
  const lefts = Array.from({ length: 7 }, () => left);
  const told = (work: TransferWork, records: readonly Buffer[]) => [
    ...new RecordReader(work).push(Buffer.concat(records)),
  ];
  for (const [work, ...records] of [
    [READ, root, file, of, cut, end],
    [READ, root, file, cut, end],
    [LIST, root, file, folder, left, left, end],
    [PACK, root, file, of, of, cut, folder, file, cut, left, left, left, end],
    [PUT, end],
  ] as const) {
    assert.ok(told(work, records).length > 0);
  }
  for (const [work, ...records] of [
    [READ, root, root],
    [READ, file],
    [READ, end],
    [READ, root, file, root],
    [READ, root, file, cut, file],
    [READ, root, file, cut, cut],
    [READ, root, file, cut, of],
    [READ, root, file, end],
    [READ, root, file, left],
    [READ, root, file, cut, end, end],
    [LIST, root, file, cut],
    [LIST, root, file, of],
    [LIST, root, ...lefts],
    [PACK, root, ...lefts],
    [PACK, root, folder, of],
    [PUT, root],
    [PUT, file],
    [PUT, left],
  ] as const) {
    assert.throws(() => told(work, records), { reason: "TRANSFER_BROKEN" }, Buffer.concat(records).toString("latin1"));
  }
});
