import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeFrame, FrameReader } from "../../src/link/frames.js";

const BODIES = [0, 1, 127, 128, 300, 16_383, 16_384].map((size) => Buffer.alloc(size, size % 251));
const STREAM = Buffer.concat(BODIES.map((body) => encodeFrame(body)));
const BYTES_MAX = 20_000;

function read(chunks: readonly Buffer[], bytesMax = BYTES_MAX): Buffer[] {
  const reader = new FrameReader(bytesMax);
  return chunks.flatMap((chunk) => [...reader.push(chunk)].map((body) => Buffer.from(body)));
}

test("frames in one chunk come out in their order", () => assert.deepEqual(read([STREAM]), BODIES));

test("frames cut at every byte", () => {
  const small = Buffer.concat(BODIES.slice(0, 5).map((body) => encodeFrame(body)));
  for (let cut = 0; cut <= small.length; cut++) {
    assert.deepEqual(read([small.subarray(0, cut), small.subarray(cut)]), BODIES.slice(0, 5), `cut at ${cut}`);
  }
});

for (const size of [1, 2, 3, 1000, 16_385]) {
  test(`frames in chunks of ${size} bytes`, () => {
    const chunks: Buffer[] = [];
    for (let at = 0; at < STREAM.length; at += size) chunks.push(STREAM.subarray(at, at + size));
    assert.deepEqual(read(chunks), BODIES);
  });
}

test("a frame of exactly the limit passes, one byte more is refused as soon as its length is known", () => {
  assert.equal(read([encodeFrame(Buffer.alloc(BYTES_MAX))])[0]?.length, BYTES_MAX);
  const prefix = encodeFrame(Buffer.alloc(BYTES_MAX + 1)).subarray(0, 3);
  assert.throws(() => read([prefix]), { message: `frame over ${BYTES_MAX} bytes` });
});

test("a length without end is refused", () => {
  assert.throws(() => read([Buffer.alloc(7, 0x80)]), /frame over/);
  assert.throws(() => read([Buffer.alloc(4, 0xff), Buffer.alloc(4, 0xff)], Number.MAX_SAFE_INTEGER), /frame over/);
});

test("frames before an over-long one are still had", () => {
  const reader = new FrameReader(10);
  const seen: number[] = [];
  assert.throws(() => {
    for (const body of reader.push(Buffer.concat([encodeFrame(Buffer.alloc(3)), encodeFrame(Buffer.alloc(11))]))) {
      seen.push(body.length);
    }
  });
  assert.deepEqual(seen, [3]);
});

test("a frame that comes byte by byte costs what it weighs, not what its pieces do", () => {
  const size = 1_000_000;
  const reader = new FrameReader(2 * size);
  const heap = process.memoryUsage().heapUsed;
  reader.push(encodeFrame(Buffer.alloc(size)).subarray(0, 3)).next();
  for (let at = 1; at < size; at++) assert.equal(reader.push(Buffer.from([1])).next().done, true);
  const grown = process.memoryUsage().heapUsed - heap;
  assert.ok(grown < 50 * size, `${grown} bytes`);
  assert.equal(reader.push(Buffer.from([1])).next().value?.length, size);
});
