import assert from "node:assert/strict";
import { test } from "node:test";
import { OutputCollector } from "../../src/runner/output-collector.js";

const CHARS_MAX = 100;
/** Of the head, and of the tail. */
const BYTES_MAX = CHARS_MAX * 2;

function collected(bytes: Buffer, chunkSize: number): OutputCollector {
  const collector = new OutputCollector(CHARS_MAX);
  for (let at = 0; at < bytes.length; at += chunkSize) collector.push(bytes.subarray(at, at + chunkSize));
  return collector;
}

function pattern(size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, (_, at) => at % 251));
}

for (const size of [0, 1, BYTES_MAX, BYTES_MAX + 1, 2 * BYTES_MAX - 1, 2 * BYTES_MAX]) {
  test(`${size} bytes are kept whole, however they are cut`, () => {
    const bytes = pattern(size);
    for (const chunkSize of [1, 3, 7, BYTES_MAX - 1, BYTES_MAX, BYTES_MAX + 1, 1000]) {
      const collector = collected(bytes, chunkSize);
      assert.equal(collector.bytes, size);
      assert.deepEqual(collector.kept(), { head: bytes, tail: Buffer.alloc(0), missing: 0 });
    }
  });
}

for (const size of [2 * BYTES_MAX + 1, 1000, 12_345]) {
  test(`of ${size} bytes the head, the tail and the true number of missing ones are kept`, () => {
    const bytes = pattern(size);
    for (const chunkSize of [1, 3, 7, BYTES_MAX - 1, BYTES_MAX, BYTES_MAX + 1, 100_000]) {
      const collector = collected(bytes, chunkSize);
      assert.equal(collector.bytes, size);
      assert.deepEqual(collector.kept(), {
        head: bytes.subarray(0, BYTES_MAX),
        tail: bytes.subarray(-BYTES_MAX),
        missing: size - 2 * BYTES_MAX,
      });
    }
  });
}

test("what is kept does not change with the caller's buffer", () => {
  const collector = new OutputCollector(CHARS_MAX);
  const chunk = Buffer.alloc(3 * BYTES_MAX, "a");
  collector.push(chunk);
  chunk.fill("b");
  const { head, tail } = collector.kept();
  assert.equal(head.toString() + tail.toString(), "a".repeat(2 * BYTES_MAX));
});

test("a flood of tiny chunks costs no more than its bound", () => {
  const collector = new OutputCollector(CHARS_MAX);
  const chunk = Buffer.from("y\n");
  for (let count = 0; count < 500_000; count++) collector.push(chunk);
  const { head, tail, missing } = collector.kept();
  assert.equal(head.length + tail.length, 2 * BYTES_MAX);
  assert.equal(missing, 1_000_000 - 2 * BYTES_MAX);
});
