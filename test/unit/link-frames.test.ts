import assert from "node:assert/strict";
import { test } from "node:test";
import { EPOCH_MAX, encodeFrame, FrameReader } from "../../src/link/frames.js";

const EPOCH = 0x0a0b_0c0d_0e0f;
const BODIES = [0, 1, 127, 128, 300, 16_383, 16_384].map((size) => Buffer.alloc(size, size % 251));
const STREAM = Buffer.concat(BODIES.map((body) => encodeFrame(body, EPOCH)));
const BYTES_MAX = 20_000;

function read(chunks: readonly Buffer[], bytesMax = BYTES_MAX): Buffer[] {
  const reader = new FrameReader(bytesMax);
  return chunks.flatMap((chunk) =>
    [...reader.push(chunk)].map(({ epoch, body }) => {
      assert.equal(epoch, EPOCH);
      return Buffer.from(body);
    }),
  );
}

test("frames in one chunk come out in their order", () => assert.deepEqual(read([STREAM]), BODIES));

test("frames cut at every byte", () => {
  const small = Buffer.concat(BODIES.slice(0, 5).map((body) => encodeFrame(body, EPOCH)));
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
  assert.equal(read([encodeFrame(Buffer.alloc(BYTES_MAX), EPOCH)])[0]?.length, BYTES_MAX);
  const prefix = encodeFrame(Buffer.alloc(BYTES_MAX + 1), EPOCH).subarray(0, 3);
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
    const frames = [3, 11].map((size) => encodeFrame(Buffer.alloc(size), EPOCH));
    for (const { body } of reader.push(Buffer.concat(frames))) {
      seen.push(body.length);
    }
  });
  assert.deepEqual(seen, [3]);
});

test("each frame tells its own epoch, the largest too", () => {
  const epochs = [0, 1, 255, 256, 2 ** 32, EPOCH_MAX];
  const stream = Buffer.concat(epochs.map((epoch) => encodeFrame(Buffer.from(`of ${epoch}`), epoch)));
  const read = [...new FrameReader(BYTES_MAX).push(stream)].map(({ epoch, body }) => [epoch, body.toString()]);
  assert.deepEqual(
    read,
    epochs.map((epoch) => [epoch, `of ${epoch}`]),
  );
  assert.throws(() => encodeFrame(Buffer.alloc(1), EPOCH_MAX + 1), RangeError);
});

test("a frame without its trailer is refused, as soon as there are as many bytes; those before it are had", () => {
  const [first, second] = [encodeFrame(Buffer.from("whole"), 1), encodeFrame(Buffer.from("torn"), 1)];
  // Another writer's frame begins where the trailer should be.
  const torn = Buffer.concat([first, second.subarray(0, -11), first]);
  const reader = new FrameReader(BYTES_MAX);
  const seen: string[] = [];
  assert.throws(() => {
    for (const { body } of reader.push(torn)) seen.push(body.toString());
  }, /without its trailer/);
  assert.deepEqual(seen, ["whole"]);
});

test("a frame that comes byte by byte costs what it weighs, not what its pieces do", () => {
  const size = 1_000_000;
  const reader = new FrameReader(2 * size);
  const frame = encodeFrame(Buffer.alloc(size), 1);
  const heap = process.memoryUsage().heapUsed;
  for (const byte of frame.subarray(0, -1)) assert.equal(reader.push(Buffer.from([byte])).next().done, true);
  const grown = process.memoryUsage().heapUsed - heap;
  assert.ok(grown < 50 * size, `${grown} bytes`);
  assert.equal(reader.push(frame.subarray(-1)).next().value?.body.length, size);
});
