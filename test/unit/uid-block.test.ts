import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { UidBlock } from "../../src/backend/uid-block.js";

const UID_FIRST = 1_100_000_000;
const BLOCK_UIDS = 1_000_000;

async function claim(t: TestContext) {
  const block = await UidBlock.claim();
  t.after(block.release);
  const first = block.take(1);
  return { block, first };
}

test("ids are given out one after another, and come round after a block of them", async (t) => {
  const { block, first } = await claim(t);
  assert.equal(block.take(10), first + 1);
  assert.equal(block.take(1), first + 11);
  assert.equal(block.take(BLOCK_UIDS - 12), first + 12);
  assert.equal(block.take(5), first);
  assert.equal(block.take(BLOCK_UIDS - 4), first, "too many for the rest of the block");
});

test("blocks of two servers have no id in common", async (t) => {
  const [a, b] = [await claim(t), await claim(t)];
  assert(Math.abs(a.first - b.first) >= BLOCK_UIDS);
});

test("a block that processes of a dead server still live in is passed over", {
  skip: process.getuid?.() !== 0,
}, async (t) => {
  const { block, first } = await claim(t);
  block.release();
  const left = spawn("sleep", ["60"], { uid: first + 7, stdio: "ignore" });
  t.after(() => left.kill("SIGKILL"));
  await once(left, "spawn");
  const next = await UidBlock.claim((first - UID_FIRST) / BLOCK_UIDS);
  t.after(next.release);
  assert.notEqual(next.take(1), first);
});

test("ids that another server's containers still use are passed over, in part and round the end", async (t) => {
  const { block, first } = await claim(t);
  block.avoid(first + 5, 10);
  block.avoid(first + 15, 1);
  assert.equal(block.take(4), first + 1, "right up to them");
  assert.equal(block.take(1), first + 16);
  block.avoid(first + BLOCK_UIDS - 3, 10);
  block.avoid(first - 7, 10);
  assert.equal(block.take(BLOCK_UIDS - 20), first + 17);
  assert.equal(block.take(2), first + 3);
  assert.equal(block.take(1), first + 16);
});

test("those of a block that is not ours change nothing", async (t) => {
  const { block, first } = await claim(t);
  block.avoid(first + BLOCK_UIDS, 10);
  block.avoid(first - 10, 10);
  assert.equal(block.take(BLOCK_UIDS - 1), first + 1);
  assert.equal(block.take(1), first);
});
