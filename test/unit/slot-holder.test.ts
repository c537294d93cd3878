import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SwitchyardError } from "../../src/core/errors.js";
import { SlotHolder } from "../../src/trajectory/slot-holder.js";
import { FakeClock, settled } from "../support/fake-clock.js";
import { bindingOf } from "../support/outcomes.js";
import { type TestSlot, TestSlots } from "../support/trajectory-world.js";

function setUp() {
  const slots = new TestSlots(new FakeClock());
  slots.free = 0;
  const seen: string[] = [];
  const env: Record<string, string> = { A: "1" };
  const holder = new SlotHolder<TestSlot>(slots, "g", (generation) => bindingOf("t", { generation, env: { ...env } }), {
    acquired: () => seen.push("acquired"),
    failed: (error) => seen.push(`failed ${error.reason}: ${error.message}`),
    lost: (generation, why) => seen.push(`lost ${generation}: ${why.message}`),
  });
  const hold = async () => {
    holder.need();
    const slot = slots.acquires.at(-1)?.grant();
    await settled();
    assert(slot && holder.slot === slot);
    return slot;
  };
  return { slots, seen, holder, hold, env };
}

test("racing needs end with one slot, bound to its trajectory", async () => {
  const { slots, seen, holder } = setUp();
  holder.need();
  holder.need();
  assert.equal(slots.acquires.length, 1);
  assert.equal(slots.acquires[0]?.group, "g");
  assert.equal(holder.generation, 0);
  const slot = slots.acquires[0]?.grant();
  await settled();
  holder.need();
  assert.equal(slots.acquires.length, 1);
  assert.equal(holder.slot, slot);
  assert.deepEqual(slot?.bindings, [bindingOf("t", { generation: 1, env: { A: "1" } })]);
  assert.deepEqual(seen, ["acquired"]);
});

test("each slot is another generation, and without one it is 0", async () => {
  const { slots, holder, hold } = setUp();
  await hold();
  assert.equal(holder.generation, 1);
  assert.equal(await holder.giveBack(), true);
  assert.equal(holder.generation, 0);
  assert.equal(holder.slot, undefined);
  const second = await hold();
  assert.equal(holder.generation, 2);
  assert.equal(second.bindings[0]?.generation, 2);
  assert.equal(slots.released.length, 1);
});

test("a refused acquire says why, once with our words in front, and may be tried again", async () => {
  const { slots, seen, holder, hold } = setUp();
  const refuse = async (error: unknown) => {
    holder.need();
    slots.acquires.at(-1)?.refuse(error);
    await settled();
  };
  await refuse(new Error("no such image"));
  await refuse(new SwitchyardError("SANDBOX_UNAVAILABLE", "no namespaces"));
  await refuse(new SwitchyardError("ACQUIRE_FAILED", "Failed to acquire slot: it is full"));
  assert.deepEqual(seen, [
    "failed ACQUIRE_FAILED: Failed to acquire slot: no such image",
    "failed SANDBOX_UNAVAILABLE: Failed to acquire slot: no namespaces",
    "failed ACQUIRE_FAILED: Failed to acquire slot: it is full",
  ]);
  await hold();
});

test("one that is no longer wanted ends its acquire; a slot that was granted meanwhile goes back", async () => {
  const { slots, seen, holder } = setUp();
  holder.need();
  const [acquire] = slots.acquires;
  assert(acquire);
  const slot = acquire.grant();
  holder.withdraw();
  assert.equal(acquire.signal.aborted, true);
  await settled();
  assert.deepEqual(slots.released, [slot]);
  assert.deepEqual(seen, []);
  assert.equal(holder.slot, undefined);
});

test("after a withdrawal the next need is an acquire of its own", async () => {
  const { slots, seen, holder, hold } = setUp();
  holder.need();
  holder.withdraw();
  await hold();
  assert.equal(slots.acquires.length, 2);
  assert.deepEqual(seen, ["acquired"]);
});

test("withdrawing keeps a slot that is held", async () => {
  const { slots, holder, hold } = setUp();
  const slot = await hold();
  holder.withdraw();
  assert.equal(holder.slot, slot);
  assert.equal(slots.released.length, 0);
});

test("a lost slot is told of once, given back, and forgotten", async () => {
  const { slots, seen, holder, hold } = setUp();
  const slot = await hold();
  slot.lose();
  slot.lose();
  assert.deepEqual(seen, ["acquired", "lost 1: container died"]);
  assert.deepEqual(slots.released, [slot]);
  assert.equal(holder.generation, 0);
});

test("a slot that dies after it was given back is nobody's loss", async () => {
  const { slots, seen, holder, hold } = setUp();
  const slot = await hold();
  await holder.giveBack();
  slot.lose();
  assert.deepEqual(seen, ["acquired"]);
  assert.equal(slots.released.length, 1);
});

test("a slot that cannot be bound goes back, and the acquire failed", async () => {
  const { slots, seen, holder } = setUp();
  holder.need();
  const slot = slots.acquires[0]?.grant();
  assert(slot);
  slot.bindError = new SwitchyardError("SLOT_CHANGED", "slot lost: container died");
  await settled();
  assert.deepEqual(seen, ["failed SLOT_CHANGED: Failed to acquire slot: slot lost: container died"]);
  assert.deepEqual(slots.released, [slot]);
  assert.equal(holder.slot, undefined);
});

test("giving back says whether the slot was wiped; without one there is nothing to wipe", async () => {
  const { slots, holder, hold } = setUp();
  assert.equal(await holder.giveBack(), true);
  slots.wiped = Promise.resolve(false);
  await hold();
  assert.equal(await holder.giveBack(), false);
});

describe("a slot from an earlier server", () => {
  const restored = () => {
    const world = setUp();
    const slot = world.slots.held();
    world.holder.restore(slot, 5);
    return { ...world, slot };
  };

  test("is held as it is, without an acquire or a binding; the next one is the next generation", async () => {
    const { slots, seen, holder, hold, slot } = restored();
    holder.need();
    assert.deepEqual([holder.slot, holder.generation, slots.acquires.length], [slot, 5, 0]);
    assert.deepEqual([slot.bindings, seen], [[], []]);
    await holder.giveBack();
    assert.deepEqual(slots.released, [slot]);
    const next = await hold();
    assert.equal(next.bindings[0]?.generation, 6);
  });

  test("is lost as any other", () => {
    const { slots, seen, holder, slot } = restored();
    slot.lose();
    assert.deepEqual(seen, ["lost 5: container died"]);
    assert.deepEqual([slots.released, holder.slot], [[slot], undefined]);
  });
});

describe("binding anew", () => {
  test("tells the runner what has changed, of the slot that is held", async () => {
    const { holder, hold, env } = setUp();
    holder.rebind();
    const slot = await hold();
    env.A = "2";
    holder.rebind();
    assert.deepEqual(
      slot.bindings.map((binding) => [binding.generation, binding.env.A]),
      [
        [1, "1"],
        [1, "2"],
      ],
    );
    await holder.giveBack();
    holder.rebind();
    assert.equal(slot.bindings.length, 2);
  });

  test("a slot that is being lost does not throw at whoever asked", async () => {
    const { holder, hold, seen } = setUp();
    const slot = await hold();
    slot.bindError = new SwitchyardError("SLOT_CHANGED", "slot lost");
    holder.rebind();
    assert.deepEqual([holder.slot, seen], [slot, ["acquired"]]);
  });
});
