// Transfers on the server's end of a link, against a runner that may write what it likes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Transfers } from "../../src/backend/transfers.js";
import type { SlotRecord, Transfer, TransferWork } from "../../src/core/artifacts.js";
import type { SwitchyardError } from "../../src/core/errors.js";
import type { ServerFrame } from "../../src/gen/switchyard/runner/v1/runner.js";
import { TRANSFER_CHUNK_BYTES, TRANSFER_WINDOW, transferCost } from "../../src/link/transfer-window.js";
import { FakeClock, settled } from "../support/fake-clock.js";
import { Peer, type Say } from "../support/runner-peer.js";
import { entryBody, record } from "../support/slot-records.js";

const READ: TransferWork = { kind: "read", offset: 0, bytesMax: 1_000_000 };
const PUT: TransferWork = { kind: "put", single: true };

const data = (id: bigint, bytes: Buffer): Say => ({ $case: "transferData", value: { id, data: bytes } });
/** What a read begins with. */
const FILE = Buffer.concat([record("R", "p"), record("E", entryBody("f"))]);
const CHUNK = record("D", Buffer.alloc(TRANSFER_CHUNK_BYTES - 5));

async function peerWith(work: TransferWork): Promise<{ peer: Peer; transfer: Transfer; id: bigint }> {
  const peer = await Peer.ready();
  await peer.open(0);
  const transfer = peer.client.transfer(0, { path: Buffer.from("p"), work });
  await settled();
  const [begin] = peer.take("beginTransfer");
  return { peer, transfer, id: begin?.id ?? 0n };
}

/** What it yields, and what it throws at last. */
async function taken(transfer: Transfer): Promise<{ records: SlotRecord[]; reason: string }> {
  const records: SlotRecord[] = [];
  try {
    for await (const each of transfer.records()) records.push(each);
    return { records, reason: "" };
  } catch (error) {
    return { records, reason: (error as SwitchyardError).reason };
  } finally {
    transfer.end();
  }
}

test("a read is told, taken, given back and ended", async () => {
  const { peer, transfer, id } = await peerWith(READ);
  const reading = taken(transfer);
  await peer.say(data(id, FILE));
  for (let round = 0; round < 20; round += 1) await peer.say(data(id, CHUNK));
  const credits = peer.take("transferCredit").reduce((sum, { credit }) => sum + credit, 0);
  assert.ok(credits > 20 * TRANSFER_CHUNK_BYTES - TRANSFER_WINDOW / 2, `${credits}`);
  await peer.say(data(id, Buffer.concat([record("Z"), record("F", "1")])));
  const { records, reason } = await reading;
  assert.deepEqual([reason, records.length, records.at(-1)], ["", 24, { kind: "end", truncated: true }]);
  await settled();
  assert.deepEqual(peer.take("endTransfer"), [{ id }]);
  await peer.say({ $case: "transferEnded", value: { id, error: "", noRoom: false } });
  assert.equal(peer.lost, undefined);
});

test("a runner that sends beyond the window, or for no transfer, breaks the rules", async () => {
  const full = TRANSFER_WINDOW / transferCost(CHUNK.length);
  const breaches: Record<string, (id: bigint) => Say[]> = {
    "more than the window": (id) => Array.from({ length: full + 1 }, () => data(id, CHUNK)),
    "a thousand crumbs": (id) => Array.from({ length: 1000 }, () => data(id, Buffer.from("x"))),
    "an empty chunk": (id) => [data(id, Buffer.alloc(0))],
    "a chunk that is too large": (id) => [data(id, Buffer.alloc(TRANSFER_CHUNK_BYTES + 1))],
    "another's data": (id) => [data(id + 1n, CHUNK)],
    "credit for nothing": (id) => [{ $case: "transferCredit", value: { id, credit: 1 } }],
    "credit of nothing": (id) => [{ $case: "transferCredit", value: { id, credit: 0 } }],
    "two ends": (id) => [1, 2].map(() => ({ $case: "transferEnded", value: { id, error: "died", noRoom: false } })),
    "an end of none": (id) => [{ $case: "transferEnded", value: { id: id + 7n, error: "", noRoom: false } }],
  };
  for (const [what, breach] of Object.entries(breaches)) {
    const { peer, transfer, id } = await peerWith(READ);
    for (const frame of breach(id)) await peer.say(frame);
    assert.equal(peer.lost?.reason, "RUNNER_VIOLATION", what);
    assert.match((await transfer.over).reason, /^RUNNER_/, what);
  }
});

test("what a slot's code makes up ends its transfer, and nothing else", async () => {
  const root = record("R", "p");
  const entry = (type: string, mode: number) => Buffer.concat([root, record("E", entryBody(type, mode))]);
  for (const bytes of [
    record("?"),
    record("D"),
    Buffer.from([0x44, 0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0x45, 0, 1, 0, 0]),
    entry("x", 0o644),
    entry("f", 0o10000),
    Buffer.concat([root, record("E", "short")]),
    Buffer.concat([root, record("O", Buffer.from([0, 0, 1, 0]))]),
  ]) {
    const { peer, transfer, id } = await peerWith(READ);
    const reading = taken(transfer);
    await peer.say(data(id, bytes));
    assert.equal((await reading).reason, "TRANSFER_BROKEN", bytes.toString("hex"));
    assert.equal(peer.lost, undefined);
  }
});

test("a slot's refusal keeps its text, and has the reason that fits", async () => {
  for (const [text, reason] of [
    ["File not found: p", "ARTIFACT_NOT_FOUND"],
    ["Access denied: path outside workspace", "ACCESS_DENIED"],
    ["Not a file: p", "ARTIFACT_UNSUITABLE"],
  ] as const) {
    const { peer, transfer, id } = await peerWith(READ);
    const reading = taken(transfer);
    await peer.say(data(id, record("X", text)));
    assert.equal((await reading).reason, reason);
  }
});

test("an upload waits for the runner, within the window", async () => {
  const { peer, transfer, id } = await peerWith(PUT);
  let sent = 0;
  const sending = (async () => {
    for (; sent < 40; sent += 1) await transfer.send({ kind: "data", data: Buffer.alloc(60_000) });
    await transfer.send({ kind: "end" });
  })();
  await settled();
  const heard = () => peer.take("transferData").reduce((sum, { data: bytes }) => sum + transferCost(bytes.length), 0);
  const first = heard();
  assert.ok(first <= TRANSFER_WINDOW && sent < 10, `${first} in ${sent}`);
  let all = first;
  for (let credit = first; credit > 0; ) {
    await peer.say({ $case: "transferCredit", value: { id, credit } });
    credit = heard();
    all += credit;
  }
  await sending;
  transfer.end();
  assert.ok(all > 40 * 60_000);
});

test("each ends once: with its process, its link, its runner", async () => {
  const killed = await peerWith(READ);
  const reading = taken(killed.transfer);
  await killed.peer.say({ $case: "transferEnded", value: { id: killed.id, error: "", noRoom: false } });
  assert.equal((await reading).reason, "TRANSFER_BROKEN");

  const full = await peerWith(READ);
  await full.peer.say({ $case: "transferEnded", value: { id: full.id, error: "no room", noRoom: true } });
  assert.equal((await full.transfer.over).reason, "LIMIT_REACHED");

  const broken = await peerWith(PUT);
  await broken.peer.relink({ slots: [{ open: true }, { open: false }] });
  assert.equal((await broken.transfer.over).reason, "RUNNER_LOST");
  await assert.rejects(broken.transfer.send({ kind: "end" }), { reason: "RUNNER_LOST" });
  // What is on its way over the new link, to its end, is dropped; then it is no transfer any more.
  const end = { id: broken.id, error: "", noRoom: false };
  await broken.peer.say(data(broken.id, CHUNK), { $case: "transferEnded", value: end });
  assert.ok(broken.peer.client.transfer(0, { path: Buffer.from("p"), work: READ }), "the runner is not lost");
  await broken.peer.say(data(broken.id, CHUNK));
  assert.equal(broken.peer.lost?.reason, "RUNNER_VIOLATION");
  assert.throws(() => broken.peer.client.transfer(0, { path: Buffer.from("p"), work: READ }), {
    reason: "RUNNER_VIOLATION",
  });
});

test("one that stands still ends after a minute, one that goes on after an hour; there are 16 at most", async () => {
  const clock = new FakeClock();
  const frames: NonNullable<ServerFrame["frame"]>[] = [];
  const transfers = new Transfers((frame) => frames.push(frame), clock);
  const request = { path: Buffer.from("p"), work: READ };
  const ids: bigint[] = [];
  const all = Array.from({ length: 16 }, (_, at) => {
    ids.push(BigInt(at + 1));
    return transfers.begin(0, request);
  });
  assert.throws(() => transfers.begin(0, request), { reason: "LIMIT_REACHED" });
  const [still, moving] = all;
  assert(still && moving);
  const reading = taken(moving);
  assert.ok(transfers.take({ $case: "transferData", value: { id: 2n, data: FILE } }));
  for (let minute = 0; minute < 59.5; minute += 0.5) {
    await clock.advance(30_000);
    assert.ok(transfers.take({ $case: "transferData", value: { id: 2n, data: record("D", "x") } }));
    await settled();
  }
  assert.equal((await still.over).message, "the transfer stood still for 60 s");
  await clock.advance(30_000);
  assert.equal((await moving.over).message, "the transfer took over an hour");
  assert.equal((await reading).reason, "TRANSFER_BROKEN");
  // An ended one counts until its runner says that its process is gone.
  assert.throws(() => transfers.begin(0, request), { reason: "LIMIT_REACHED" });
  assert.ok(transfers.take({ $case: "transferEnded", value: { id: 1n, error: "", noRoom: false } }));
  transfers.begin(0, request).end();
});

test("a crowd of crumbs is one piece of content, and others have their turn after each chunk", async () => {
  const { peer, transfer, id } = await peerWith(READ);
  const crumbs = Buffer.concat(Array.from({ length: 10_000 }, () => record("D", "x")));
  await peer.say(data(id, FILE));
  for (let chunk = 0; chunk < 4; chunk += 1) await peer.say(data(id, crumbs));
  let turns = 0;
  let isOver = false;
  const counting = () => {
    turns += 1;
    if (!isOver) setImmediate(counting);
  };
  setImmediate(counting);
  const pieces: Buffer[] = [];
  for await (const each of transfer.records()) {
    if (each.kind === "data") pieces.push(each.data);
    if (pieces.length === 4) break;
  }
  isOver = true;
  transfer.end();
  assert.deepEqual([pieces.length, Buffer.concat(pieces).length], [4, 40_000]);
  assert.ok(turns >= 4, `${turns}`);
});

test("an upload that trickles is not taken for one that stands still", async () => {
  const clock = new FakeClock();
  const transfer = new Transfers(() => undefined, clock).begin(0, { path: Buffer.from("p"), work: PUT });
  let isOver = false;
  void transfer.over.then(() => {
    isOver = true;
  });
  for (let minute = 0; minute < 5; minute += 0.5) {
    await transfer.send({ kind: "data", data: Buffer.alloc(10) });
    await clock.advance(30_000);
  }
  assert.equal(isOver, false);
  await clock.advance(60_000);
  assert.equal((await transfer.over).message, "the transfer stood still for 60 s");
});
