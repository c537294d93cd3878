// What the client sends, as bytes. A call is encoded once, when it is made: its size and mistakes are known then, it costs no
// more while it waits, and a repetition is the very same call. The arguments' Struct is encoded here, because generated
// code loses a `__proto__` key that a model wrote.
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { ID_PATTERN } from "../core/call.js";
import { messageOf } from "../core/errors.js";
import { isJsonArray, type JsonObject, type JsonValue, ownValue } from "../core/json.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import { ToolCall } from "../gen/switchyard/v1/call.js";
import { ExecuteRequest } from "../gen/switchyard/v1/tool_executor_service.js";
import { RunTrajectoryRequest } from "../gen/switchyard/v1/trajectory.js";
import { SwitchyardClientError } from "./errors.js";

/** A tool's arguments: whatever JSON.stringify takes. */
export type ToolArguments = Readonly<Record<string, unknown>>;

export interface CallFields {
  readonly uniqId: string;
  readonly name: string;
  readonly arguments: ToolArguments;
  readonly timeoutS?: number | undefined;
  readonly queueTimeoutS?: number | undefined;
  readonly noOutputTimeoutS?: number | undefined;
  readonly slotGeneration?: number | undefined;
  readonly streamOutput?: boolean | undefined;
  readonly traceParent?: string | undefined;
}

type RequestFrame = NonNullable<RunTrajectoryRequest["frame"]>;

const SECONDS_MAX = 315_576_000_000;
/** Tags of length-delimited fields: RunTrajectoryRequest.call, ExecuteRequest.call, ToolCall.arguments. */
const FRAME_CALL = (2 << 3) | 2;
const EXECUTE_CALL = (3 << 3) | 2;
const CALL_ARGUMENTS = (3 << 3) | 2;

export function encodeFrame(frame: Exclude<RequestFrame, { $case: "call" }>): Uint8Array {
  return RunTrajectoryRequest.encode({ frame }).finish();
}

/** Throws INVALID_FIELD when a field is malformed. */
export function encodeCallFrame(call: CallFields): Uint8Array {
  return new BinaryWriter().uint32(FRAME_CALL).bytes(encodeCall(call)).finish();
}

/** Throws INVALID_FIELD when a field is malformed. */
export function encodeExecute(request: Omit<ExecuteRequest, "call">, call: CallFields): Uint8Array {
  const writer = ExecuteRequest.encode(ExecuteRequest.fromPartial(request));
  return writer.uint32(EXECUTE_CALL).bytes(encodeCall(call)).finish();
}

function encodeCall(call: CallFields): Uint8Array {
  checkId("uniqId", call.uniqId);
  const { slotGeneration } = call;
  if (slotGeneration !== undefined && !(Number.isInteger(slotGeneration) && slotGeneration > 0)) {
    throw invalid(`slotGeneration is ${slotGeneration}; it must be a whole number from 1`);
  }
  const fields = ToolCall.fromPartial({ uniqId: call.uniqId, name: call.name });
  fields.timeout = durationOf("timeoutS", call.timeoutS);
  fields.queueTimeout = durationOf("queueTimeoutS", call.queueTimeoutS);
  fields.noOutputTimeout = durationOf("noOutputTimeoutS", call.noOutputTimeoutS);
  fields.slotGeneration = slotGeneration;
  fields.streamOutput = call.streamOutput ?? false;
  fields.traceParent = call.traceParent;
  const writer = ToolCall.encode(fields);
  try {
    const args: JsonObject = JSON.parse(JSON.stringify(call.arguments));
    return writer.uint32(CALL_ARGUMENTS).bytes(encodeStruct(args)).finish();
  } catch (cause) {
    throw invalid(`the arguments are no JSON: ${messageOf(cause)}`, cause);
  }
}

/** Undefined stays undefined; throws INVALID_FIELD for what is no Duration. */
export function durationOf(field: string, seconds: number | undefined): Duration | undefined {
  if (seconds === undefined) return undefined;
  if (!(seconds >= 0 && seconds <= SECONDS_MAX)) {
    throw invalid(`${field} is ${seconds}; it must be a number of seconds from 0 to ${SECONDS_MAX}`);
  }
  const whole = Math.floor(seconds);
  return { seconds: BigInt(whole), nanos: Math.min(999_999_999, Math.round((seconds - whole) * 1e9)) };
}

/** Bytes, as a uint64; 0 for undefined. Throws INVALID_FIELD for what is none. */
export function count(field: string, bytes = 0): bigint {
  if (Number.isSafeInteger(bytes) && bytes >= 0) return BigInt(bytes);
  throw invalid(`${field} is ${bytes}; it must be a whole number from 0 to 2^53 - 1`);
}

export function checkId(field: string, id: string): void {
  if (!ID_PATTERN.test(id)) throw invalid(`${field} is ${JSON.stringify(id)}; it must match ${ID_PATTERN.source}`);
}

function invalid(message: string, cause?: unknown): SwitchyardClientError {
  return new SwitchyardClientError("INVALID_FIELD", message, { cause });
}

/** google.protobuf.Struct {fields = 1: map<string, Value>}. */
function encodeStruct(object: JsonObject): Uint8Array {
  const writer = new BinaryWriter();
  for (const key of Object.keys(object)) {
    const entry = new BinaryWriter().uint32(tag(1, 2)).string(key);
    entry.uint32(tag(2, 2)).bytes(encodeValue(ownValue(object, key) ?? null));
    writer.uint32(tag(1, 2)).bytes(entry.finish());
  }
  return writer.finish();
}

/** google.protobuf.Value {null = 1, number = 2, string = 3, bool = 4, struct = 5, list = 6}. */
function encodeValue(value: JsonValue): Uint8Array {
  const writer = new BinaryWriter();
  if (value === null) writer.uint32(tag(1, 0)).int32(0);
  else if (typeof value === "number") writer.uint32(tag(2, 1)).double(value);
  else if (typeof value === "string") writer.uint32(tag(3, 2)).string(value);
  else if (typeof value === "boolean") writer.uint32(tag(4, 0)).bool(value);
  else if (isJsonArray(value)) writer.uint32(tag(6, 2)).bytes(encodeList(value));
  else writer.uint32(tag(5, 2)).bytes(encodeStruct(value));
  return writer.finish();
}

function encodeList(list: readonly JsonValue[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const item of list) writer.uint32(tag(1, 2)).bytes(encodeValue(item));
  return writer.finish();
}

function tag(number: number, wireType: number): number {
  return (number << 3) | wireType;
}
