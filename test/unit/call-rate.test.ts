import assert from "node:assert/strict";
import { test } from "node:test";
import { CallRate } from "../../src/trajectory/call-rate.js";
import { FakeClock } from "../support/fake-clock.js";

function rateOf(perS: number) {
  const clock = new FakeClock();
  const limit = { perS };
  const rate = new CallRate(clock, () => limit.perS);
  /** How many calls may begin now. */
  const takeAll = () => {
    for (let taken = 0; ; taken += 1) {
      if (taken === 1000 || rate.waitMs() > 0) return taken;
      rate.take();
    }
  };
  return { clock, limit, rate, takeAll };
}

test("a second's worth may begin at once, then as many as time earns", async () => {
  const { clock, rate, takeAll } = rateOf(10);
  assert.equal(takeAll(), 10);
  assert.equal(rate.waitMs(), 100);
  await clock.advance(99);
  assert.equal(takeAll(), 0);
  await clock.advance(1);
  assert.equal(takeAll(), 1);
  await clock.advance(450);
  assert.equal(takeAll(), 4);
  assert.equal(rate.waitMs(), 50);
  await clock.advance(1_000_000);
  assert.equal(takeAll(), 10);
});

test("a rate below one a second lets one begin", async () => {
  const { clock, rate, takeAll } = rateOf(0.5);
  assert.equal(takeAll(), 1);
  assert.equal(rate.waitMs(), 2000);
  await clock.advance(rate.waitMs());
  assert.equal(takeAll(), 1);
});

test("asking costs nothing", () => {
  const { rate, takeAll } = rateOf(2);
  for (let asked = 0; asked < 10; asked += 1) assert.equal(rate.waitMs(), 0);
  assert.equal(takeAll(), 2);
});

test("none is no limit, and a limit that changes counts at once", async () => {
  const { clock, limit, takeAll } = rateOf(0);
  assert.equal(takeAll(), 1000);
  limit.perS = 3;
  assert.equal(takeAll(), 3);
  limit.perS = 30;
  await clock.advance(100);
  assert.equal(takeAll(), 3);
  limit.perS = 0;
  assert.equal(takeAll(), 1000);
});
