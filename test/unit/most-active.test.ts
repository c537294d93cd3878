// Which trajectories a watcher is shown.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../src/load/random.js";
import { mostActive } from "../../src/trajectory/most-active.js";

const item = (isBusy: boolean, lastMs: number) => ({ activity: { isBusy, lastMs } });

test("those with unfinished calls come first, then those that were active last", () => {
  const [idleNew, busyOld, busyNew, idleOld] = [item(false, 9), item(true, 1), item(true, 2), item(false, 0)];
  const items = [idleNew, busyOld, busyNew, idleOld];
  assert.deepEqual(mostActive(items, 10), [busyNew, busyOld, idleNew, idleOld]);
  assert.deepEqual(mostActive(items, 3), [busyNew, busyOld, idleNew]);
  assert.deepEqual(mostActive(items, 0), []);
  assert.deepEqual(mostActive([], 5), []);
});

test("of very many it finds the same as sorting all of them would", () => {
  const random = new Random(7);
  const items = Array.from({ length: 5000 }, () => item(random.chance(0.3), random.whole(0, 1e9)));
  const sorted = [...items].sort(
    ({ activity: a }, { activity: b }) => Number(b.isBusy) - Number(a.isBusy) || b.lastMs - a.lastMs,
  );
  for (const max of [1, 7, 1000, 4999, 6000]) assert.deepEqual(mostActive(items, max), sorted.slice(0, max));
});
