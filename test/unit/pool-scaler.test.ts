import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SwitchyardError } from "../../src/core/errors.js";
import { adviseStart, afterFailure, CLOSED, isOpen } from "../../src/pool/breaker.js";
import { POOL_LIMITS, poolLimits } from "../../src/pool/limits.js";
import { containersToStart, type Demand, idleToEnd } from "../../src/pool/scaler.js";

const limits = poolLimits({
  slotsPerContainer: 10,
  minContainers: 1,
  maxContainers: 10,
  startingMax: 4,
  idleTtlS: 300,
  failuresMax: 3,
});

function toStart(demand: Partial<Demand>): number {
  return containersToStart({ waiters: 0, slotsReady: 0, starting: 0, serving: 1, leaving: 0, ...demand }, limits);
}

describe("containersToStart", () => {
  test("nobody waits: nothing starts", () => assert.equal(toStart({}), 0));
  test("waiters and no free slot: as many containers as they need", () => {
    assert.equal(toStart({ waiters: 1 }), 1);
    assert.equal(toStart({ waiters: 10 }), 1);
    assert.equal(toStart({ waiters: 11 }), 2);
  });
  test("those that start already count", () => {
    assert.equal(toStart({ waiters: 25, starting: 2 }), 1);
    assert.equal(toStart({ waiters: 25, starting: 3 }), 0);
  });
  test("waiters who will find a free slot need no container", () =>
    assert.equal(toStart({ waiters: 3, slotsReady: 3 }), 0));
  test("no more at once than startingMax", () => assert.equal(toStart({ waiters: 1000 }), 4));
  test("never above the maximum, leaving containers included", () => {
    assert.equal(toStart({ waiters: 1000, serving: 8 }), 2);
    assert.equal(toStart({ waiters: 1000, serving: 8, leaving: 1 }), 1);
    assert.equal(toStart({ waiters: 1000, serving: 8, leaving: 3 }), 0);
  });
  test("keeps the minimum, and a leaving container does not count for it", () => {
    assert.equal(toStart({ serving: 0 }), 1);
    assert.equal(toStart({ serving: 0, starting: 1 }), 0);
    assert.equal(toStart({ serving: 0, leaving: 1 }), 1);
  });
});

describe("idleToEnd", () => {
  const at = (container: string, idleSinceMs: number | undefined) => ({ container, idleSinceMs });
  const now = 1_000_000;
  test("ends what stood idle long enough, and says when to look again", () => {
    const serving = [at("a", undefined), at("b", now - 300_000), at("c", now - 299_000)];
    assert.deepEqual(idleToEnd(serving, now, limits), { end: ["b"], againMs: 1_000 });
  });
  test("keeps the minimum, ending the longest idle", () => {
    const serving = [at("a", now - 400_000), at("b", now - 500_000)];
    assert.deepEqual(idleToEnd(serving, now, limits), { end: ["b"], againMs: undefined });
  });
  test("at the minimum nothing ends", () => {
    assert.deepEqual(idleToEnd([at("a", 0)], now, limits), { end: [], againMs: undefined });
  });
});

describe("breaker", () => {
  const fail = (times: number, eachAt = (n: number) => n * 100_000) => {
    let breaker = CLOSED;
    for (let n = 1; n <= times; n += 1) {
      breaker = afterFailure(breaker, { beganMs: eachAt(n), nowMs: eachAt(n), error: `e${n}` }, limits);
    }
    return breaker;
  };
  test("pauses double up to the cap", () => {
    const pause = (times: number) => fail(times).retryAtMs - fail(times).lastFailureMs;
    assert.deepEqual([1, 2, 3, 4].map(pause), [500, 1000, 2000, 4000]);
    assert.equal(pause(50), 30_000);
  });
  test("opens after failuresMax in a row", () => {
    assert.equal(isOpen(fail(2), limits), false);
    assert.equal(isOpen(fail(3), limits), true);
  });
  test("starts that fail together are one failure", () => {
    let breaker = afterFailure(CLOSED, { beganMs: 0, nowMs: 500, error: "a" }, limits);
    breaker = afterFailure(breaker, { beganMs: 0, nowMs: 501, error: "b" }, limits);
    assert.equal(breaker.failures, 1);
    assert.equal(breaker.lastError, "b");
  });
  test("while paused nothing starts; open, one start tries", () => {
    const open = fail(3);
    assert.deepEqual(adviseStart(open, 4, 0, open.retryAtMs - 7, limits), { kind: "pause", againMs: 7 });
    assert.deepEqual(adviseStart(open, 4, 0, open.retryAtMs, limits), { kind: "start", count: 1 });
    assert.deepEqual(adviseStart(open, 4, 1, open.retryAtMs, limits), { kind: "start", count: 0 });
    assert.deepEqual(adviseStart(CLOSED, 4, 0, 0, limits), { kind: "start", count: 4 });
  });
});

test("limits that no pool can obey are named with their range", () => {
  const message = "pool limit minContainers is 11; give a whole number, 0 to 10";
  assert.throws(() => poolLimits({ minContainers: 11 }), new SwitchyardError("CONFIG_INVALID", message));
  assert.throws(() => poolLimits({ slotsPerContainer: 0 }), /slotsPerContainer is 0; give a whole number, at least 1/);
  assert.deepEqual(poolLimits({}), POOL_LIMITS);
});
