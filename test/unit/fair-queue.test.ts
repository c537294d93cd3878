import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../src/load/random.js";
import { FairQueue } from "../../src/pool/fair-queue.js";

function drain<T>(queue: FairQueue<T>): T[] {
  const served: T[] = [];
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) served.push(item);
  return served;
}

test("keeps first come first served within a group", () => {
  const queue = new FairQueue<string>();
  for (const item of ["a", "b", "c"]) queue.push("g", item);
  assert.deepEqual(drain(queue), ["a", "b", "c"]);
});

test("serves groups in turn, whatever their length", () => {
  const queue = new FairQueue<string>();
  for (const item of ["a1", "a2", "a3", "a4"]) queue.push("a", item);
  queue.push("b", "b1");
  for (const item of ["c1", "c2"]) queue.push("c", item);
  assert.deepEqual(drain(queue), ["a1", "b1", "c1", "a2", "c2", "a3", "a4"]);
});

test("a group that comes back stands at the end of the round", () => {
  const queue = new FairQueue<string>();
  queue.push("a", "a1");
  queue.push("b", "b1");
  queue.push("c", "c1");
  assert.equal(queue.shift(), "a1");
  queue.push("a", "a2");
  assert.deepEqual(drain(queue), ["b1", "c1", "a2"]);
});

test("a removed item is never served, and its group does not lose its turn", () => {
  const queue = new FairQueue<string>();
  const first = queue.push("a", "a1");
  queue.push("a", "a2");
  queue.push("b", "b1");
  assert.equal(first.remove(), true);
  assert.equal(first.remove(), false);
  assert.equal(queue.size, 2);
  assert.deepEqual(drain(queue), ["a2", "b1"]);
});

test("the last item of a group takes the group with it", () => {
  const queue = new FairQueue<string>();
  const only = queue.push("a", "a1");
  only.remove();
  assert.equal(queue.size, 0);
  assert.equal(queue.shift(), undefined);
  queue.push("a", "a2");
  assert.deepEqual(drain(queue), ["a2"]);
});

test("an item that was served cannot be removed", () => {
  const queue = new FairQueue<string>();
  const served = queue.push("a", "a1");
  queue.shift();
  assert.equal(served.remove(), false);
  assert.equal(queue.size, 0);
});

test("between two turns of a waiting group nobody has two turns", () => {
  const random = new Random(7);
  const queue = new FairQueue<string>();
  const waiting = new Map<string, number>();
  const sinceTurn = new Map<string, Map<string, number>>();
  for (let step = 0; step < 20_000; step += 1) {
    if (random.chance(0.52)) {
      const group = `g${random.whole(0, 9)}`;
      if (!waiting.get(group)) sinceTurn.set(group, new Map());
      waiting.set(group, (waiting.get(group) ?? 0) + 1);
      queue.push(group, group);
      continue;
    }
    const served = queue.shift();
    if (served === undefined) continue;
    for (const [group, turns] of sinceTurn) {
      if (group === served || !waiting.get(group)) continue;
      turns.set(served, (turns.get(served) ?? 0) + 1);
      assert.ok((turns.get(served) ?? 0) <= 1, `${served} had two turns while ${group} waited`);
    }
    waiting.set(served, (waiting.get(served) ?? 0) - 1);
    sinceTurn.set(served, new Map());
  }
});

test("a hundred thousand items take no time to speak of", () => {
  const queue = new FairQueue<number>();
  for (let item = 0; item < 100_000; item += 1) queue.push(`g${item % 3}`, item);
  assert.equal(drain(queue).length, 100_000);
});
