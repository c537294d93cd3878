// How long a trajectory outlives its stream.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failedOutcome } from "../../src/core/outcome.js";
import { bashCall, TrajectoryWorld } from "../support/trajectory-world.js";

const CANCELLED = failedOutcome("CANCELLED", "Cancelled");

describe("the lease", () => {
  test("a broken connection cancels nothing; at the end of the lease running calls are killed and the slot goes", async () => {
    const world = new TrajectoryWorld();
    const { at, flight } = await world.running("a");
    at.call(bashCall("b"));
    at.detach();
    await world.clock.advance(119_999);
    assert.equal(flight.cancelled, false);
    await world.clock.advance(1);
    assert.equal(flight.cancelled, true);
    flight.end(CANCELLED);
    await world.clock.turn();
    assert.equal(world.flights.length, 1, "what was queued never started");
    assert.equal(world.slots.released.length, 1);
    const { sink } = world.open();
    assert.equal(sink.opened.resumed, false);
    assert.deepEqual(sink.kinds, ["opened"]);
  });

  test("calls run on, one after another, without a stream", async () => {
    const world = new TrajectoryWorld();
    const { at, flight } = await world.running("a");
    at.call(bashCall("b"));
    at.detach();
    flight.end();
    (await world.flight("b")).end();
    await world.clock.advance(60_000);
    assert.deepEqual(world.open().sink.results, ["a OK", "b OK"]);
  });

  test("its clock stands still while a stream or an Execute is attached", async () => {
    const world = new TrajectoryWorld();
    const { at, flight } = await world.running("a");
    await world.clock.advance(500_000);
    const executed = world.execute(bashCall("e"));
    at.detach();
    await world.clock.advance(500_000);
    assert.equal(flight.cancelled, false);
    flight.end();
    (await world.flight("e")).end();
    await executed;
    await world.clock.advance(119_999);
    assert.equal(world.slots.released.length, 0);
    await world.clock.advance(1);
    assert.equal(world.slots.released.length, 1);
  });

  for (const [asked, given] of [
    [5, 5],
    [undefined, 120],
    [1e9, 3600],
    [0, 0],
  ] as const) {
    test(`${asked ?? "none"} asked for: ${given} s are given, said, and kept`, async () => {
      const world = new TrajectoryWorld();
      const { sink, at } = world.open(asked === undefined ? {} : { leaseS: asked });
      assert.equal(sink.opened.leaseS, given);
      at.detach();
      if (given > 0) {
        await world.clock.advance(given * 1000 - 1);
        assert.equal(world.open(asked === undefined ? {} : { leaseS: asked }).sink.opened.resumed, true);
        return;
      }
      await world.clock.turn();
      assert.equal(world.open().sink.opened.resumed, false);
    });
  }

  test("a trajectory that only Execute used outlives its last call by the default lease", async () => {
    const world = new TrajectoryWorld();
    const executed = world.execute(bashCall("e"));
    (await world.flight("e")).end();
    await executed;
    await world.clock.advance(120_000);
    assert.equal(world.slots.released.length, 1);
    assert.equal(world.clock.timers, 0, "nothing of it is left");
  });
});
