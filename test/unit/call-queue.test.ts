import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SwitchyardError } from "../../src/core/errors.js";
import { failedOutcome, type Outcome } from "../../src/core/outcome.js";
import { Catalogue } from "../../src/tools/catalogue.js";
import { CallQueue } from "../../src/trajectory/call-queue.js";
import { SlotHolder } from "../../src/trajectory/slot-holder.js";
import type { QueuedCall } from "../../src/trajectory/started-call.js";
import { FakeClock } from "../support/fake-clock.js";
import { bindingOf, DIGEST, okOutcome } from "../support/outcomes.js";
import { bashCall, Flight, TestSlots } from "../support/trajectory-world.js";

const catalogue = new Catalogue({ limits: { fileBytesMax: 1000 }, timeouts: { minS: 1, maxS: 600 } });

function setUp(free = 1) {
  const clock = new FakeClock();
  const slots = new TestSlots(clock);
  slots.free = free;
  const flights: Flight[] = [];
  const outcomes = new Map<string, Outcome>();
  const started: string[] = [];
  const gate = { open: true, closed: false };
  const holder = new SlotHolder(slots, "", (generation) => bindingOf("t", { generation }), {
    acquired: () => queue.pump(),
    failed: (error) => queue.failHead(error),
    lost: (_, why) => queue.failQueued(why),
  });
  const queue = new CallQueue({
    clock,
    slot: holder,
    submit: (entry) => {
      const flight = new Flight(entry);
      flights.push(flight);
      if (gate.closed) flight.cancel();
      return flight;
    },
    mayStart: () => gate.open,
  });
  const push = (uniqId: string, fields: Partial<QueuedCall> = {}) => {
    const planned = catalogue.plan(bashCall(uniqId), 30);
    assert(planned.kind === "sandbox");
    queue.push({
      uniqId,
      digest: DIGEST,
      forStream: true,
      plan: planned.plan,
      queueTimeoutS: 60,
      onStarted: () => started.push(uniqId),
      settle: (outcome) => {
        assert(!outcomes.has(uniqId), `${uniqId} settled twice`);
        outcomes.set(uniqId, outcome);
      },
      ...fields,
    });
  };
  const ends = () => [...outcomes].map(([uniqId, { status }]) => `${uniqId} ${status}`);
  const commands = () => flights.map(({ command }) => command);
  return { clock, slots, flights, outcomes, started, gate, holder, queue, push, ends, commands };
}

describe("order", () => {
  test("one at a time, in the order accepted", async () => {
    const world = setUp();
    for (const uniqId of ["a", "b", "c"]) world.push(uniqId);
    await world.clock.turn();
    assert.deepEqual(world.commands(), ["a"]);
    world.flights[0]?.end();
    assert.deepEqual(world.commands(), ["a", "b"]);
    world.flights[1]?.end(failedOutcome("TIMED_OUT", "Command timed out after 30s"));
    world.flights[2]?.end();
    assert.deepEqual(world.ends(), ["a OK", "b TIMED_OUT", "c OK"]);
    assert.deepEqual(world.started, ["a", "b", "c"]);
    assert.equal(world.slots.acquires.length, 1);
    assert.equal(world.clock.timers, 0);
  });

  test("while no call may start nothing does, and a slot is not asked for", async () => {
    const world = setUp();
    world.gate.open = false;
    world.push("a");
    await world.clock.turn();
    assert.equal(world.slots.acquires.length, 0);
    world.gate.open = true;
    world.queue.pump();
    await world.clock.turn();
    assert.deepEqual(world.commands(), ["a"]);
  });

  test("a batcher that is closed settles the call before it returns, and the next one has its turn", async () => {
    const world = setUp();
    world.gate.closed = true;
    world.push("a");
    world.push("b");
    await world.clock.turn();
    assert.deepEqual(world.ends(), ["a CANCELLED", "b CANCELLED"]);
  });
});

describe("times", () => {
  test("the wait for the slot and for the batch is queue time; what the runner says is exec time", async () => {
    const world = setUp(0);
    world.push("a");
    await world.clock.advance(1500);
    world.slots.acquires[0]?.grant();
    await world.clock.advance(20);
    const flight = world.flights[0]?.start();
    await world.clock.advance(5000);
    flight?.end({ ...okOutcome(), execMs: 4990 });
    const outcome = world.outcomes.get("a");
    assert.equal(outcome?.queueMs, 1520);
    assert.equal(outcome?.execMs, 4990);
    assert.equal(outcome?.slotGeneration, 1);
  });

  test("the queue timeout ends a call that waits, and its wait for a slot", async () => {
    const world = setUp(0);
    world.push("a", { queueTimeoutS: 5 });
    world.push("b", { queueTimeoutS: 8 });
    await world.clock.advance(4999);
    assert.deepEqual(world.ends(), []);
    await world.clock.advance(1);
    assert.deepEqual(world.ends(), ["a NOT_STARTED"]);
    assert.equal(world.outcomes.get("a")?.error, "Failed to acquire slot: not started within the queue timeout of 5 s");
    assert.equal(world.outcomes.get("a")?.queueMs, 5000);
    assert.equal(world.slots.acquires[0]?.signal.aborted, false);
    await world.clock.advance(3000);
    assert.deepEqual(world.ends(), ["a NOT_STARTED", "b NOT_STARTED"]);
    assert.equal(world.slots.acquires[0]?.signal.aborted, true);
  });

  test("it has no say once the call was given to the batcher", async () => {
    const world = setUp();
    world.push("a", { queueTimeoutS: 5 });
    await world.clock.advance(10_000);
    assert.deepEqual(world.ends(), []);
    world.flights[0]?.end();
    assert.deepEqual(world.ends(), ["a OK"]);
  });
});

describe("a slot that cannot be had", () => {
  test("fails only the call that needed it; the next one tries again", async () => {
    const world = setUp(0);
    world.push("a");
    world.push("b");
    world.slots.acquires[0]?.refuse(new SwitchyardError("ACQUIRE_FAILED", "no containers"));
    await world.clock.turn();
    assert.deepEqual(world.ends(), ["a NOT_STARTED"]);
    assert.equal(world.outcomes.get("a")?.error, "Failed to acquire slot: no containers");
    world.slots.acquires[1]?.grant();
    await world.clock.turn();
    assert.deepEqual(world.commands(), ["b"]);
  });

  test("required isolation that cannot be had is its own status", async () => {
    const world = setUp(0);
    world.push("a");
    world.slots.acquires[0]?.refuse(new SwitchyardError("SANDBOX_UNAVAILABLE", "no namespaces"));
    await world.clock.turn();
    assert.deepEqual(world.ends(), ["a SANDBOX_UNAVAILABLE"]);
  });
});

describe("slot generation", () => {
  test("a call for another life of the slot never starts, and the next one does", async () => {
    const world = setUp();
    world.push("a", { slotGeneration: 2 });
    world.push("b", { slotGeneration: 1 });
    await world.clock.turn();
    assert.deepEqual(world.ends(), ["a NOT_STARTED"]);
    assert.match(world.outcomes.get("a")?.error ?? "", /asked for slot generation 2, the trajectory has 0/);
    assert.deepEqual(world.commands(), ["b"]);
  });

  test("without a slot, a call for an earlier life of it ends at once, and no slot is acquired for it", async () => {
    const world = setUp();
    world.push("a");
    await world.clock.turn();
    world.flights[0]?.end();
    await world.holder.giveBack();
    const timers = world.clock.timers;
    for (const uniqId of ["b", "c"]) world.push(uniqId, { slotGeneration: 1 });
    assert.deepEqual(world.ends(), ["a OK", "b NOT_STARTED", "c NOT_STARTED"]);
    await world.clock.turn();
    assert.equal(world.slots.acquires.length, 1);
    assert.equal(world.clock.timers, timers);
  });

  test("the next life of the slot can be asked for before there is one", async () => {
    const world = setUp(2);
    world.push("a");
    await world.clock.turn();
    world.flights[0]?.end();
    await world.holder.giveBack();
    world.push("b", { slotGeneration: 2 });
    await world.clock.turn();
    assert.deepEqual(world.commands(), ["a", "b"]);
  });
});

describe("a lost slot", () => {
  const LOST = new SwitchyardError("SLOT_CHANGED", "slot lost");

  test("ends what waits and what the batcher has not sent as NOT_STARTED, with no slot in the result", async () => {
    const world = setUp();
    world.push("batched");
    world.push("waiting");
    await world.clock.turn();
    world.slots.last.lose(LOST);
    assert.deepEqual(world.ends(), ["batched NOT_STARTED", "waiting NOT_STARTED"]);
    for (const { error, slotGeneration } of world.outcomes.values())
      assert.deepEqual([error, slotGeneration], ["slot lost", 0]);
    assert.equal(world.flights[0]?.cancelled, true);
  });

  test("leaves what runs to its runner's word", async () => {
    const world = setUp();
    world.push("running");
    await world.clock.turn();
    world.flights[0]?.start();
    world.slots.last.lose(LOST);
    assert.deepEqual(world.ends(), []);
    assert.equal(world.flights[0]?.cancelled, false);
    world.flights[0]?.end(failedOutcome("LOST", "container died"));
    assert.deepEqual(world.ends(), ["running LOST"]);
    assert.equal(world.outcomes.get("running")?.slotGeneration, 1);
  });

  test("and what comes later gets another", async () => {
    const world = setUp(2);
    world.push("a");
    await world.clock.turn();
    world.slots.last.lose(LOST);
    world.push("b");
    await world.clock.turn();
    world.flights[1]?.end();
    assert.equal(world.outcomes.get("b")?.slotGeneration, 2);
  });
});

describe("cancel", () => {
  test("one that waits ends at once, and nobody asks for a slot any more", async () => {
    const world = setUp(0);
    world.push("a");
    world.queue.cancel("a");
    world.queue.cancel("a");
    world.queue.cancel("nobody");
    assert.deepEqual(world.ends(), ["a CANCELLED"]);
    assert.equal(world.slots.acquires[0]?.signal.aborted, true);
  });

  test("one that runs ends when its runner says so", async () => {
    const world = setUp();
    world.push("a");
    world.push("b");
    await world.clock.turn();
    world.flights[0]?.start();
    world.queue.cancel("a");
    assert.deepEqual(world.ends(), []);
    assert.equal(world.flights[0]?.cancelled, true);
    world.flights[0]?.end(failedOutcome("CANCELLED", "Cancelled"));
    assert.deepEqual(world.ends(), ["a CANCELLED"]);
    assert.deepEqual(world.commands(), ["a", "b"]);
  });

  test("all of them: what waits at once, what runs is asked", async () => {
    const world = setUp();
    for (const uniqId of ["a", "b", "c"]) world.push(uniqId);
    await world.clock.turn();
    world.flights[0]?.start();
    world.queue.cancelAll();
    assert.deepEqual(world.ends(), ["b CANCELLED", "c CANCELLED"]);
    assert.equal(world.flights[0]?.cancelled, true);
  });
});

describe("a call that runs already", () => {
  function following() {
    const world = setUp();
    world.slots.free = 1;
    let end: () => void = () => undefined;
    let cancels = 0;
    world.queue.follow("a", (ended) => {
      end = ended;
      return { cancel: () => (cancels += 1) };
    });
    return { ...world, end: () => end(), cancels: () => cancels };
  }

  test("has its turn first, and the next one after its end", async () => {
    const world = following();
    world.push("b");
    await world.clock.turn();
    assert.deepEqual(world.commands(), []);
    world.end();
    await world.clock.turn();
    assert.deepEqual(world.commands(), ["b"]);
  });

  test("is cancelled by its name, or with all", () => {
    const world = following();
    world.queue.cancel("b");
    assert.equal(world.cancels(), 0);
    world.queue.cancel("a");
    world.queue.cancelAll();
    assert.equal(world.cancels(), 2);
  });

  test("is not touched when the slot is lost: its runner's word settles it", () => {
    const world = following();
    world.queue.failQueued(new SwitchyardError("SLOT_CHANGED", "slot lost"));
    assert.equal(world.cancels(), 0);
  });
});

test("idle: at once, or when what runs has ended, whatever waits", async () => {
  const world = setUp();
  await world.queue.idle();
  world.push("a");
  world.push("b");
  await world.clock.turn();
  world.gate.open = false;
  let idle = false;
  void world.queue.idle().then(() => {
    idle = true;
  });
  await world.clock.turn();
  assert.equal(idle, false);
  world.flights[0]?.end();
  await world.clock.turn();
  assert.deepEqual([idle, world.ends()], [true, ["a OK"]]);
});
