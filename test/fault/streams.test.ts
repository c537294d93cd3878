// Streams opened and closed by the thousand leave neither memory nor descriptors behind.
import assert from "node:assert/strict";
import { test } from "node:test";
import { churnStreams } from "../support/stream-churn.js";
import { bySize } from "../support/suite-size.js";

const STREAMS = bySize(4_000, 20_000);
/** Bytes for each stream that count as a leak. */
const LEAK_BYTES = 500;
const NOISE_MIB = 4;

test(`${STREAMS} streams opened and closed: heap and descriptors are back`, async (t) => {
  const { before, after } = await churnStreams(STREAMS, STREAMS, ({ streams, heapMib, descriptors }) =>
    t.diagnostic(`${streams} streams: heap ${heapMib.toFixed(1)} MiB, ${descriptors} descriptors`),
  );
  assert.ok(after.descriptors <= before.descriptors, "descriptors leak");
  const grownMib = after.heapMib - before.heapMib;
  assert.ok(
    grownMib < NOISE_MIB + (STREAMS * LEAK_BYTES) / 2 ** 20,
    `the heap has grown by ${grownMib.toFixed(1)} MiB`,
  );
});
