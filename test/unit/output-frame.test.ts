import assert from "node:assert/strict";
import { test } from "node:test";
import { CallFinished, Output, RunnerFrame } from "../../src/gen/switchyard/runner/v1/runner.js";
import { encodeFrame, FrameReader } from "../../src/link/frames.js";
import { decodeRunnerFrame, encodeRunnerFrame } from "../../src/link/output-frame.js";

function roundTrip(message: RunnerFrame): RunnerFrame {
  const [frame] = [...new FrameReader(1024 * 1024).push(encodeFrame(encodeRunnerFrame(message), 1))];
  const body = frame?.body ?? Buffer.alloc(0);
  const decoded = decodeRunnerFrame(body);
  assert.deepEqual(decoded, RunnerFrame.decode(body));
  return decoded;
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

for (const size of [0, 128, 16_384, 65_536]) {
  test(`the end of a call with ${size} characters of output is read as it was written`, () => {
    const output = "é".repeat(size);
    const rest = { exitCode: 3, outputBytes: 2n ** 40n, truncated: true, execMs: 1.5, fileSize: 0n, slot: 9 };
    const value = CallFinished.fromPartial({ uniqId: "u-1", status: "NONZERO_EXIT", output, error: "e", ...rest });
    assert.deepEqual(roundTrip({ frame: { $case: "callFinished", value } }), {
      frame: { $case: "callFinished", value },
    });
  });
}

test("other frames are encoded as generated code does", () => {
  const frame: RunnerFrame = { frame: { $case: "pong", value: { seq: 7n } } };
  assert.deepEqual(encodeRunnerFrame(frame), RunnerFrame.encode(frame).finish());
});

test("a frame that cannot be encoded, or is large, leaves nothing behind in the next", () => {
  const pong: RunnerFrame = { frame: { $case: "pong", value: { seq: 7n } } };
  const unable = CallFinished.fromPartial({ uniqId: "u-1", output: "x".repeat(100_000), slot: -1 });
  const large = CallFinished.fromPartial({ uniqId: "u-2", output: "x".repeat(1_000_000) });
  assert.throws(() => encodeRunnerFrame({ frame: { $case: "callFinished", value: unable } }));
  assert.deepEqual(encodeRunnerFrame(pong), RunnerFrame.encode(pong).finish());
  encodeRunnerFrame({ frame: { $case: "callFinished", value: large } });
  assert.deepEqual(encodeRunnerFrame(pong), RunnerFrame.encode(pong).finish());
});

test("a frame stays what it is while the next ones are encoded", () => {
  const frames = ["first", "second", "third"].map((output): RunnerFrame => {
    return { frame: { $case: "callFinished", value: CallFinished.fromPartial({ uniqId: "u", output }) } };
  });
  const encoded = frames.map((frame) => encodeRunnerFrame(frame));
  assert.deepEqual(
    encoded,
    frames.map((frame) => RunnerFrame.encode(frame).finish()),
  );
});

/** What `decode` makes of the bytes, or that it throws. */
function madeOf(decode: (bytes: Uint8Array) => RunnerFrame, bytes: Uint8Array): RunnerFrame | "thrown" {
  try {
    return decode(bytes);
  } catch {
    return "thrown";
  }
}

test("whatever a runner sends in place of output is read as generated code reads it", () => {
  const value = { slot: 3, uniqId: "u", seq: 2, isStderr: true, offset: 5n, data: Buffer.from("data") };
  const output = Buffer.from(Output.encode(value).finish());
  const frameOf = (body: Uint8Array) => Buffer.concat([Buffer.from([0xf2, 0x01, body.length]), body]);
  const pong = RunnerFrame.encode({ frame: { $case: "pong", value: { seq: 7n } } }).finish();
  const frames = [
    Buffer.alloc(0),
    frameOf(output),
    frameOf(Buffer.alloc(0)),
    frameOf(Buffer.concat([output, output])),
    frameOf(Buffer.concat([output, Buffer.from([0x08, 0x05])])),
    frameOf(Buffer.concat([Buffer.from([0x3a, 0x01, 0x00]), output])),
    frameOf(Buffer.concat([output.subarray(0, -5), Buffer.from([0x7f])])),
    frameOf(Buffer.from([0x32, 0x05, 0x61])),
    frameOf(Buffer.from([0x32, 0xff, 0xff, 0xff, 0xff, 0x0f])),
    frameOf(Buffer.from([0x30, 0x01])),
    frameOf(Buffer.from([0x08, 0x01, 0xb2, 0x00, 0x01, 0x61])),
    frameOf(Buffer.from([0x0c, 0x32, 0x00])),
    Buffer.concat([frameOf(output), pong]),
    Buffer.concat([pong, frameOf(output)]),
    Buffer.concat([frameOf(output), frameOf(output)]),
    frameOf(output).subarray(0, -1),
    ...Array.from(frameOf(output), (_, at) => frameOf(output).fill(0xff, at, at + 1)),
    ...Array.from(frameOf(output), (_, at) => frameOf(output).fill(0x00, at, at + 1)),
  ];
  for (const frame of frames) {
    const [ours, generated] = [madeOf(decodeRunnerFrame, frame), madeOf(RunnerFrame.decode, frame)];
    assert.deepEqual(ours, generated, frame.toString("hex"));
  }
});

test("a small piece of output keeps no large chunk alive", () => {
  const value = { slot: 3, uniqId: "u", seq: 2, isStderr: true, offset: 5n, data: Buffer.alloc(100, "x") };
  const chunk = Buffer.alloc(64 * 1024);
  const bytes = RunnerFrame.encode({ frame: { $case: "output", value } }).finish();
  chunk.set(bytes);
  const { frame } = decodeRunnerFrame(chunk.subarray(0, bytes.length));
  if (frame?.$case !== "output") return assert.fail();
  assert.notEqual(frame.value.data.buffer, chunk.buffer);
  assert.deepEqual(frame.value.data, value.data);
});
