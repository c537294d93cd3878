// The harness's own frames of RunTrajectory, made and read with as little work as can be: what a call is but its id is encoded
// once, and of a result only what is counted or checked is read.
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { CallStatus, Fault, ToolCall } from "../gen/switchyard/v1/call.js";
import { Open, RunTrajectoryRequest } from "../gen/switchyard/v1/trajectory.js";

export interface Result {
  readonly kind: "result";
  uniqId: string;
  status: number;
  fault: number;
  output: Uint8Array;
  error: string;
  exitCode: number;
  outputBytes: number;
  queueMs: number;
  execMs: number;
}

export type DownFrame =
  | Result
  | { readonly kind: "opened" }
  | {
      readonly kind: "output";
      uniqId: string;
      channel: number;
      offset: number;
      bytes: number;
      missing: number;
    }
  | { readonly kind: "rejected"; uniqId: string; status: number; error: string }
  | { readonly kind: "slotLost"; reason: string }
  | { readonly kind: "released"; wiped: boolean }
  | { readonly kind: "goAway"; reason: string }
  | { readonly kind: "other" };

/** Field numbers of RunTrajectoryRequest and RunTrajectoryResponse. */
const [UP_CALL, UP_CANCEL, UP_ACK] = [2, 3, 4];
const DOWN = { opened: 1, output: 2, result: 3, rejected: 4, slotLost: 5, released: 6, goAway: 8 } as const;
const NOTHING = new Uint8Array(0);

export interface CallFields {
  readonly name: string;
  readonly arguments: { readonly [name: string]: string };
  readonly timeoutS: number | undefined;
  readonly streamOutput: boolean;
}

/** A call without its id, as `callFrame` takes it. */
export function encodeCallBody({ name, arguments: given, timeoutS, streamOutput }: CallFields): Uint8Array {
  const call = ToolCall.fromPartial({ name, arguments: { ...given }, streamOutput });
  if (timeoutS !== undefined) {
    const whole = Math.floor(timeoutS);
    call.timeout = { seconds: BigInt(whole), nanos: Math.round((timeoutS - whole) * 1e9) };
  }
  return ToolCall.encode(call).finish();
}

/** Ids are ASCII and under 128 characters. */
export function callFrame(id: string, body: Uint8Array): Buffer {
  const length = 2 + id.length + body.length;
  const frame = Buffer.allocUnsafe(1 + varintBytes(length) + length);
  let at = frame.writeUInt8((UP_CALL << 3) | 2);
  at = writeVarint(frame, length, at);
  at = frame.writeUInt8((1 << 3) | 2, at);
  at = frame.writeUInt8(id.length, at);
  at += frame.write(id, at, "latin1");
  frame.set(body, at);
  return frame;
}

export function openFrame(fields: { trajectoryId: string; pool: string; group: string }): Buffer {
  const frame = { $case: "open" as const, value: Open.fromPartial({ ...fields, acquireSlot: true }) };
  return asBuffer(RunTrajectoryRequest.encode({ frame }).finish());
}

export function releaseFrame(): Buffer {
  const frame = { $case: "release" as const, value: { resetWorkspace: true } };
  return asBuffer(RunTrajectoryRequest.encode({ frame }).finish());
}

export function ackFrame(ids: readonly string[]): Buffer {
  const inner = new BinaryWriter();
  for (const id of ids) inner.uint32((1 << 3) | 2).string(id);
  return asBuffer(
    new BinaryWriter()
      .uint32((UP_ACK << 3) | 2)
      .bytes(inner.finish())
      .finish(),
  );
}

export function cancelFrame(id: string): Buffer {
  const inner = new BinaryWriter().uint32((1 << 3) | 2).string(id);
  return asBuffer(
    new BinaryWriter()
      .uint32((UP_CANCEL << 3) | 2)
      .bytes(inner.finish())
      .finish(),
  );
}

/** Shares the memory. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest > 0x7f; rest >>>= 7) count += 1;
  return count;
}

function writeVarint(into: Buffer, value: number, at: number): number {
  let [rest, next] = [value, at];
  for (; rest > 0x7f; rest >>>= 7) next = into.writeUInt8((rest & 0x7f) | 0x80, next);
  return into.writeUInt8(rest, next);
}

/** Throws on bytes that are no such message. */
export function decodeFrame(bytes: Uint8Array): DownFrame {
  const reader = new BinaryReader(bytes);
  if (reader.pos >= reader.len) return { kind: "other" };
  const [field] = reader.tag();
  const inner = new BinaryReader(reader.bytes());
  switch (field) {
    case DOWN.result:
      return decodeResult(inner);
    case DOWN.output:
      return decodeOutput(inner);
    case DOWN.opened:
      return { kind: "opened" };
    case DOWN.rejected:
      return decodeRejected(inner);
    case DOWN.slotLost:
      return { kind: "slotLost", reason: textField(inner, 2) };
    case DOWN.goAway:
      return { kind: "goAway", reason: textField(inner, 1) };
    case DOWN.released:
      return { kind: "released", wiped: boolField(inner, 1) };
    default:
      return { kind: "other" };
  }
}

function decodeResult(reader: BinaryReader): Result {
  const result: Result = {
    kind: "result",
    uniqId: "",
    status: 0,
    fault: 0,
    output: NOTHING,
    error: "",
    exitCode: 0,
    outputBytes: 0,
    queueMs: 0,
    execMs: 0,
  };
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1) result.uniqId = reader.string();
    else if (field === 3) result.output = reader.bytes();
    else if (field === 4) result.error = reader.string();
    else if (field === 6) result.status = reader.int32();
    else if (field === 7) result.fault = reader.int32();
    else if (field === 8) result.exitCode = reader.int32();
    else if (field === 10) result.outputBytes = Number(reader.uint64());
    else if (field === 12) result.queueMs = durationField(reader);
    else if (field === 13) result.execMs = durationField(reader);
    else reader.skip(type, field);
  }
  return result;
}

function decodeOutput(reader: BinaryReader): DownFrame {
  const output = { kind: "output" as const, uniqId: "", channel: 0, offset: 0, bytes: 0, missing: 0 };
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1) output.uniqId = reader.string();
    else if (field === 2) output.channel = reader.int32();
    else if (field === 3) output.offset = Number(reader.uint64());
    else if (field === 4) output.bytes = reader.bytes().length;
    else if (field === 5) output.missing = Number(reader.uint64());
    else reader.skip(type, field);
  }
  return output;
}

function decodeRejected(reader: BinaryReader): DownFrame {
  const rejected = { kind: "rejected" as const, uniqId: "", status: 0, error: "" };
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1) rejected.uniqId = reader.string();
    else if (field === 2) rejected.status = reader.int32();
    else if (field === 3) rejected.error = reader.string();
    else reader.skip(type, field);
  }
  return rejected;
}

function durationField(reader: BinaryReader): number {
  const end = reader.uint32() + reader.pos;
  let ms = 0;
  while (reader.pos < end) {
    const [field, type] = reader.tag();
    if (field === 1) ms += Number(reader.int64()) * 1000;
    else if (field === 2) ms += reader.int32() / 1e6;
    else reader.skip(type, field);
  }
  return ms;
}

function boolField(reader: BinaryReader, wanted: number): boolean {
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted) return reader.bool();
    reader.skip(type, field);
  }
  return false;
}

function textField(reader: BinaryReader, wanted: number): string {
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted) return reader.string();
    reader.skip(type, field);
  }
  return "";
}

/** `OK`, `NONZERO_EXIT`, … */
export function statusName(status: number): string {
  return CallStatus[status]?.slice("CALL_STATUS_".length) ?? `status ${status}`;
}

export function faultName(fault: number): string {
  return Fault[fault]?.slice("FAULT_".length) ?? `fault ${fault}`;
}
