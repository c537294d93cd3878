import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome } from "../../src/core/outcome.js";
import type { ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { RunTrajectoryResponse } from "../../src/gen/switchyard/v1/trajectory.js";
import { encodeFrame, RESPONSE_BYTES_MAX } from "../../src/grpc/responses.js";
import { serialized } from "../../src/grpc/wire.js";
import { announcement } from "../support/grpc-service.js";
import { okOutcome } from "../support/outcomes.js";

function encoded(outcome: Outcome): Buffer {
  return Buffer.from(serialized(encodeFrame({ kind: "result", uniqId: "u-1", outcome }, announcement)));
}

function decoded(bytes: Buffer): ToolResult {
  const { frame } = RunTrajectoryResponse.decode(bytes);
  return frame?.$case === "result" ? frame.value : assert.fail();
}

/** All that a result may have. */
function fullOutcome(output: string): Outcome {
  const metadata = { exit_code: 7, path: "/workspace/é", found: true };
  const fields = { status: "SIGNALED", error: "e", exitCode: 7, signal: "SIGTERM", truncated: true } as const;
  return { ...okOutcome(output), ...fields, metadata, outputBytes: 123, queueMs: 4, execMs: 5, slotGeneration: 6 };
}

for (const size of [0, 1, 127, 128, 16_384, 65_536, 300_000]) {
  test(`a result with ${size} characters of output has all that a short one has, and its own output`, () => {
    for (const character of ["a", "é", "€"]) {
      const output = character.repeat(size);
      const { output: found, ...others } = decoded(encoded(fullOutcome(output)));
      const { output: _, ...expected } = decoded(encoded(fullOutcome("short")));
      assert.deepEqual(others, expected);
      assert.ok(found === output);
    }
  });
}

test("a long output with half a character in it can be decoded by every client", () => {
  const output = `${"a".repeat(5_000)}\ud800${"b".repeat(5_000)}`;
  assert.equal(decoded(encoded(okOutcome(output))).output, `${"a".repeat(5_000)}\ufffd${"b".repeat(5_000)}`);
});

test("a result of exactly a message's size is not cut, one of a byte more is", () => {
  const room = RESPONSE_BYTES_MAX - encoded(okOutcome("a".repeat(1_000_000))).length;
  const whole = encoded(okOutcome("a".repeat(1_000_000 + room)));
  assert.equal(whole.length, RESPONSE_BYTES_MAX);
  assert.equal(decoded(whole).truncated, false);
  assert.equal(decoded(encoded(okOutcome("a".repeat(1_000_001 + room)))).truncated, true);
});

test("a result stays what it is while the next ones are encoded", () => {
  const outputs = ["first", "second", "third"];
  const frames = outputs.map((output) =>
    encodeFrame({ kind: "result", uniqId: "u-1", outcome: okOutcome(output) }, announcement),
  );
  assert.deepEqual(
    frames.map((frame) => decoded(Buffer.from(serialized(frame))).output),
    outputs,
  );
});
