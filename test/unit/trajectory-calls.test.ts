// Calls of one trajectory and its slot: answers without a slot, limits, waiting, losing the slot.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SwitchyardError } from "../../src/core/errors.js";
import { failedOutcome } from "../../src/core/outcome.js";
import { okOutcome } from "../support/outcomes.js";
import { bashCall, TrajectoryWorld } from "../support/trajectory-world.js";

describe("a call that needs no slot", () => {
  test("is answered at once, beside one that runs, and counts", async () => {
    const world = new TrajectoryWorld();
    const { sink, at } = await world.running("a");
    at.call(bashCall("b", { tool: "nope" }));
    at.call(bashCall("c", { arguments: {} }));
    at.call(bashCall("d", { tool: "terminal", arguments: { command: "x", background: true } }));
    assert.deepEqual(sink.results, ["b UNKNOWN_TOOL", "c INVALID", "d INVALID"]);
    assert.equal(sink.outcome("b").error, "Unknown tool: nope");
    assert.equal(sink.outcome("b").slotGeneration, 0);
    assert.deepEqual(world.directory.counters, { bytes: 1, outputBytes: 0, queued: 0, total: 4, errors: 3 });
  });

  test("does not acquire one", async () => {
    const world = new TrajectoryWorld();
    world.open().at.call(bashCall("b", { tool: "nope" }));
    await world.clock.turn();
    assert.equal(world.slots.acquires.length, 0);
  });
});

describe("counters", () => {
  test("what waits, what came, what failed; back to nothing whatever the end", async () => {
    const world = new TrajectoryWorld();
    const { counters } = world.directory;
    const { at, flight } = await world.running("a");
    for (const uniqId of ["b", "c", "d"]) at.call(bashCall(uniqId));
    assert.deepEqual(counters, { bytes: 4, outputBytes: 0, queued: 3, total: 4, errors: 0 });
    at.cancel("c");
    assert.deepEqual(counters, { bytes: 3, outputBytes: 0, queued: 2, total: 4, errors: 1 });
    flight.end(failedOutcome("NONZERO_EXIT", "Exit code: 1"));
    (await world.flight("b")).end();
    assert.deepEqual(counters, { bytes: 1, outputBytes: 0, queued: 1, total: 4, errors: 2 });
    (await world.flight("d")).start();
    assert.equal(counters.queued, 0);
    at.release(false);
    world.flights.at(-1)?.end(failedOutcome("CANCELLED", "Cancelled"));
    await world.clock.turn();
    assert.deepEqual(counters, { bytes: 0, outputBytes: 0, queued: 0, total: 4, errors: 3 });
  });
});

describe("limits", () => {
  test("too many calls unfinished or unacknowledged: rejected, and taken again after an acknowledgement", async () => {
    const world = new TrajectoryWorld({ ledger: { callsMax: 2, bytesMax: 1 << 24 } });
    const { sink, at, flight } = await world.running("a");
    at.call(bashCall("b"));
    at.call(bashCall("c"));
    const [rejected] = sink.of("rejected");
    assert.equal(rejected?.status, "NOT_STARTED");
    assert.match(rejected?.error ?? "", /2 calls unfinished or unacknowledged/);
    flight.end();
    at.call(bashCall("c"));
    assert.equal(sink.of("rejected").length, 2);
    at.ack(["a"]);
    at.call(bashCall("c"));
    (await world.flight("b")).end();
    (await world.flight("c")).end();
    assert.deepEqual(sink.results, ["a OK", "b OK", "c OK"]);
  });

  test("too many bytes unacknowledged: calls wait until some are, while cancels are heard", async () => {
    const world = new TrajectoryWorld({ ledger: { callsMax: 100, bytesMax: 10_000 } });
    const { sink, at, flight } = await world.running("a");
    flight.end(okOutcome("x".repeat(10_000)));
    at.call(bashCall("b"));
    at.call(bashCall("c"));
    await world.clock.advance(1000);
    assert.equal(world.flights.length, 1);
    at.cancel("b");
    assert.deepEqual(sink.results, ["a OK", "b CANCELLED"]);
    at.ack(["a"]);
    (await world.flight("c")).end();
    assert.deepEqual(sink.results, ["a OK", "b CANCELLED", "c OK"]);
  });
});

describe("waiting for a slot", () => {
  test("the call's own queue timeout before the server's, and it is nobody's exec time", async () => {
    const world = new TrajectoryWorld({ queueTimeoutS: 50 });
    world.slots.free = 0;
    const { sink, at } = world.open();
    at.call(bashCall("a", { queueTimeoutS: 5 }));
    at.call(bashCall("b"));
    await world.clock.advance(5000);
    assert.deepEqual(sink.results, ["a NOT_STARTED"]);
    assert.equal(sink.outcome("a").error, "Failed to acquire slot: not started within the queue timeout of 5 s");
    assert.deepEqual([sink.outcome("a").queueMs, sink.outcome("a").execMs], [5000, 0]);
    await world.clock.advance(45_000);
    assert.deepEqual(sink.results, ["a NOT_STARTED", "b NOT_STARTED"]);
    assert.equal(world.slots.acquires[0]?.signal.aborted, true);
  });

  test("a failed acquire ends the call that needed it; the trajectory goes on", async () => {
    const world = new TrajectoryWorld();
    world.slots.free = 0;
    const { sink, at } = world.open();
    at.call(bashCall("a"));
    world.slots.acquires[0]?.refuse(new SwitchyardError("ACQUIRE_FAILED", "no container would start"));
    await world.clock.turn();
    assert.equal(sink.outcome("a").error, "Failed to acquire slot: no container would start");
    at.call(bashCall("b"));
    world.slots.acquires[1]?.grant();
    (await world.flight("b")).end();
    assert.deepEqual(sink.results, ["a NOT_STARTED", "b OK"]);
  });

  test("an acquire_slot that fails harms no later call", async () => {
    const world = new TrajectoryWorld();
    world.slots.free = 0;
    const { sink, at } = world.open({ acquireSlot: true });
    world.slots.acquires[0]?.refuse(new Error("not now"));
    await world.clock.turn();
    assert.deepEqual(sink.kinds, ["opened"]);
    world.slots.free = 1;
    at.call(bashCall("a"));
    (await world.flight("a")).end();
    assert.deepEqual(sink.results, ["a OK"]);
  });

  test("a cancel withdraws the only call, and a slot that comes all the same goes back", async () => {
    const world = new TrajectoryWorld();
    world.slots.free = 0;
    const { at } = world.open();
    at.call(bashCall("a"));
    world.slots.acquires[0]?.grant();
    at.cancel("a");
    await world.clock.turn();
    assert.equal(world.slots.released.length, 1);
    assert.equal(world.flights.length, 0);
  });
});

describe("a lost slot", () => {
  test("slot_lost comes first; what runs ends as its runner says, the rest NOT_STARTED; the next call gets a new slot", async () => {
    const world = new TrajectoryWorld();
    const { sink, at, flight } = await world.running("running");
    at.call(bashCall("queued"));
    world.slots.last.lose();
    assert.deepEqual(sink.of("slot_lost"), [{ kind: "slot_lost", slotGeneration: 1, reason: "container died" }]);
    assert.deepEqual(sink.results, ["queued NOT_STARTED"]);
    assert.equal(sink.outcome("queued").error, "slot lost before the call began: container died");
    flight.end(failedOutcome("LOST", "container died"));
    at.call(bashCall("next"));
    (await world.flight("next")).end();
    assert.deepEqual(sink.results, ["queued NOT_STARTED", "running LOST", "next OK"]);
    assert.equal(sink.outcome("next").slotGeneration, 2);
  });

  test("a call in the batcher's hands never runs in another's slot", async () => {
    const world = new TrajectoryWorld();
    const { sink, at } = world.open();
    at.call(bashCall("batched"));
    const flight = await world.flight("batched");
    world.slots.last.lose();
    assert.equal(flight.cancelled, true);
    assert.deepEqual(sink.results, ["batched NOT_STARTED"]);
  });

  test("while no stream is attached, opened tells by its generation", async () => {
    const world = new TrajectoryWorld();
    const { at, flight } = await world.running("a");
    flight.end();
    at.detach();
    world.slots.last.lose();
    assert.equal(world.open().sink.opened.slotGeneration, 0);
  });

  test("slot_generation: a call for the old workspace does not run in the new one", async () => {
    const world = new TrajectoryWorld();
    const { sink, at, flight } = await world.running("a");
    flight.end();
    at.call(bashCall("same", { slotGeneration: 1 }));
    (await world.flight("same")).end();
    world.slots.last.lose();
    at.call(bashCall("old", { slotGeneration: 1 }));
    at.call(bashCall("any"));
    await world.clock.turn();
    (await world.flight("any")).end();
    assert.deepEqual(sink.results, ["a OK", "same OK", "old NOT_STARTED", "any OK"]);
    assert.match(sink.outcome("old").error, /asked for slot generation 1, the trajectory has 0/);
  });
});

test("calls that wait or run are bounded in bytes, of one trajectory and of all; an ended one makes room", async () => {
  const world = new TrajectoryWorld();
  const one = world.open();
  one.at.call(bashCall("a", { bytes: 6000 }));
  one.at.call(bashCall("b", { bytes: 4000 }));
  one.at.call(bashCall("c", { bytes: 1 }));
  // A repeated one is no new one.
  one.at.call(bashCall("a", { bytes: 6000 }));
  const other = world.open({ trajectoryId: "other" });
  other.at.call(bashCall("d", { bytes: 5001 }));
  other.at.call(bashCall("e", { bytes: 5000 }));
  const rejected = [...one.sink.of("rejected"), ...other.sink.of("rejected")];
  assert.deepEqual(
    rejected.map(({ uniqId, status }) => `${uniqId} ${status}`),
    ["c NOT_STARTED", "d NOT_STARTED"],
  );
  assert.match(rejected[0]?.error ?? "", /more than 10000 bytes; wait for results/);
  assert.match(rejected[1]?.error ?? "", /of all trajectories .* more than 15000 bytes/);
  (await world.flight("a")).end();
  one.at.call(bashCall("c", { bytes: 6000 }));
  assert.equal(one.sink.of("rejected").length, 1);
});
