import assert from "node:assert/strict";
import { test } from "node:test";
import { Patience } from "../../src/core/patience.js";
import { FakeClock } from "../support/fake-clock.js";

function setUp() {
  const clock = new FakeClock();
  const patience = new Patience(clock, 10);
  const over: string[] = [];
  const begin = (name: string) => patience.begin(() => over.push(`${name} at ${clock.now()}`));
  return { clock, patience, over, begin };
}

test("it is over when the limit passes and nothing else gets done", async () => {
  const { clock, over, begin } = setUp();
  begin("a");
  await clock.advance(9);
  assert.deepEqual(over, []);
  await clock.advance(1);
  assert.deepEqual(over, ["a at 10"]);
  assert.equal(clock.timers, 0);
});

test("what gets done beside it gives it as much time again", async () => {
  const { clock, patience, over, begin } = setUp();
  begin("a");
  await clock.advance(8);
  patience.done();
  await clock.advance(9);
  assert.deepEqual(over, []);
  await clock.advance(1);
  assert.deepEqual(over, ["a at 18"]);
});

test("what got done before it began gives it nothing", async () => {
  const { clock, patience, over, begin } = setUp();
  patience.done();
  await clock.advance(5);
  begin("a");
  await clock.advance(10);
  assert.deepEqual(over, ["a at 15"]);
});

test("ten limits are the most, whatever gets done", async () => {
  const { clock, patience, over, begin } = setUp();
  begin("a");
  for (let ms = 0; ms < 120; ms += 5) {
    await clock.advance(5);
    patience.done();
  }
  assert.deepEqual(over, ["a at 100"]);
});

test("cancelled, it is never over", async () => {
  const { clock, patience, over, begin } = setUp();
  const limit = begin("a");
  await clock.advance(8);
  patience.done();
  await clock.advance(3);
  limit.cancel();
  limit.cancel();
  await clock.advance(100);
  assert.deepEqual(over, []);
  assert.equal(clock.timers, 0);
});
