import assert from "node:assert/strict";
import { test } from "node:test";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { Call } from "../../src/core/call.js";
import { SwitchyardError } from "../../src/core/errors.js";
import { ownValue } from "../../src/core/json.js";
import type { Duration } from "../../src/gen/google/protobuf/duration.js";
import { Fault, ToolCall } from "../../src/gen/switchyard/v1/call.js";
import { ExecuteRequest, ReleaseTrajectoryRequest } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import { Open, RunTrajectoryRequest, RunTrajectoryResponse } from "../../src/gen/switchyard/v1/trajectory.js";
import { decodeExecute, decodeFrame, decodeRelease } from "../../src/grpc/conversion.js";
import { durationOfMs, secondsOf } from "../../src/grpc/duration.js";
import { encodeFrame, RESPONSE_BYTES_MAX, type ServerFrame } from "../../src/grpc/responses.js";
import { headOf, serialized, tailOf } from "../../src/grpc/wire.js";
import { announcement } from "../support/grpc-service.js";

function openFrame(open: Partial<Open>): Uint8Array {
  const value = Open.fromPartial({ trajectoryId: "t", ...open });
  return RunTrajectoryRequest.encode({ frame: { $case: "open", value } }).finish();
}

function callFrame(call: Partial<ToolCall>): Uint8Array {
  const value: ToolCall = { ...ToolCall.create({ uniqId: "u", name: "bash" }), ...call };
  return RunTrajectoryRequest.encode({ frame: { $case: "call", value } }).finish();
}

function decodedCall(bytes: Uint8Array): Call {
  const frame = decodeFrame(bytes);
  assert.equal(frame.kind, "call");
  return frame.kind === "call" ? frame.call : assert.fail();
}

function badCall(call: Partial<ToolCall>): { uniqId: string; reason: string; message: string } {
  const frame = decodeFrame(callFrame(call));
  if (frame.kind !== "bad_call") return assert.fail(`decoded as ${frame.kind}`);
  return { uniqId: frame.uniqId, reason: frame.error.reason, message: frame.error.message };
}

function refused(reason: string, text: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof SwitchyardError && error.reason === reason && text.test(error.message);
}

/** A message whose field `number` holds these bytes. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(number, 2).bytes(bytes).finish();
}

test("a call keeps its name, arguments and times", () => {
  const { bytes, ...call } = decodedCall(
    callFrame({
      arguments: { command: "echo hi", timeout: 3.5, list: [1, null, { a: true }] },
      timeout: { seconds: 2n, nanos: 500_000_000 },
      queueTimeout: { seconds: 9n, nanos: 0 },
      noOutputTimeout: { seconds: 1n, nanos: 0 },
      slotGeneration: 4,
      streamOutput: true,
    }),
  );
  assert.deepEqual(call, {
    uniqId: "u",
    tool: "bash",
    arguments: { command: "echo hi", timeout: 3.5, list: [1, null, { a: true }] },
    streamOutput: true,
    timeoutS: 2.5,
    queueTimeoutS: 9,
    noOutputTimeoutS: 1,
    slotGeneration: 4,
  });
  assert(bytes > 60 && bytes < 200, `${bytes} bytes`);
});

test("a call without arguments and times has none", () => {
  assert.deepEqual(decodedCall(callFrame({})), {
    uniqId: "u",
    tool: "bash",
    arguments: {},
    bytes: 9,
    streamOutput: false,
  });
});

test("a __proto__ argument is an argument like any other", () => {
  const text = (value: string) => new BinaryWriter().tag(3, 2).string(value).finish();
  const entry = (key: string, value: Uint8Array) =>
    field(1, Buffer.concat([new BinaryWriter().tag(1, 2).string(key).finish(), field(2, value)]));
  const inner = field(5, entry("command", text("evil")));
  const args = Buffer.concat([entry("__proto__", inner), entry("command", text("good"))]);
  const call = new BinaryWriter().tag(1, 2).string("u").tag(2, 2).string("bash").tag(3, 2).bytes(args).finish();

  const decoded = decodedCall(field(2, call)).arguments;

  assert.deepEqual(Object.keys(decoded), ["__proto__", "command"]);
  assert.deepEqual(ownValue(decoded, "__proto__"), { command: "evil" });
  assert.equal(Object.getPrototypeOf(decoded), Object.prototype);
  assert.equal(Reflect.get({}, "command"), undefined);
});

test("arguments that nest too deep reject the call and nothing else", () => {
  let nested: unknown = "x";
  for (let level = 0; level < 500; level += 1) nested = { a: nested };
  const bad = badCall({ arguments: { nested } });
  assert.equal(bad.uniqId, "u");
  assert.equal(bad.reason, "INVALID_FIELD");
  assert.match(bad.message, /arguments cannot be decoded: nested more than 64 levels/);
});

test("numbers that JSON does not have become null", () => {
  const call = decodedCall(callFrame({ arguments: { a: Number.NaN, b: Number.POSITIVE_INFINITY } }));
  assert.deepEqual(call.arguments, { a: null, b: null });
});

test("a bad uniq_id is named, printable and bounded", () => {
  assert.deepEqual(badCall({ uniqId: "" }).message, "uniq_id is missing: it must match [A-Za-z0-9._:-]{1,128}");
  const bad = badCall({ uniqId: `sp ace\n\u{1f600}${"x".repeat(500)}` });
  assert.equal(bad.reason, "INVALID_FIELD");
  assert.match(bad.uniqId, /^sp ace\?\?\?x+$/);
  assert.equal(bad.uniqId.length, 128);
});

test("malformed Durations are refused by name", () => {
  const cases: [Duration, RegExp][] = [
    [{ seconds: -1n, nanos: 0 }, /negative/],
    [{ seconds: 0n, nanos: -1 }, /negative/],
    [{ seconds: 1n, nanos: -1 }, /same sign/],
    [{ seconds: -1n, nanos: 1 }, /same sign/],
    [{ seconds: 0n, nanos: 1_000_000_000 }, /nanos must be from 0 to 999999999/],
    [{ seconds: 315_576_000_001n, nanos: 0 }, /at most 315576000000/],
    [{ seconds: 9_223_372_036_854_775_807n, nanos: 0 }, /at most/],
  ];
  for (const [timeout, text] of cases) {
    assert.throws(() => secondsOf("timeout", timeout), refused("INVALID_FIELD", text));
    assert.match(badCall({ timeout }).message, /^timeout is /);
    assert.match(badCall({ queueTimeout: timeout }).message, /^queue_timeout is /);
    assert.throws(() => decodeFrame(openFrame({ lease: timeout })), refused("INVALID_FIELD", /^lease is /));
  }
  assert.equal(secondsOf("timeout", { seconds: 315_576_000_000n, nanos: 0 }), 315_576_000_000);
});

test("milliseconds of any kind become a valid Duration", () => {
  assert.deepEqual(durationOfMs(1234.5), { seconds: 1n, nanos: 234_500_000 });
  assert.deepEqual(durationOfMs(-5), { seconds: 0n, nanos: 0 });
  assert.deepEqual(durationOfMs(Number.NaN), { seconds: 0n, nanos: 0 });
  assert.deepEqual(durationOfMs(Number.POSITIVE_INFINITY), { seconds: 315_576_000_000n, nanos: 0 });
  assert.deepEqual(durationOfMs(999.9999999), { seconds: 0n, nanos: 999_999_999 });
});

test("output positions are ids and offsets, a bounded number of them, each call once", () => {
  const positions = (outputPositions: Open["outputPositions"]) => decodeFrame(openFrame({ outputPositions }));
  const frame = positions([
    { uniqId: "a", stdoutOffset: 5n, stderrOffset: 2n ** 53n - 1n },
    { uniqId: "b", stdoutOffset: 0n, stderrOffset: 1n },
  ]);
  assert(frame.kind === "open");
  assert.deepEqual(
    [...(frame.request.outputPositions ?? [])],
    [
      ["a", { stdout: 5, stderr: Number.MAX_SAFE_INTEGER }],
      ["b", { stdout: 0, stderr: 1 }],
    ],
  );
  const at = (uniqId: string, stdoutOffset = 0n) => ({ uniqId, stdoutOffset, stderrOffset: 0n });
  assert.throws(() => positions([at("a b")]), refused("INVALID_FIELD", /^output_positions.uniq_id is "a b"/));
  assert.throws(() => positions([at("a", 2n ** 53n)]), refused("INVALID_FIELD", /over 2\^53 - 1 for a/));
  assert.throws(() => positions([at("a"), at("a")]), refused("INVALID_FIELD", /names a call twice/));
  const many = Array.from({ length: 1025 }, (_, index) => at(`c${index}`));
  assert.throws(() => positions(many), refused("INVALID_FIELD", /has 1025 entries: at most 1024/));
});

test("slot_generation 0 is refused", () => {
  assert.match(badCall({ slotGeneration: 0 }).message, /slot_generation is 0/);
});

test("open is checked field by field", () => {
  const wrong: [Partial<Open>, RegExp][] = [
    [{ trajectoryId: "" }, /^trajectory_id is missing/],
    [{ trajectoryId: "a b" }, /^trajectory_id is "a b"/],
    [{ trajectoryId: "x".repeat(129) }, /^trajectory_id/],
    [{ group: "a/b" }, /^group is "a\/b"/],
    [{ pool: "ü" }, /^pool is "\?"/],
    [{ resumeToken: "x".repeat(1025) }, /^resume_token has 1025 bytes/],
    [{ env: { "1A": "x" } }, /^env has the name "1A"/],
    [{ env: { A: "x\0y" } }, /^env.A holds a NUL/],
    [{ env: { A: "x".repeat(65_536) } }, /^env has 65537 bytes/],
  ];
  for (const [open, text] of wrong) {
    assert.throws(() => decodeFrame(openFrame(open)), refused("INVALID_FIELD", text));
  }
  const frame = decodeFrame(openFrame({ group: "g", env: { A: "1" }, lease: { seconds: 5n, nanos: 0 } }));
  assert.deepEqual(frame.kind === "open" && frame.request, {
    trajectoryId: "t",
    resumeToken: "",
    group: "g",
    pool: "",
    env: { A: "1" },
    acquireSlot: false,
    requireResume: false,
    leaseS: 5,
  });
});

test("bytes that are no frame, and unknown frames, have reasons of their own", () => {
  assert.throws(() => decodeFrame(Buffer.from([0xff, 0xff, 0xff])), refused("PROTOCOL_BROKEN", /cannot be decoded/));
  assert.throws(() => decodeFrame(Buffer.from([0x12, 0x7f, 0x01])), refused("PROTOCOL_BROKEN", /cannot be decoded/));
  assert.throws(() => decodeFrame(Buffer.alloc(0)), refused("NOT_BUILT", /empty or of a kind/));
  assert.throws(() => decodeFrame(field(99, Buffer.from("x"))), refused("NOT_BUILT", /empty or of a kind/));
});

test("whatever the bytes, decoding throws nothing but a SwitchyardError", () => {
  let seed = 7;
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed;
  };
  const samples = [callFrame({ arguments: { a: [1, "x", { b: null }] } }), openFrame({ env: { A: "1" } })];
  for (let round = 0; round < 3000; round += 1) {
    const sample = samples[round % samples.length] ?? assert.fail();
    const bytes = Buffer.from(sample);
    bytes[random() % bytes.length] = random() % 256;
    try {
      decodeFrame(bytes.subarray(0, bytes.length - (random() % 3)));
    } catch (error) {
      assert.ok(error instanceof SwitchyardError, `seed 7, round ${round}: ${error}`);
    }
  }
});

test("Execute refuses what a stream would reject", () => {
  const request = (call: Partial<ToolCall>) =>
    ExecuteRequest.encode(ExecuteRequest.fromPartial({ trajectoryId: "t", call: { uniqId: "u", ...call } })).finish();
  assert.equal(decodeExecute(request({ name: "bash" })).call.tool, "bash");
  assert.throws(() => decodeExecute(request({ uniqId: "ü" })), refused("INVALID_FIELD", /^call: uniq_id is "\?"/));
  const empty = ExecuteRequest.encode(ExecuteRequest.fromPartial({ trajectoryId: "t" })).finish();
  assert.throws(() => decodeExecute(empty), refused("INVALID_FIELD", /call is missing/));
});

test("a release names a trajectory or a group", () => {
  const encode = (target: ReleaseTrajectoryRequest["target"]) =>
    ReleaseTrajectoryRequest.encode({ target, resumeToken: "", resetWorkspace: true }).finish();
  assert.deepEqual(decodeRelease(encode({ $case: "group", value: "g" })).target, { group: "g" });
  assert.deepEqual(decodeRelease(encode({ $case: "trajectoryId", value: "t" })).target, { trajectoryId: "t" });
  assert.throws(() => decodeRelease(encode({ $case: "group", value: "" })), refused("INVALID_FIELD", /^group/));
  assert.throws(() => decodeRelease(encode(undefined)), refused("INVALID_FIELD", /target is missing/));
});

test("a rejected call's INVALID is the client's fault", () => {
  const fault = (status: "INVALID" | "NOT_STARTED") => {
    const bytes = serialized(encodeFrame({ kind: "rejected", uniqId: "u", status, error: "e" }, announcement));
    const { frame } = RunTrajectoryResponse.decode(bytes);
    return frame?.$case === "rejected" ? frame.value.fault : assert.fail();
  };
  assert.equal(fault("INVALID"), Fault.FAULT_CLIENT);
  assert.equal(fault("NOT_STARTED"), Fault.FAULT_INFRASTRUCTURE);
});

test("opened with more known calls than fit says so", () => {
  const known = Array.from({ length: 20_000 }, (_, index) => ({
    uniqId: `${index}`.padStart(128, "x"),
    state: "queued" as const,
  }));
  const opened: ServerFrame = {
    kind: "opened",
    trajectoryId: "t",
    resumed: true,
    incarnation: "i",
    epoch: 2,
    slotGeneration: 1,
    leaseS: 120,
    known,
    knownTruncated: false,
  };
  const bytes = serialized(encodeFrame(opened, announcement));
  assert.ok(bytes.length <= RESPONSE_BYTES_MAX);
  const { frame } = RunTrajectoryResponse.decode(bytes);
  if (frame?.$case !== "opened") return assert.fail();
  assert.equal(frame.value.knownTruncated, true);
  assert.equal(frame.value.known[0]?.uniqId, known[0]?.uniqId);
  assert.equal(frame.value.limits?.responseBytesMax, RESPONSE_BYTES_MAX);
});

test("text is cut between characters", () => {
  assert.equal(headOf("aé€😀", 3), "aé");
  assert.equal(headOf("aé€😀", 4), "aé");
  assert.equal(headOf("aé€😀", 9), "aé€");
  assert.equal(tailOf("aé€😀", 5), "😀");
  assert.equal(tailOf("aé€😀", 7), "€😀");
  assert.equal(headOf("abc", 0), "");
  assert.equal(tailOf("abc", 0), "");
});

test("a message in parts is serialized as a whole, however long the one before was", () => {
  const parts = (...texts: string[]) => texts.map((text) => Buffer.from(text));
  const long = "x".repeat(100_000);
  assert.equal(serialized(parts("ab", long)).toString(), `ab${long}`);
  assert.equal(serialized(parts("c", "", "de")).toString(), "cde");
  assert.equal(serialized(Buffer.from("whole")).toString(), "whole");
});
