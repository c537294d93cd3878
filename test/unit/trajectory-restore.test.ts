// A trajectory that an earlier server had: what its runner remembers of it, and how it goes on.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failedOutcome } from "../../src/core/outcome.js";
import { okOutcome } from "../support/outcomes.js";
import { bashCall, knownCall, TrajectoryWorld } from "../support/trajectory-world.js";

const CANCELLED = failedOutcome("CANCELLED", "Cancelled");

describe("the next stream", () => {
  test("finds the same life, one epoch on, with its slot and its calls", () => {
    const world = new TrajectoryWorld();
    const { slot, binding } = world.restore([
      knownCall("acked", "acknowledged"),
      knownCall("done", "finished"),
      knownCall("runs", "running"),
    ]);
    const { sink } = world.open({ requireResume: true });
    const { resumed, incarnation, epoch, slotGeneration, known } = sink.opened;
    assert.deepEqual([resumed, incarnation, epoch, slotGeneration], [true, binding.incarnation, 5, 3]);
    assert.deepEqual(known, [
      { uniqId: "done", state: "finished" },
      { uniqId: "runs", state: "running" },
    ]);
    assert.deepEqual(sink.results, ["done OK"]);
    assert.deepEqual(
      slot.bindings.map(({ streamEpoch, generation }) => [streamEpoch, generation]),
      [[5, 3]],
      "and the runner learns of it",
    );
  });

  test("must show the same token, pool, group and env", () => {
    const world = new TrajectoryWorld();
    world.restore([], { group: "g", env: { A: "1" } }, "other");
    const mine = { pool: "other", group: "g", env: { A: "1" } };
    assert.throws(() => world.open({ ...mine, resumeToken: "guess" }), { reason: "WRONG_TOKEN" });
    for (const wrong of [{ pool: "default" }, { group: "h" }, { env: {} }]) {
      assert.throws(() => world.open({ ...mine, ...wrong }), { reason: "TRAJECTORY_MISMATCH" });
    }
    assert.equal(world.open(mine).sink.opened.resumed, true);
  });

  test("runs its calls in the same slot, without asking for one", async () => {
    const world = new TrajectoryWorld();
    const { slot } = world.restore();
    const { sink, at } = world.open();
    at.call(bashCall("a"));
    (await world.flight("a")).end();
    assert.equal(sink.outcome("a").slotGeneration, 3);
    assert.deepEqual([world.slots.acquires.length, world.flights[0]?.entry.operation.slot], [0, slot.index]);
  });

  test("gets a new slot, of the next generation, when that one is lost", async () => {
    const world = new TrajectoryWorld();
    const { slot } = world.restore();
    const { sink, at } = world.open();
    slot.lose();
    assert.equal(sink.of("slot_lost")[0]?.slotGeneration, 3);
    at.call(bashCall("a"));
    (await world.flight("a")).end();
    assert.equal(sink.outcome("a").slotGeneration, 4);
  });
});

describe("a finished call", () => {
  test("has what its context promised, and what is known of its slot", () => {
    const world = new TrajectoryWorld();
    const context = JSON.stringify({ metadata: { timeout: 7 }, queueMs: 12 });
    const outcome = { ...okOutcome("text"), metadata: { exit_code: 0 } };
    world.restore([knownCall("a", "finished", { context, outcome })]);
    const { metadata, output, queueMs, slotGeneration } = world.open().sink.outcome("a");
    assert.deepEqual([output, queueMs, slotGeneration], ["text", 12, 3]);
    const { isolation, networkIsolated } = world.slots.runner;
    const sandbox = { sandboxed: false, isolation, network_isolated: networkIsolated };
    assert.deepEqual(metadata, { timeout: 7, exit_code: 0, ...sandbox });
  });

  test("keeps its result whatever a runner made of its context", () => {
    const world = new TrajectoryWorld();
    world.restore([knownCall("a", "finished", { context: "\0" })]);
    assert.equal(world.open().sink.outcome("a").output, "a");
  });

  test("that comes again gets its result, and is not run", async () => {
    const world = new TrajectoryWorld();
    world.restore([knownCall("a", "finished"), knownCall("e", "finished", { forStream: false })]);
    const { sink, at } = world.open();
    at.call(bashCall("a"));
    assert.deepEqual(sink.results, ["a OK", "a OK"]);
    assert.equal((await world.execute(bashCall("e"))).output, "e");
    assert.equal(world.flights.length, 0);
  });

  test("that is acknowledged is forgotten by its runner too", () => {
    const world = new TrajectoryWorld();
    const { slot } = world.restore([knownCall("a", "finished"), knownCall("runs", "running")]);
    world.open().at.ack(["a", "runs"]);
    assert.deepEqual(world.slots.runner.acknowledged, [`${slot.index} a`]);
    assert.deepEqual(world.open().sink.opened.known, [{ uniqId: "runs", state: "running" }]);
  });

  test("whose result was acknowledged is not run again", () => {
    const world = new TrajectoryWorld();
    world.restore([knownCall("a", "acknowledged")]);
    const { sink, at } = world.open();
    at.call(bashCall("a"));
    assert.equal(sink.of("rejected")[0]?.status, "INVALID");
    assert.equal(world.flights.length, 0);
  });
});

describe("a call that still runs", () => {
  test("ends where it began: its result comes, and then the next call has its turn", async () => {
    const world = new TrajectoryWorld();
    const context = JSON.stringify({ metadata: { timeout: 30 }, queueMs: 5 });
    const { slot } = world.restore([knownCall("a", "running", { context })]);
    const [followed] = world.followed;
    assert.deepEqual([followed?.entry.slot, followed?.entry.uniqId], [slot.index, "a"]);
    const { sink, at } = world.open();
    at.call(bashCall("b"));
    at.call(bashCall("a"));
    await world.clock.turn();
    assert.equal(world.flights.length, 0);
    followed?.end();
    assert.deepEqual(sink.results, ["a OK"]);
    const { metadata, queueMs, slotGeneration } = sink.outcome("a");
    assert.deepEqual([metadata.timeout, queueMs, slotGeneration], [30, 5, 3]);
    (await world.flight("b")).end();
    assert.deepEqual(sink.results, ["a OK", "b OK"]);
  });

  test("ends without a stream as well, and an Execute of it gets its result", async () => {
    const world = new TrajectoryWorld();
    world.restore([knownCall("a", "running", { forStream: false })]);
    const executed = world.execute(bashCall("a"));
    world.followed[0]?.end();
    assert.equal((await executed).output, "a");
    assert.deepEqual(world.open().sink.results, []);
  });

  test("is cancelled by its runner, and ends when that says so", async () => {
    const world = new TrajectoryWorld();
    world.restore([knownCall("a", "running")]);
    const { sink, at } = world.open();
    at.cancel("a");
    assert.deepEqual([world.followed[0]?.cancelled, sink.results], [true, []]);
    world.followed[0]?.end(CANCELLED);
    assert.deepEqual(sink.results, ["a CANCELLED"]);
  });

  test("and is lost with its runner", () => {
    const world = new TrajectoryWorld();
    world.restore([knownCall("a", "running")]);
    const { sink } = world.open();
    world.followed[0]?.end(failedOutcome("LOST", "container died"));
    assert.deepEqual(sink.results, ["a LOST"]);
  });
});

describe("its end", () => {
  test("the lease begins anew: when nobody comes, the slot is given back and running calls are killed", async () => {
    const world = new TrajectoryWorld();
    const { slot } = world.restore([knownCall("a", "running")], { leaseS: 60 });
    await world.clock.advance(59_999);
    assert.deepEqual(world.slots.released, []);
    await world.clock.advance(1);
    assert.equal(world.followed[0]?.cancelled, true);
    world.followed[0]?.end(CANCELLED);
    await world.clock.turn();
    assert.deepEqual(world.slots.released, [slot]);
    assert.throws(() => world.open({ requireResume: true }), { reason: "TRAJECTORY_UNKNOWN" });
    assert.equal(world.clock.timers, 0);
  });

  test("its lifetime counts from its first beginning", async () => {
    const world = new TrajectoryWorld({ lifetimeS: 3600 });
    world.restore([], { beganUnixMs: world.clock.unixMs() - 3_000_000, leaseS: 9999 });
    const { sink } = world.open();
    const end = () => sink.ended?.reason;
    await world.clock.advance(599_999);
    assert.equal(end(), undefined);
    await world.clock.advance(1);
    assert.equal(end(), "TRAJECTORY_ENDED");
    assert.equal(world.slots.released.length, 1);
  });

  test("one that was over before ends at once", async () => {
    const world = new TrajectoryWorld({ lifetimeS: 3600 });
    const { slot } = world.restore([], { beganUnixMs: world.clock.unixMs() - 5_000_000 });
    await world.clock.turn();
    assert.deepEqual(world.slots.released, [slot]);
  });

  test("a release wipes it as any other", async () => {
    const world = new TrajectoryWorld();
    const { slot } = world.restore();
    assert.deepEqual(await world.release(true), { released: 1, wiped: true });
    assert.deepEqual(world.slots.released, [slot]);
  });
});

describe("what cannot be taken over", () => {
  test("a second trajectory of the same name, and the first is unharmed", async () => {
    const world = new TrajectoryWorld();
    assert.equal(world.restore([knownCall("a", "finished")]).restored, true);
    const second = world.restore([knownCall("b", "running")], { incarnation: "another" });
    assert.equal(second.restored, false);
    assert.deepEqual([world.followed, world.slots.released], [[], []], "its slot is the caller's to release");
    const { sink } = world.open();
    assert.equal(sink.opened.incarnation, "life of t");
    assert.deepEqual(sink.results, ["a OK"]);
  });

  test("a trajectory of a pool that is no more", () => {
    const world = new TrajectoryWorld();
    assert.throws(() => world.restore([], {}, "gone"), { reason: "UNKNOWN_POOL" });
  });
});

test("a full ledger starts nothing until results are acknowledged", async () => {
  const world = new TrajectoryWorld({ ledger: { callsMax: 10, bytesMax: 10_000 } });
  world.restore([knownCall("large", "finished", { outcome: okOutcome("x".repeat(10_000)) })]);
  const { at } = world.open();
  at.call(bashCall("a"));
  await world.clock.turn();
  assert.equal(world.flights.length, 0);
  at.ack(["large"]);
  assert.equal((await world.flight("a")).command, "a");
});
