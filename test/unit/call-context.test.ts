import assert from "node:assert/strict";
import { test } from "node:test";
import { contextOf, readContext } from "../../src/trajectory/call-context.js";

const NOTHING = { metadata: {}, queueMs: 0 };

test("what was written is read", () => {
  const context = { metadata: { timeout: 30, ignored_arguments: ["a", "b"], path: "ü" }, queueMs: 12.5 };
  assert.deepEqual(readContext(contextOf(context)), context);
});

test("metadata of a length that no runner keeps is left out, and the rest is kept", () => {
  const text = contextOf({ metadata: { path: "x".repeat(1_000_000) }, queueMs: 7 });
  assert(text.length < 100);
  assert.deepEqual(readContext(text), { metadata: {}, queueMs: 7 });
});

for (const text of ["", "{", "null", "5", "[]", '"text"', "{}", '{"metadata": 5, "queueMs": "1"}', '{"queueMs": -1}']) {
  test(`something comes of ${JSON.stringify(text)}`, () => assert.deepEqual(readContext(text), NOTHING));
}

test("a key of every object is none", () =>
  assert.deepEqual(readContext('{"__proto__": {"metadata": {"a": 1}, "queueMs": 5}}'), NOTHING));
