// What a directory tells of its trajectories to those who watch.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ANYONE } from "../../src/core/principal.js";
import { bashCall, knownCall, TrajectoryWorld } from "../support/trajectory-world.js";

function only(world: TrajectoryWorld) {
  const { total, shown } = world.directory.list(ANYONE, 10);
  assert.equal(total, 1);
  const [one] = shown;
  assert(one);
  return one;
}

test("a trajectory is followed from its first call to the end of its lease", async () => {
  const world = new TrajectoryWorld();
  world.slots.free = 0;
  const { at } = world.open({ group: "g" });
  at.call(bashCall("a"));
  at.call(bashCall("b"));
  await world.clock.advance(5_000);
  const waiting = { trajectoryId: "t", pool: "default", group: "g", attached: true, callsQueued: 2, callsRunning: 0 };
  const still = { callsTotal: 2, slotGeneration: 0, ageMs: 5_000, leaseLeftMs: undefined, idleMs: 5_000 };
  assert.deepEqual(only(world), { ...waiting, ...still });
  world.slots.acquires[0]?.grant();
  const first = await world.flight("a");
  assert.deepEqual(
    [only(world).callsQueued, only(world).slotGeneration],
    [2, 1],
    "with the batcher it is queued still",
  );
  first.start();
  assert.deepEqual([only(world).callsQueued, only(world).callsRunning], [1, 1]);
  first.end();
  assert.deepEqual([only(world).callsRunning, only(world).idleMs], [0, 0]);
  (await world.flight("b")).end();
  at.detach();
  await world.clock.advance(20_000);
  const { attached, leaseLeftMs, idleMs, callsTotal } = only(world);
  assert.deepEqual([attached, leaseLeftMs, idleMs, callsTotal], [false, 100_000, 20_000, 2]);
  world.open({ group: "g" });
  assert.deepEqual([only(world).leaseLeftMs, only(world).idleMs, only(world).attached], [undefined, 0, true]);
  await world.release();
  assert.deepEqual(world.directory.list(ANYONE, 10), { total: 0, shown: [] });
});

test("an Execute holds it, and a refused call counts for nothing", async () => {
  const world = new TrajectoryWorld();
  const executed = world.execute(bashCall("a"));
  await assert.rejects(world.execute(bashCall("a", { tool: "other" })), { reason: "CALL_CONFLICT" });
  const flight = (await world.flight("a")).start();
  assert.deepEqual([only(world).attached, only(world).callsRunning, only(world).callsTotal], [true, 1, 1]);
  flight.end();
  await executed;
  assert.deepEqual([only(world).attached, only(world).callsRunning], [false, 0]);
});

test("what an earlier server left is counted as it is", async () => {
  const world = new TrajectoryWorld();
  world.restore([knownCall("a", "finished"), knownCall("b", "acknowledged"), knownCall("c", "running")]);
  const { callsTotal, callsQueued, callsRunning, slotGeneration, attached } = only(world);
  assert.deepEqual([callsTotal, callsQueued, callsRunning, slotGeneration, attached], [3, 0, 1, 3, false]);
  world.followed[0]?.end();
  assert.equal(only(world).callsRunning, 0);
});

test("the most active ones are shown, and the others counted", async () => {
  const world = new TrajectoryWorld();
  for (const trajectoryId of ["old", "busy", "new"]) {
    const { at } = world.open({ trajectoryId });
    if (trajectoryId === "busy") at.call(bashCall("a"));
    await world.clock.advance(1_000);
  }
  const { total, shown } = world.directory.list(ANYONE, 2);
  assert.deepEqual([total, shown.map(({ trajectoryId }) => trajectoryId)], [3, ["busy", "new"]]);
  assert.deepEqual(world.directory.list(ANYONE, 0), { total: 3, shown: [] });
});
