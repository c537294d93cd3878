import assert from "node:assert/strict";
import { test } from "node:test";
import { ServerFrame } from "../../src/gen/switchyard/runner/v1/runner.js";
import { encodeServerFrame } from "../../src/link/write-frame.js";

const CALL = {
  uniqId: "u-1",
  slot: 3,
  noOutputTimeoutS: 1.5,
  digest: Buffer.alloc(32, 7),
  forStream: true,
  context: "{}",
};

type Operation =
  | { $case: "writeFile"; value: { path: string; content: Buffer } }
  | { $case: "bash"; value: { command: string } };

function batchOf(...operations: readonly Operation[]): ServerFrame {
  const calls = operations.map((operation) => ({ ...CALL, operation }));
  return ServerFrame.fromPartial({ frame: { $case: "runBatch", value: { calls, timeoutS: 30 } } });
}

function write(content: Buffer, path = "folder/é"): Operation {
  return { $case: "writeFile", value: { path, content } };
}

function whole(encoded: Uint8Array | readonly Uint8Array[]): Buffer {
  return encoded instanceof Uint8Array ? Buffer.from(encoded) : Buffer.concat(encoded);
}

for (const size of [0, 1, 127, 128, 16_384, 100_000]) {
  test(`a file of ${size} bytes is read as it was written`, () => {
    const message = batchOf(write(Buffer.alloc(size, "é")));
    const encoded = encodeServerFrame(message);
    assert.deepEqual(ServerFrame.decode(whole(encoded)), ServerFrame.decode(ServerFrame.encode(message).finish()));
    assert(!(encoded instanceof Uint8Array), "in parts");
  });
}

test("fields at their defaults are none", () => {
  const call = { operation: write(Buffer.alloc(0), "") };
  const message = ServerFrame.fromPartial({ frame: { $case: "runBatch", value: { calls: [call], timeoutS: 0 } } });
  assert.deepEqual(ServerFrame.decode(whole(encodeServerFrame(message))), message);
});

test("other frames are encoded as generated code does", () => {
  const bash: Operation = { $case: "bash", value: { command: "true" } };
  const file = write(Buffer.from("content"));
  const frames = [
    batchOf(),
    batchOf(bash),
    batchOf(file, file),
    ServerFrame.fromPartial({ frame: { $case: "ping", value: {} } }),
  ];
  for (const frame of frames) assert.deepEqual(encodeServerFrame(frame), ServerFrame.encode(frame).finish());
});
