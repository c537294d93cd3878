import assert from "node:assert/strict";
import { test } from "node:test";
import { sealLease, unsealLease } from "../../src/backend/lease-seal.js";
import { bindingOf } from "../support/outcomes.js";

const KEY = Buffer.alloc(32, 1);
const BINDING = bindingOf("t", {
  principal: "cert:a b/ü",
  generation: 7,
  env: { A: "1", EMPTY: "", UNICODE: "ü😀" },
  group: "g",
  streamEpoch: 2 ** 40,
  leaseS: 0.5,
});

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

test("what was sealed comes back as it was", () => {
  assert.deepEqual(unsealLease(sealLease(BINDING, KEY), KEY), BINDING);
  const least = bindingOf("t", { env: {}, group: "", streamEpoch: 0, leaseS: 0, tokenHash: Buffer.alloc(0) });
  assert.deepEqual(unsealLease(sealLease(least, KEY), KEY), least);
});

test("any flipped bit is refused", () => {
  const { record, seal } = sealLease(BINDING, KEY);
  for (let bit = 0; bit < 8 * record.length; bit++) {
    assert.equal(unsealLease({ record: flipped(record, bit), seal }, KEY), undefined, `bit ${bit} of the record`);
  }
  for (let bit = 0; bit < 8 * seal.length; bit++) {
    assert.equal(unsealLease({ record, seal: flipped(seal, bit) }, KEY), undefined, `bit ${bit} of the seal`);
  }
});

test("so are a part, an addition, another's seal, another key, and nothing", () => {
  const { record, seal } = sealLease(BINDING, KEY);
  const other = sealLease(bindingOf("another"), KEY);
  for (const lease of [
    { record: record.subarray(0, -1), seal },
    { record: Buffer.concat([record, Buffer.of(0)]), seal },
    { record, seal: seal.subarray(0, -1) },
    { record, seal: Buffer.concat([seal, seal]) },
    { record, seal: other.seal },
    { record, seal: Buffer.alloc(0) },
    { record: Buffer.alloc(0), seal: Buffer.alloc(0) },
  ]) {
    assert.equal(unsealLease(lease, KEY), undefined);
  }
  assert.equal(unsealLease({ record, seal }, Buffer.alloc(32, 2)), undefined);
});

test("a name that no client may choose is refused, whoever sealed it", () => {
  for (const name of ["", "a b", "../t", "t".repeat(129)]) {
    assert.equal(unsealLease(sealLease(bindingOf(name), KEY), KEY), undefined);
  }
});
