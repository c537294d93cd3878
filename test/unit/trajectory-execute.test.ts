// Calls of callers without a stream.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bashCall, TrajectoryWorld } from "../support/trajectory-world.js";

describe("Execute", () => {
  test("makes its trajectory, in the pool and the group that it names", async () => {
    const world = new TrajectoryWorld();
    const executed = world.execute(bashCall("e"), { pool: "other", group: "g" });
    const flight = await world.flight("e");
    assert.equal(flight.entry.timeoutS, 7);
    assert.equal(world.slots.acquires[0]?.group, "g");
    flight.end();
    assert.equal((await executed).output, "e");
  });

  test("an unknown pool is refused, and leaves no trajectory", async () => {
    const world = new TrajectoryWorld();
    await assert.rejects(world.execute(bashCall("e"), { pool: "gpu" }), { reason: "UNKNOWN_POOL" });
    await assert.rejects(world.release(), { reason: "TRAJECTORY_UNKNOWN" });
  });

  test("shares slot and order with the stream's calls", async () => {
    const world = new TrajectoryWorld();
    const { sink, at, flight } = await world.running("a", { pool: "other", env: { A: "1" } });
    const executed = world.execute(bashCall("e"));
    at.call(bashCall("b"));
    assert.equal(world.flights.length, 1);
    flight.end();
    (await world.flight("e")).end();
    (await world.flight("b")).end();
    assert.deepEqual(sink.results, ["a OK", "b OK"]);
    assert.equal((await executed).slotGeneration, 1);
    assert.equal(world.slots.granted.length, 1);
  });

  test("may leave pool and group out of a trajectory that exists, but not name others", async () => {
    const world = new TrajectoryWorld();
    world.open({ pool: "other", group: "g" });
    const executed = world.execute(bashCall("e"), { pool: "other" });
    (await world.flight("e")).end();
    await executed;
    await assert.rejects(world.execute(bashCall("f"), { pool: "default" }), { reason: "TRAJECTORY_MISMATCH" });
    await assert.rejects(world.execute(bashCall("f"), { group: "h" }), { reason: "TRAJECTORY_MISMATCH" });
  });

  test("racing first calls end with one slot", async () => {
    const world = new TrajectoryWorld();
    const both = [world.execute(bashCall("e")), world.execute(bashCall("f"))];
    (await world.flight("e")).end();
    (await world.flight("f")).end();
    assert.deepEqual(
      (await Promise.all(both)).map(({ slotGeneration }) => slotGeneration),
      [1, 1],
    );
    assert.equal(world.slots.granted.length, 1);
  });
});

describe("the same call again", () => {
  test("while it runs attaches to it: one execution, one answer each", async () => {
    const world = new TrajectoryWorld();
    const first = world.execute(bashCall("e"));
    const flight = (await world.flight("e")).start();
    const second = world.execute(bashCall("e"));
    flight.end();
    assert.deepEqual(await first, await second);
    assert.equal(world.flights.length, 1);
  });

  test("after its end gets the result again", async () => {
    const world = new TrajectoryWorld();
    const first = world.execute(bashCall("e"));
    (await world.flight("e")).end();
    assert.deepEqual(await world.execute(bashCall("e")), await first);
    assert.equal(world.flights.length, 1);
  });

  test("gets what a stream's call came to, and the stream keeps its own", async () => {
    const world = new TrajectoryWorld();
    const { sink, flight } = await world.running("a");
    const attached = world.execute(bashCall("a"));
    flight.end();
    assert.equal((await attached).output, "a");
    assert.deepEqual(sink.results, ["a OK"]);
    assert.deepEqual(world.open().sink.results, ["a OK"]);
  });

  test("from a stream makes the result the stream's too", async () => {
    const world = new TrajectoryWorld();
    const executed = world.execute(bashCall("e"));
    const { sink, at } = world.open();
    at.call(bashCall("e"));
    (await world.flight("e")).end();
    assert.equal((await executed).output, "e");
    assert.deepEqual(sink.results, ["e OK"]);
    at.ack(["e"]);
    assert.deepEqual(world.open().sink.results, []);
  });

  test("with other content is refused", async () => {
    const world = new TrajectoryWorld();
    const first = world.execute(bashCall("e"));
    const other = bashCall("e", { arguments: { command: "other" } });
    await assert.rejects(world.execute(other), { reason: "CALL_CONFLICT" });
    (await world.flight("e")).end();
    assert.equal((await first).output, "e");
  });

  test("its result is kept among the newest 64, then only its digest", async () => {
    const world = new TrajectoryWorld();
    for (let count = 0; count < 65; count++) {
      const executed = world.execute(bashCall(`e${count}`));
      (await world.flight(`e${count}`)).end();
      await executed;
    }
    await assert.rejects(world.execute(bashCall("e0")), { reason: "CALL_CONFLICT", message: /no longer kept/ });
    assert.equal((await world.execute(bashCall("e1"))).output, "e1");
    assert.equal(world.flights.length, 65);
  });
});

describe("a caller that went away", () => {
  test("changes nothing: its call runs on, and its result waits to be asked for", async () => {
    const world = new TrajectoryWorld();
    void world.execute(bashCall("e"));
    const flight = await world.flight("e");
    await world.clock.advance(1_000_000);
    flight.end();
    await world.clock.advance(100_000);
    assert.equal((await world.execute(bashCall("e"))).output, "e");
    assert.equal(world.flights.length, 1);
  });
});
