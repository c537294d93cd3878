// How a trajectory ends: half-close, release, lifetime, shutdown.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failedOutcome } from "../../src/core/outcome.js";
import { bashCall, TrajectoryWorld } from "../support/trajectory-world.js";

const CANCELLED = failedOutcome("CANCELLED", "Cancelled");

describe("half-close", () => {
  test("every accepted call finishes, the slot is freed, the stream ends OK", async () => {
    const world = new TrajectoryWorld();
    const { sink, at, flight } = await world.running("a");
    at.call(bashCall("b"));
    at.halfClose();
    assert.equal(sink.ended, undefined);
    flight.end();
    (await world.flight("b")).end();
    assert.deepEqual(sink.results, ["a OK", "b OK"]);
    assert.deepEqual(sink.ended, { reason: undefined, message: "" });
    assert.deepEqual(world.slots.released, world.slots.granted);
  });

  test("with nothing accepted it ends at once, and no slot was needed", () => {
    const world = new TrajectoryWorld();
    const { sink, at } = world.open();
    at.halfClose();
    assert.deepEqual(sink.kinds, ["opened"]);
    assert.equal(sink.ended?.reason, undefined);
    assert(sink.ended);
    assert.equal(world.slots.acquires.length, 0);
  });

  test("a slot that was asked for in advance is freed, granted or not", async () => {
    const world = new TrajectoryWorld();
    world.slots.free = 1;
    const [first, second] = [world.open({ acquireSlot: true }), world.open({ trajectoryId: "u", acquireSlot: true })];
    await world.clock.turn();
    first.at.halfClose();
    second.at.halfClose();
    await world.clock.turn();
    assert.equal(world.slots.released.length, 1);
    assert.equal(world.slots.acquires[1]?.signal.aborted, true);
  });

  test("the ledger stays readable for the lease: a cut at the very end loses nothing", async () => {
    const world = new TrajectoryWorld();
    const { at, flight } = await world.running("a");
    at.halfClose();
    flight.end();
    await world.clock.advance(119_000);
    const { sink } = world.open();
    assert.equal(sink.opened.resumed, true);
    assert.equal(sink.opened.slotGeneration, 0);
    assert.deepEqual(sink.opened.known, [{ uniqId: "a", state: "finished" }]);
    assert.deepEqual(sink.results, ["a OK"]);
  });

  test("what comes next gets another slot", async () => {
    const world = new TrajectoryWorld();
    const { at, flight } = await world.running("a");
    at.halfClose();
    flight.end();
    const { sink } = await world.running("b");
    (await world.flight("b")).end();
    assert.equal(sink.outcome("b").slotGeneration, 2);
  });

  test("waits for an Execute of the same trajectory, which still has its slot", async () => {
    const world = new TrajectoryWorld();
    const { sink, at, flight } = await world.running("a");
    const executed = world.execute(bashCall("e"));
    at.halfClose();
    flight.end();
    assert.equal(sink.ended, undefined);
    (await world.flight("e")).end();
    assert.equal((await executed).status, "OK");
    assert(sink.ended);
    assert.deepEqual(sink.results, ["a OK"]);
  });
});

describe("release", () => {
  test("calls end CANCELLED, results go out, then released, then OK; the slot is back", async () => {
    const world = new TrajectoryWorld();
    const { sink, at, flight } = await world.running("a");
    at.call(bashCall("b"));
    at.release(false);
    assert.equal(flight.cancelled, true);
    await world.clock.turn();
    assert.deepEqual(sink.results, ["b CANCELLED"]);
    assert.equal(sink.ended, undefined);
    assert.equal(world.slots.released.length, 0);
    flight.end(CANCELLED);
    await world.clock.turn();
    assert.deepEqual(sink.kinds, ["opened", "result", "result", "released"]);
    assert.deepEqual(sink.ended, { reason: undefined, message: "" });
    assert.equal(world.slots.released.length, 1);
  });

  test("a result that was on its way stays what it was", async () => {
    const world = new TrajectoryWorld();
    const { sink, at, flight } = await world.running("a");
    at.release(false);
    flight.end();
    await world.clock.turn();
    assert.deepEqual(sink.results, ["a OK"]);
  });

  for (const wiped of [true, false]) {
    test(`reset_workspace waits for the verified wipe and says whether it was (${wiped})`, async () => {
      const world = new TrajectoryWorld();
      let wipe: (wiped: boolean) => void = () => undefined;
      world.slots.wiped = new Promise((resolve) => {
        wipe = resolve;
      });
      const { sink, at, flight } = await world.running("a");
      flight.end();
      at.release(true);
      await world.clock.turn();
      assert.deepEqual(sink.of("released"), []);
      wipe(wiped);
      await world.clock.turn();
      assert.deepEqual(sink.of("released"), [{ kind: "released", wiped }]);
      assert(sink.ended);
    });
  }

  test("a unary one does the same to a live stream", async () => {
    const world = new TrajectoryWorld();
    const { sink, flight } = await world.running("a");
    const released = world.release(true);
    await world.clock.turn();
    flight.end(CANCELLED);
    assert.deepEqual(await released, { released: 1, wiped: true });
    assert.deepEqual(sink.kinds, ["opened", "result", "released"]);
    assert(sink.ended);
  });

  test("an Execute under way ends CANCELLED", async () => {
    const world = new TrajectoryWorld();
    const executed = world.execute(bashCall("e"));
    (await world.flight("e")).start();
    const released = world.release();
    world.flights[0]?.end(CANCELLED);
    assert.equal((await executed).status, "CANCELLED");
    assert.deepEqual(await released, { released: 1, wiped: false });
  });

  test("what is opened under its name afterwards is new", async () => {
    const world = new TrajectoryWorld();
    const first = await world.running("a");
    const released = world.release();
    // Not all of it has ended yet.
    const { sink } = world.open({ resumeToken: "another" });
    assert.equal(sink.opened.resumed, false);
    assert.notEqual(sink.opened.incarnation, first.sink.opened.incarnation);
    assert.equal(sink.opened.epoch, 1);
    assert.deepEqual(sink.opened.known, []);
    first.flight.end(CANCELLED);
    await released;
    await world.clock.advance(1000);
    assert.deepEqual(sink.kinds, ["opened"]);
    assert.equal(sink.ended, undefined);
  });

  test("nobody's trajectory cannot be released", async () => {
    const world = new TrajectoryWorld();
    await assert.rejects(world.release(), { reason: "TRAJECTORY_UNKNOWN" });
  });

  test("a group: those that the token owns, and only those", async () => {
    const world = new TrajectoryWorld();
    const open = (trajectoryId: string, group: string, resumeToken: string) =>
      world.open({ trajectoryId, group, resumeToken }).sink;
    const [a, b, c, d] = [open("a", "g", "s"), open("b", "g", "s"), open("c", "g", "other"), open("d", "h", "s")];
    const release = { target: { group: "g" }, resumeToken: "s", resetWorkspace: true };
    assert.deepEqual(await world.directory.release("", release), { released: 2, wiped: true });
    assert.deepEqual(
      [a, b, c, d].map(({ ended }) => ended !== undefined),
      [true, true, false, false],
    );
    assert.deepEqual(await world.directory.release("", release), { released: 0, wiped: false });
  });
});

test("after its lifetime a trajectory ends, and its stream learns why", async () => {
  const world = new TrajectoryWorld({ lifetimeS: 3600 });
  const { sink, flight } = await world.running("a");
  await world.clock.advance(3_600_000);
  flight.end(CANCELLED);
  await world.clock.turn();
  assert.deepEqual(sink.results, ["a CANCELLED"]);
  assert.deepEqual(sink.ended, { reason: "TRAJECTORY_ENDED", message: "the trajectory's 3600 s are over" });
  assert.equal(world.slots.released.length, 1);
});

describe("shutdown", () => {
  test("streams are told to go, running calls finish, queued ones never start", async () => {
    const world = new TrajectoryWorld();
    const { sink, at, flight } = await world.running("a");
    at.call(bashCall("b"));
    const closed = world.directory.close(30_000);
    at.call(bashCall("late"));
    await world.clock.advance(10_000);
    assert.deepEqual(sink.results, ["b NOT_STARTED", "late NOT_STARTED"]);
    assert.equal(sink.of("go_away")[0]?.reason, "the server is shutting down");
    flight.end();
    await world.clock.turn();
    await closed;
    assert.deepEqual(sink.results, ["b NOT_STARTED", "late NOT_STARTED", "a OK"]);
    assert.equal(sink.ended?.reason, "SHUTTING_DOWN");
    assert.equal(world.slots.released.length, 1);
    assert.equal(world.clock.timers, 0, "nothing is left to wait for");
  });

  test("what outlives the grace is cancelled", async () => {
    const world = new TrajectoryWorld();
    const { sink, flight } = await world.running("a");
    const closed = world.directory.close(30_000);
    await world.clock.advance(29_999);
    assert.equal(flight.cancelled, false);
    await world.clock.advance(1);
    assert.equal(flight.cancelled, true);
    flight.end(CANCELLED);
    await closed;
    assert.deepEqual(sink.results, ["a CANCELLED"]);
  });

  test("nobody may begin or come back", async () => {
    const world = new TrajectoryWorld();
    world.open();
    await world.directory.close(0);
    assert.throws(() => world.open(), { reason: "SHUTTING_DOWN" });
    assert.throws(() => world.open({ trajectoryId: "new" }), { reason: "SHUTTING_DOWN" });
    await assert.rejects(world.execute(bashCall("e")), { reason: "SHUTTING_DOWN" });
  });

  test("with trajectories that have no stream it does not wait for their leases", async () => {
    const world = new TrajectoryWorld();
    const { at, flight } = await world.running("a");
    flight.end();
    at.detach();
    await world.directory.close(30_000);
    assert.equal(world.slots.released.length, 1);
    assert.equal(world.clock.timers, 0);
  });
});
