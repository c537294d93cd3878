// The live output of a trajectory's calls: who gets it, what a new stream gets of it, and what waits for slow readers.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { OutputPiece } from "../../src/core/output.js";
import { bashCall, type Flight, knownCall, type RecordingSink, TrajectoryWorld } from "../support/trajectory-world.js";

const MIB = 1024 * 1024;
const live = (uniqId: string) => bashCall(uniqId, { streamOutput: true });

/** What the runner sends of a call. */
function say({ entry }: Pick<Flight, "entry">, offset: number, data: string | Buffer, onTaken = () => {}): void {
  const piece: OutputPiece = { channel: "stdout", offset, data: Buffer.from(data), missing: 0, taken: onTaken };
  assert(entry.operation.output);
  entry.operation.output(piece);
}

/** `uniq_id OFFSET+LENGTH MISSING` of each piece. */
function pieces(sink: RecordingSink): string[] {
  return sink.of("output").map(({ uniqId, piece }) => {
    return `${uniqId} ${piece.offset}+${piece.data.length} ${piece.missing}`;
  });
}

test("output goes to the stream of who asked for it, before the result", async () => {
  const world = new TrajectoryWorld();
  const { sink, at } = world.open();
  at.call(live("a"));
  at.call(bashCall("b"));
  const flight = (await world.flight("a")).start();
  let taken = 0;
  say(flight, 0, "one", () => {
    taken += 1;
  });
  flight.end();
  assert.deepEqual([pieces(sink), sink.kinds.slice(1), taken], [["a 0+3 0"], ["output", "result"], 0]);
  sink.of("output")[0]?.piece.taken();
  assert.equal(taken, 1);
  assert.equal((await world.flight("b")).entry.operation.output, undefined);
});

test("Execute has no output, nor has a call that a stream repeats", async () => {
  const world = new TrajectoryWorld();
  const { at } = world.open();
  void world.execute(live("a"));
  const flight = await world.flight("a");
  at.call(live("a"));
  assert.equal(flight.entry.operation.output, undefined);
  flight.end();
});

test("without a stream it stays with the runner; the next stream asks for it from where it says", async () => {
  const world = new TrajectoryWorld();
  const { at } = world.open();
  at.call(live("a"));
  const flight = (await world.flight("a")).start();
  const { replayed } = world.slots.runner;
  assert.deepEqual(replayed, []);
  at.detach();
  say(flight, 0, "unheard", () => assert.fail("nobody took it"));
  const second = world.open({ outputPositions: new Map([["a", { stdout: 3, stderr: 9 }]]) });
  assert.deepEqual([replayed, pieces(second.sink)], [["0 a 3 9"], []]);
  say(flight, 3, "heard");
  const third = world.open();
  assert.deepEqual([replayed.slice(1), pieces(second.sink)], [["0 a 0 0"], ["a 3+5 0"]]);
  say(flight, 8, "more");
  assert.deepEqual(pieces(third.sink), ["a 8+4 0"]);
  flight.end();
  world.open();
  assert.equal(replayed.length, 2, "a call that has ended has nothing more");
});

test("a call that outlived its server goes on with its output when a stream comes", () => {
  const world = new TrajectoryWorld();
  world.restore([knownCall("quiet", "finished"), knownCall("a", "running", { streamOutput: true })]);
  const { sink } = world.open({ outputPositions: new Map([["a", { stdout: 7, stderr: 0 }]]) });
  assert.deepEqual(world.slots.runner.replayed, ["0 a 7 0"]);
  world.followed[0]?.entry.output?.({ channel: "stderr", offset: 0, data: Buffer.from("x"), missing: 0, taken() {} });
  assert.deepEqual(pieces(sink), ["a 0+1 0"]);
});

test("what a client does not take is bounded: beyond it gaps are named, until it takes again", async () => {
  const world = new TrajectoryWorld();
  const { sink, at } = world.open();
  at.call(live("a"));
  at.call(live("b"));
  const first = (await world.flight("a")).start();
  for (let offset = 0; offset < MIB; offset += MIB / 4) say(first, offset, Buffer.alloc(MIB / 4));
  first.end();
  const second = (await world.flight("b")).start();
  for (let offset = 0; offset < 2 * MIB; offset += MIB / 2) say(second, offset, Buffer.alloc(MIB / 2));
  assert.deepEqual(pieces(sink).slice(4), [
    "b 0+524288 0",
    "b 524288+524288 0",
    `b ${1.5 * MIB}+0 524288`,
    `b ${2 * MIB}+0 524288`,
  ]);
  for (const { piece } of sink.of("output")) piece.taken();
  say(second, 2 * MIB, "x");
  assert.equal(pieces(sink).at(-1), `b ${2 * MIB}+1 0`);
});

test("what all clients do not take is bounded too, and a stream that is gone holds nothing", async () => {
  const world = new TrajectoryWorld();
  const streams = [];
  for (let index = 0; index < 33; index += 1) {
    const stream = world.open({ trajectoryId: `t${index}` });
    stream.at.call(live(`a${index}`));
    const flight = (await world.flight(`a${index}`)).start();
    for (let offset = 0; offset < 2 * MIB; offset += MIB) say(flight, offset, Buffer.alloc(MIB));
    streams.push({ ...stream, flight });
  }
  assert.equal(world.directory.counters.outputBytes, 64 * MIB);
  assert.deepEqual(pieces(streams[32]?.sink ?? assert.fail()), [`a32 ${MIB}+0 ${MIB}`, `a32 ${2 * MIB}+0 ${MIB}`]);
  for (const { at } of streams.slice(0, 10)) at.detach();
  assert.equal(world.directory.counters.outputBytes, 44 * MIB);
  for (const { sink } of streams) for (const { piece } of sink.of("output")) piece.taken();
  assert.equal(world.directory.counters.outputBytes, 0);
  const [gone] = streams.slice(20);
  assert(gone);
  gone.at.release(false);
  say(gone.flight, 2 * MIB, "late");
  gone.flight.end();
  await world.clock.turn();
  assert.deepEqual(gone.sink.kinds.slice(-3), ["output", "result", "released"]);
  assert.equal(world.directory.counters.outputBytes, 0);
});
