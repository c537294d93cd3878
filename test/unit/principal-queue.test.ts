import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../src/load/random.js";
import { PrincipalQueue } from "../../src/pool/principal-queue.js";

function drain<T>(queue: PrincipalQueue<T>): T[] {
  const served: T[] = [];
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) served.push(item);
  return served;
}

test("principals have turns, whatever the number of their groups; groups have turns within one", () => {
  const queue = new PrincipalQueue<string>();
  for (const group of ["1", "2", "3"]) for (const item of ["a", "b"]) queue.push("many", group, `many${group}${item}`);
  for (const item of ["a", "b", "c"]) queue.push("one", "1", `one1${item}`);
  assert.deepEqual(drain(queue), [
    ...["many1a", "one1a", "many2a", "one1b", "many3a", "one1c"],
    ...["many1b", "many2b", "many3b"],
  ]);
});

test("the same group of two principals is two groups", () => {
  const queue = new PrincipalQueue<string>();
  for (const item of ["a1", "a2", "a3"]) queue.push("a", "g", item);
  queue.push("b", "g", "b1");
  assert.deepEqual(drain(queue), ["a1", "b1", "a2", "a3"]);
});

test("who was removed is never served, and leaves nothing behind", () => {
  const queue = new PrincipalQueue<string>();
  const [first, second] = [queue.push("a", "g", "a1"), queue.push("a", "h", "a2")];
  queue.push("b", "g", "b1");
  assert.equal(first.remove(), true);
  assert.equal(first.remove(), false);
  assert.equal(queue.size, 2);
  assert.equal(queue.shift(), "a2");
  assert.equal(second.remove(), false);
  const third = queue.push("a", "g", "a3");
  assert.equal(third.remove(), true);
  assert.deepEqual(drain(queue), ["b1"]);
  assert.equal(queue.size, 0);
});

test("at random: everyone is served or removed once, and no principal twice while another waits", () => {
  const random = new Random(7);
  const queue = new PrincipalQueue<string>();
  const waiting = new Map<string, { principal: string; remove(): boolean }>();
  let passedOver = new Map<string, number>();
  for (let step = 0; step < 20_000; step += 1) {
    const dice = random.whole(0, 9);
    if (dice < 5) {
      const principal = `p${random.whole(1, 4)}`;
      const item = `${step}`;
      const entry = queue.push(principal, `g${random.whole(1, 3)}`, item);
      waiting.set(item, { principal, remove: () => entry.remove() });
    } else if (dice < 6) {
      const [item, entry] = [...waiting][random.whole(0, Math.max(0, waiting.size - 1))] ?? [];
      if (item === undefined || !entry) continue;
      assert.ok(entry.remove() && waiting.delete(item));
      // Who comes back stands at the end.
      if (![...waiting.values()].some(({ principal }) => principal === entry.principal))
        passedOver.delete(entry.principal);
    } else {
      const item = queue.shift();
      const served = item === undefined ? undefined : waiting.get(item);
      assert.equal(served === undefined, waiting.size === 0);
      if (item === undefined || !served) continue;
      waiting.delete(item);
      const others = new Set([...waiting.values()].map(({ principal }) => principal));
      others.delete(served.principal);
      passedOver = new Map([...others].map((other) => [other, (passedOver.get(other) ?? 0) + 1]));
      assert.ok(
        [...passedOver.values()].every((turns) => turns <= 3),
        "one was passed over",
      );
    }
    assert.equal(queue.size, waiting.size);
  }
});
