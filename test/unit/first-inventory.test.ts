import assert from "node:assert/strict";
import { test } from "node:test";
import { FirstInventory } from "../../src/backend/first-inventory.js";
import { Peer } from "../support/runner-peer.js";

const inventory = (slots = 0) => ({
  ready: undefined,
  slots: Array.from({ length: slots }, () => Object.create(null)),
});

test("it is taken once, whether it comes before or after somebody asks", () => {
  for (const isEarly of [true, false]) {
    const first = new FirstInventory();
    const taken: number[] = [];
    const ask = () => first.take(({ slots }) => taken.push(slots.length));
    if (!isEarly) ask();
    assert.equal(first.offer(inventory(1)), true);
    if (isEarly) ask();
    assert.equal(first.offer(inventory(2)), false);
    assert.deepEqual(taken, [1]);
  }
});

test("of several that come before anybody asks the newest counts", () => {
  const first = new FirstInventory();
  for (const slots of [1, 2]) assert.equal(first.offer(inventory(slots)), true);
  const taken: number[] = [];
  first.take(({ slots }) => taken.push(slots.length));
  assert.deepEqual(taken, [2]);
});

test("a runner that is up before its engine has said so is made ready like any other", async () => {
  const peer = new Peer();
  await peer.begin({ ready: undefined, slots: [] });
  const started = peer.client.start(new AbortController().signal);
  await peer.say({ $case: "ready", value: { isolation: "namespace" } });
  await started;
  assert.deepEqual([peer.client.isolation, peer.lost], ["namespace", undefined]);
});
