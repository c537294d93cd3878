// What the client sends and reads, against the server's own decoding and encoding.
import assert from "node:assert/strict";
import { test } from "node:test";
import { status as GrpcStatus, Metadata, type ServiceError } from "@grpc/grpc-js";
import { pino } from "pino";
import { ChannelPool } from "../../src/client/channel-pool.js";
import { failureOf } from "../../src/client/grpc-error.js";
import { type CallFields, encodeCallFrame, encodeExecute } from "../../src/client/messages.js";
import { securityOf } from "../../src/client/security.js";
import { statusOf, toolResultOf } from "../../src/client/tool-result.js";
import { SwitchyardError } from "../../src/core/errors.js";
import { type CallStatus, ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { decodeExecute, decodeFrame } from "../../src/grpc/conversion.js";
import { grpcStatusOf } from "../../src/grpc/status.js";

const silent = pino({ level: "silent" });

function sent(call: CallFields) {
  const frame = decodeFrame(Buffer.from(encodeCallFrame(call)));
  assert.equal(frame.kind, "call");
  return frame.kind === "call" ? frame.call : undefined;
}

test("a call arrives as it was made", () => {
  const args = JSON.parse('{"command": "ls", "__proto__": {"a": [1.5, null, true, {"b": "ü\\u0000"}]}, "n": -0.25}');
  const call = sent({
    ...{ uniqId: "a", name: "bash", arguments: args },
    ...{ timeoutS: 1.5, queueTimeoutS: 0, noOutputTimeoutS: 0.001, slotGeneration: 7 },
  });
  assert.deepEqual(Object.keys(call?.arguments ?? {}), ["command", "__proto__", "n"]);
  assert.equal(JSON.stringify(call?.arguments), JSON.stringify(args));
  assert.deepEqual(
    [call?.tool, call?.timeoutS, call?.queueTimeoutS, call?.noOutputTimeoutS, call?.slotGeneration],
    ["bash", 1.5, 0, 0.001, 7],
  );
});

test("arguments are what JSON makes of them; what is left out stays out", () => {
  const call = sent({
    uniqId: "a",
    name: "x",
    arguments: { a: undefined, b: Number.NaN, c: new Date(0), d: "\ud800" },
  });
  assert.deepEqual(call?.arguments, { b: null, c: "1970-01-01T00:00:00.000Z", d: "\ufffd" });
  assert.equal(call?.timeoutS, undefined);
  assert.equal(call?.slotGeneration, undefined);
});

test("an Execute arrives as it was made", () => {
  const target = { trajectoryId: "t", resumeToken: "token", pool: "p", group: "g" };
  const request = decodeExecute(
    Buffer.from(encodeExecute(target, { uniqId: "a", name: "bash", arguments: { command: "ls" } })),
  );
  assert.deepEqual([request.trajectoryId, request.call.tool, request.call.arguments], ["t", "bash", { command: "ls" }]);
});

test("arguments that nest too deeply to encode are refused, not thrown at the process", () => {
  let args: Record<string, unknown> = {};
  for (let depth = 0; depth < 100_000; depth += 1) args = { args };
  assert.throws(() => encodeCallFrame({ uniqId: "a", name: "x", arguments: args }), { reason: "INVALID_FIELD" });
});

function serviceError(code: number, metadata = new Metadata()): ServiceError {
  return Object.assign(new Error("14 text"), { code, details: "text", metadata });
}

test("reads the server's reason, and whether it is final", () => {
  const reasons = { SUPERSEDED: false, WRONG_TOKEN: false, SHUTTING_DOWN: true, LIMIT_REACHED: true } as const;
  for (const [reason, retry] of Object.entries(reasons)) {
    const status = grpcStatusOf(new SwitchyardError(reason as keyof typeof reasons, "why"), silent);
    const failure = failureOf(serviceError(status.code, status.metadata));
    assert.equal(failure.error.reason, reason);
    assert.equal(failure.error.code, GrpcStatus[status.code]);
    assert.equal(failure.retry, retry, reason);
  }
  const bug = grpcStatusOf(new Error("a bug"), silent);
  assert.equal(failureOf(serviceError(bug.code, bug.metadata)).retry, false);
});

test("without a reason, what a broken connection gives is tried again, and the rest is final", () => {
  const retried = ["UNAVAILABLE", "CANCELLED", "INTERNAL", "UNKNOWN", "RESOURCE_EXHAUSTED"] as const;
  for (const name of retried) assert.equal(failureOf(serviceError(GrpcStatus[name])).retry, true, name);
  const final = ["UNIMPLEMENTED", "UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT"] as const;
  for (const name of final) assert.equal(failureOf(serviceError(GrpcStatus[name])).retry, false, name);
  const garbage = new Metadata();
  garbage.set("grpc-status-details-bin", Buffer.from([0xff, 0xff, 0x01]));
  assert.equal(failureOf(serviceError(GrpcStatus.UNAVAILABLE, garbage)).error.reason, "UNKNOWN");
});

test("a status from a newer server is taken as LOST", () => {
  assert.equal(statusOf(99 as CallStatus), "LOST");
  const result = toolResultOf(ToolResult.fromPartial({ uniqId: "a", status: 99 as CallStatus }));
  assert.deepEqual(
    [result.status, result.fault, result.signal, result.exitCode],
    ["LOST", "INFRASTRUCTURE", undefined, undefined],
  );
});

test("a channel is opened when the others are full; a suspect one gets no stream and goes with its last", () => {
  const pool = new ChannelPool({
    ...{ address: "127.0.0.1:1", security: securityOf("127.0.0.1:1", {}), streamsMax: 2 },
    ...{ keepaliveMs: 1_000, keepaliveTimeoutMs: 1_000, backoff: { initialMs: 1, maxMs: 1 } },
  });
  const leases = Array.from({ length: 5 }, () => pool.acquire());
  assert.equal(pool.size, 3);
  assert.equal(new Set(leases.map(({ client }) => client)).size, 3);
  const [first, second] = leases;
  first?.release(true);
  first?.release(true);
  assert.notEqual(pool.acquire().client, first?.client);
  assert.equal(pool.size, 3);
  second?.release(false);
  assert.equal(pool.size, 2);
  pool.close();
  assert.equal(pool.size, 0);
});
