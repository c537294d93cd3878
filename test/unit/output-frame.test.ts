import assert from "node:assert/strict";
import { test } from "node:test";
import { RunnerFrame } from "../../src/gen/switchyard/runner/v1/runner.js";
import { encodeFrame, FrameReader } from "../../src/link/frames.js";
import { encodeRunnerFrame } from "../../src/link/output-frame.js";

function roundTrip(message: RunnerFrame): RunnerFrame {
  const [frame] = [...new FrameReader(1024 * 1024).push(encodeFrame(encodeRunnerFrame(message), 1))];
  return RunnerFrame.decode(frame?.body ?? Buffer.alloc(0));
}

for (const size of [0, 1, 127, 128, 16_384, 65_536]) {
  test(`a frame with ${size} bytes of output is read as it was written`, () => {
    const value = { slot: 3, uniqId: "u-1", seq: 2, isStderr: true, offset: 2n ** 40n, data: Buffer.alloc(size, "é") };
    assert.deepEqual(roundTrip({ frame: { $case: "output", value } }), { frame: { $case: "output", value } });
  });
}

test("a frame whose fields are all at their defaults is one of output still", () => {
  const value = { slot: 0, uniqId: "", seq: 0, isStderr: false, offset: 0n, data: Buffer.alloc(0) };
  assert.deepEqual(roundTrip({ frame: { $case: "output", value } }), { frame: { $case: "output", value } });
});

test("other frames are encoded as generated code does", () => {
  const frame: RunnerFrame = { frame: { $case: "pong", value: { seq: 7n } } };
  assert.deepEqual(encodeRunnerFrame(frame), RunnerFrame.encode(frame).finish());
});
