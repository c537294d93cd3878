import assert from "node:assert/strict";
import { test } from "node:test";
import { type CallStatus as CoreStatus, FAULT_OF, type Outcome } from "../../src/core/outcome.js";
import { CallStatus, Fault, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { RunTrajectoryResponse } from "../../src/gen/switchyard/v1/trajectory.js";
import { encodeFrame, RESPONSE_BYTES_MAX } from "../../src/grpc/responses.js";
import { serialized } from "../../src/grpc/wire.js";
import { announcement } from "../support/grpc-service.js";
import { okOutcome } from "../support/outcomes.js";

function encoded(outcome: Outcome): Buffer {
  return serialized(encodeFrame({ kind: "result", uniqId: "u", outcome }, announcement));
}

function decoded(bytes: Buffer): ToolResult {
  const { frame } = RunTrajectoryResponse.decode(bytes);
  return frame?.$case === "result" ? frame.value : assert.fail();
}

function resultOf(outcome: Outcome): { result: ToolResult; bytes: number } {
  const bytes = encoded(outcome);
  return { result: decoded(bytes), bytes: bytes.length };
}

test("success and fault follow from the status", () => {
  for (const status of Object.keys(FAULT_OF).filter((key): key is CoreStatus => key in FAULT_OF)) {
    const { result } = resultOf({ ...okOutcome(), status });
    assert.equal(result.success, status === "OK");
    assert.equal(result.status, CallStatus[`CALL_STATUS_${status}`]);
    assert.equal(result.fault, Fault[`FAULT_${FAULT_OF[status]}`]);
  }
});

test("a result carries every field of its outcome", () => {
  const outcome = {
    ...okOutcome("out"),
    exitCode: -3,
    signal: "SIGSEGV",
    outputBytes: 2 ** 40,
    truncated: true,
    queueMs: 1500,
    execMs: 0.25,
    slotGeneration: 2,
    metadata: { a: [1, { b: "c" }] },
  };
  const { result } = resultOf(outcome);
  assert.deepEqual(result, {
    uniqId: "u",
    success: true,
    output: "out",
    error: "",
    metadata: { a: [1, { b: "c" }] },
    status: CallStatus.CALL_STATUS_OK,
    fault: Fault.FAULT_NONE,
    exitCode: -3,
    signal: "SIGSEGV",
    outputBytesTotal: 1_099_511_627_776n,
    truncated: true,
    queueTime: { seconds: 1n, nanos: 500_000_000 },
    execTime: { seconds: 0n, nanos: 250_000 },
    slotGeneration: 2,
  });
});

test("nothing in an outcome makes encoding fail", () => {
  let deep: { [key: string]: unknown } = {};
  for (let level = 0; level < 2000; level += 1) deep = { deep };
  const outcome = {
    ...okOutcome("lone \ud800 surrogate"),
    error: "\udfff",
    metadata: JSON.parse(JSON.stringify({ "k\ud800": "v\ud800", deep })),
    exitCode: 2 ** 31,
    outputBytes: Number.NaN,
    queueMs: -1,
    execMs: Number.POSITIVE_INFINITY,
    slotGeneration: -1,
  };
  const { result } = resultOf(outcome);
  assert.equal(result.output, "lone \ufffd surrogate");
  assert.equal(result.error, "\ufffd");
  assert.equal(result.metadata?.["k\ufffd"], "v\ufffd");
  assert.equal(result.slotGeneration, 0);
});

test("a result over 1 MiB is cut and says where", () => {
  const metadata = { exit_code: 1, huge: "m".repeat(3_000_000) };
  const outcome = { ...okOutcome(`A${"é".repeat(2_000_000)}Z`), error: "e".repeat(2_000_000), metadata };
  const { result, bytes } = resultOf(outcome);
  assert.ok(bytes <= RESPONSE_BYTES_MAX && bytes > RESPONSE_BYTES_MAX / 2, `${bytes} bytes`);
  assert.equal(result.truncated, true);
  assert.match(result.output, /^Aé+\n\[\d+ bytes truncated\]\né+Z$/);
  assert.match(result.error, /^e+ \[truncated\]$/);
  assert.deepEqual(result.metadata, { exit_code: 1, error_truncated: true, metadata_truncated: true });
});

test("a huge error alone leaves the output whole", () => {
  const { result } = resultOf({ ...okOutcome("out"), error: "e".repeat(2e6) });
  assert.equal(result.output, "out");
  assert.equal(result.truncated, false);
  assert.deepEqual(result.metadata, { error_truncated: true });
});

for (const size of [0, 1, 127, 128, 16_384, 65_536, 300_000]) {
  test(`a result has all ${size} characters of its output`, () => {
    for (const output of ["a", "é", "€"].map((character) => character.repeat(size))) {
      assert.ok(resultOf(okOutcome(output)).result.output === output);
    }
  });
}

test("a result of exactly a message's size is not cut, one of a byte more is", () => {
  const room = RESPONSE_BYTES_MAX - resultOf(okOutcome("a".repeat(1_000_000))).bytes;
  const whole = resultOf(okOutcome("a".repeat(1_000_000 + room)));
  assert.equal(whole.bytes, RESPONSE_BYTES_MAX);
  assert.equal(whole.result.truncated, false);
  assert.equal(resultOf(okOutcome("a".repeat(1_000_001 + room))).result.truncated, true);
});

test("a result stays what it is while the next ones are encoded", () => {
  const outputs = ["first", "second", "third"];
  const results = outputs.map((output) => encoded(okOutcome(output)));
  assert.deepEqual(
    results.map((bytes) => decoded(bytes).output),
    outputs,
  );
});
