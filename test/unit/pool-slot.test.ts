import assert from "node:assert/strict";
import { test } from "node:test";
import { SwitchyardError } from "../../src/core/errors.js";
import { Slot, type SlotState } from "../../src/pool/slot.js";
import { FakeBackend, FakeContainer } from "../support/fake-backend.js";
import { FakeClock } from "../support/fake-clock.js";
import { bindingOf } from "../support/outcomes.js";

const WHY = new SwitchyardError("RUNNER_LOST", "container died");
const BINDING = bindingOf("t1");

type Step = "opened" | "lease" | "closing" | "quarantine" | "die";

function walk(steps: readonly Step[]): Slot {
  const slot = new Slot(new FakeContainer("c1", new FakeBackend(new FakeClock())), 0, () => undefined);
  for (const step of steps) {
    if (step === "die") slot.die(WHY);
    else slot[step]();
  }
  return slot;
}

const LAWFUL: readonly (readonly [readonly Step[], SlotState])[] = [
  [[], "opening"],
  [["opened"], "ready"],
  [["opened", "lease"], "leased"],
  [["opened", "lease", "closing"], "closing"],
  [["opened", "closing"], "closing"],
  [["opened", "lease", "closing", "opened"], "ready"],
  [["opened", "lease", "closing", "quarantine"], "quarantined"],
  [["die"], "dead"],
  [["opened", "lease", "die"], "dead"],
  [["opened", "lease", "closing", "quarantine", "die"], "dead"],
];

const UNLAWFUL: readonly (readonly Step[])[] = [
  ["lease"],
  ["closing"],
  ["quarantine"],
  ["opened", "opened"],
  ["opened", "lease", "lease"],
  ["opened", "lease", "opened"],
  ["opened", "lease", "quarantine"],
  ["opened", "lease", "closing", "lease"],
  ["opened", "lease", "closing", "quarantine", "opened"],
  ["opened", "lease", "closing", "quarantine", "lease"],
  ["die", "opened"],
  ["die", "die"],
];

for (const [steps, state] of LAWFUL) {
  test(`${steps.join(", ") || "at first"}: ${state}`, () => assert.equal(walk(steps).state, state));
}

for (const steps of UNLAWFUL) {
  test(`${steps.join(", ")}: refused`, () => {
    assert.equal(walk(steps.slice(0, -1)).state === "dead", steps[0] === "die");
    assert.throws(() => walk(steps), { reason: "INTERNAL", message: /slot 0: \w+ cannot become \w+/ });
  });
}

test("the holder learns that its slot died, at once, or later if it asks later", () => {
  const slot = walk(["opened"]);
  const [early, late] = [slot.lease(), [] as string[]];
  const heard: string[] = [];
  early.onLost((why) => heard.push(why.message));
  slot.die(WHY);
  assert.deepEqual(heard, ["container died"]);
  early.onLost((why) => late.push(why.message));
  assert.deepEqual(late, ["container died"]);
});

test("after its release a holder hears nothing and can bind nothing", () => {
  const slot = walk(["opened"]);
  const stale = slot.lease();
  stale.onLost(() => assert.fail("told of a slot that it no longer has"));
  slot.closing();
  assert.throws(() => stale.bind(BINDING), { reason: "SLOT_CHANGED", message: "slot was released" });
  slot.opened();
  slot.lease();
  assert.throws(() => stale.bind(BINDING), { reason: "SLOT_CHANGED" });
  slot.die(WHY);
});

test("a lost slot cannot be bound, and that is no lost call", () => {
  const slot = walk(["opened"]);
  const holder = slot.lease();
  slot.die(WHY);
  assert.throws(() => holder.bind(BINDING), { reason: "SLOT_CHANGED", message: "slot lost: container died" });
});
