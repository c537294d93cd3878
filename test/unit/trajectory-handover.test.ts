// A server that goes and leaves its trajectories to the next one; and what their runners are told of acknowledgements.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bashCall, TrajectoryWorld } from "../support/trajectory-world.js";

const GRACE_MS = 30_000;

describe("handover", () => {
  test("running calls may end, queued ones are not answered, and the slot stays as it is", async () => {
    const world = new TrajectoryWorld();
    const { sink, at, flight } = await world.running("a");
    at.call(bashCall("b"));
    const closed = world.directory.close(GRACE_MS, true);
    await world.clock.advance(10_000);
    assert.deepEqual(sink.kinds, ["opened", "go_away"]);
    flight.end();
    await closed;
    assert.deepEqual(sink.results, ["a OK"]);
    assert.equal(sink.ended?.reason, "SHUTTING_DOWN");
    assert.deepEqual([world.flights.length, world.slots.released, world.clock.timers], [1, [], 1]);
  });

  test("what outlives the grace runs on, and is not answered by this server", async () => {
    const world = new TrajectoryWorld();
    const { sink, flight } = await world.running("a");
    const closed = world.directory.close(GRACE_MS, true);
    await world.clock.advance(GRACE_MS);
    await closed;
    assert.deepEqual([flight.cancelled, sink.results, world.slots.released], [false, [], []]);
    assert.equal(sink.ended?.reason, "SHUTTING_DOWN");
    // Its runner's word comes all the same; nobody listens any more.
    flight.end();
    await world.clock.turn();
    assert.deepEqual([sink.results, world.slots.released], [[], []]);
  });

  test("new calls are left to the next server; known ones are still answered", async () => {
    const world = new TrajectoryWorld();
    const { sink, at, flight } = await world.running("a");
    flight.end();
    at.call(bashCall("b"));
    (await world.flight("b")).start();
    const closed = world.directory.close(GRACE_MS, true);
    at.call(bashCall("new"));
    at.call(bashCall("a"));
    at.call(bashCall("b"));
    assert.deepEqual(sink.of("rejected"), []);
    assert.deepEqual(sink.results, ["a OK", "a OK"]);
    (await world.flight("b")).end();
    await closed;
    assert.equal(world.flights.length, 2);
  });

  test("who waits for an Execute is told to ask the next server, whether it is queued or runs", async () => {
    const world = new TrajectoryWorld();
    const running = world.execute(bashCall("a"));
    (await world.flight("a")).start();
    const queued = world.execute(bashCall("b"));
    const rejections = [running, queued].map((it) => assert.rejects(it, { reason: "SHUTTING_DOWN" }));
    const closed = world.directory.close(GRACE_MS, true);
    await world.clock.advance(GRACE_MS);
    await Promise.all([...rejections, closed]);
    assert.deepEqual([world.flights.length, world.slots.released], [1, []]);
  });

  test("an Execute whose call ends in time gets its result", async () => {
    const world = new TrajectoryWorld();
    const executed = world.execute(bashCall("a"));
    const flight = (await world.flight("a")).start();
    const closed = world.directory.close(GRACE_MS, true);
    await world.clock.turn();
    flight.end();
    assert.equal((await executed).status, "OK");
    await closed;
  });

  test("who waits for a slot is answered, as nobody goes on with a trajectory without one", async () => {
    const world = new TrajectoryWorld();
    world.slots.free = 0;
    const { sink, at } = world.open();
    at.call(bashCall("a"));
    await world.clock.turn();
    await world.directory.close(GRACE_MS, true);
    assert.equal(world.slots.acquires[0]?.signal.aborted, true);
    assert.deepEqual([sink.results, sink.kinds], [["a NOT_STARTED"], ["opened", "go_away", "result"]]);
    assert.equal(sink.ended?.reason, "SHUTTING_DOWN");
  });

  test("a trajectory without a stream or a call is left as it is, at once", async () => {
    const world = new TrajectoryWorld();
    const { at, flight } = await world.running("a");
    flight.end();
    at.detach();
    await world.directory.close(GRACE_MS, true);
    assert.deepEqual([world.slots.released, world.clock.timers], [[], 0]);
  });

  test("nobody may begin or come back", async () => {
    const world = new TrajectoryWorld();
    world.open();
    await world.directory.close(0, true);
    assert.throws(() => world.open(), { reason: "SHUTTING_DOWN" });
    assert.throws(() => world.open({ trajectoryId: "new" }), { reason: "SHUTTING_DOWN" });
    await assert.rejects(world.execute(bashCall("e")), { reason: "SHUTTING_DOWN" });
  });
});

describe("acknowledgements reach the runner", () => {
  test("when a stream's client has its results", async () => {
    const world = new TrajectoryWorld();
    const { at, flight } = await world.running("a");
    at.ack(["a"]);
    assert.deepEqual(world.slots.runner.acknowledged, []);
    flight.end();
    at.ack(["nobody", "a"]);
    at.ack(["a"]);
    assert.deepEqual(world.slots.runner.acknowledged, ["0 a"]);
  });

  test("when a result leaves the window of Execute", async () => {
    const world = new TrajectoryWorld();
    for (let count = 0; count < 66; count++) {
      const executed = world.execute(bashCall(`e${count}`));
      (await world.flight(`e${count}`)).end();
      await executed;
    }
    assert.deepEqual(world.slots.runner.acknowledged, ["0 e0", "0 e1"]);
  });

  test("not when the trajectory has no slot: what its runner kept went with the slot", async () => {
    const world = new TrajectoryWorld();
    const { at, flight } = await world.running("a");
    flight.end();
    world.slots.last.lose();
    at.ack(["a"]);
    assert.deepEqual(world.slots.runner.acknowledged, []);
  });
});

test("what a runner keeps of a call is what the next server needs", async () => {
  const world = new TrajectoryWorld();
  const { at, flight } = await world.running("a");
  const executed = world.execute(bashCall("e", { timeoutS: 9 }));
  await world.clock.advance(1500);
  flight.end();
  const second = await world.flight("e");
  const operations = [flight, second].map(({ entry }) => entry.operation);
  assert.deepEqual(
    operations.map(({ uniqId, forStream, context }) => [uniqId, forStream, JSON.parse(context)]),
    [
      ["a", true, { metadata: { timeout: 30 }, queueMs: 0 }],
      ["e", false, { metadata: { timeout: 9 }, queueMs: 1500 }],
    ],
  );
  for (const { digest } of operations) assert.match(digest, /^[0-9a-f]{64}$/);
  second.end();
  await executed;
  at.detach();
});
