// From the wire to the core: decodes what clients send and checks every field that a trainer (not the model) sets.
// Whatever passes here is well-formed for the rest of the server. The way back is in responses.ts.
import { type Call, ID_PATTERN } from "../core/call.js";
import { SwitchyardError, withContext } from "../core/errors.js";
import type { JsonObject } from "../core/json.js";
import { ToolCall } from "../gen/switchyard/v1/call.js";
import {
  ReleaseTrajectoryRequest,
  ExecuteRequest as WireExecuteRequest,
} from "../gen/switchyard/v1/tool_executor_service.js";
import { type Open, type OutputPosition, RunTrajectoryRequest } from "../gen/switchyard/v1/trajectory.js";
import type { ExecuteRequest, OpenRequest, ReleaseRequest } from "../trajectory/session.js";
import { secondsOf } from "./duration.js";
import { decodeStruct } from "./struct.js";
import { readTraceParent } from "./trace-parent.js";
import { takeField } from "./wire.js";

export type ClientFrame =
  | { readonly kind: "open"; readonly request: OpenRequest }
  | { readonly kind: "call"; readonly call: Call }
  /** A call with a malformed field; `uniqId` is printable and bounded. */
  | { readonly kind: "bad_call"; readonly uniqId: string; readonly error: SwitchyardError }
  | { readonly kind: "cancel"; readonly uniqId: string }
  | { readonly kind: "ack"; readonly uniqIds: readonly string[] }
  | { readonly kind: "release"; readonly resetWorkspace: boolean };

type CallReading = Extract<ClientFrame, { kind: "call" | "bad_call" }>;

/** Field numbers of the proto. */
const FRAME_CALL = 2;
const EXECUTE_CALL = 3;
const CALL_ARGUMENTS = 3;

const TOKEN_BYTES_MAX = 1024;
const ENV_BYTES_MAX = 64 * 1024;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const PRINTABLE_CHARS_MAX = 128;
const POSITIONS_MAX = 1024;

/** Throws PROTOCOL_BROKEN for bytes that are no frame, NOT_BUILT for an unknown frame, INVALID_FIELD for a bad `open`. */
export function decodeFrame(bytes: Uint8Array): ClientFrame {
  const { field: call, rest } = decoded("frame", () => takeField(bytes, FRAME_CALL));
  if (call !== undefined) return readCall(call);
  const { frame } = decoded("frame", () => RunTrajectoryRequest.decode(rest));
  switch (frame?.$case) {
    case undefined:
      throw new SwitchyardError("NOT_BUILT", "the frame is empty or of a kind that this server does not have");
    case "open":
      return { kind: "open", request: openRequest(frame.value) };
    case "cancel":
      return { kind: "cancel", uniqId: frame.value.uniqId };
    case "ack":
      return { kind: "ack", uniqIds: frame.value.uniqIds };
    case "release":
      return { kind: "release", resetWorkspace: frame.value.resetWorkspace };
    case "call":
      throw new SwitchyardError("INTERNAL", "a call frame was not taken out");
    default:
      return frame satisfies never;
  }
}

export function decoded<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw withContext(`the ${what} cannot be decoded`, cause, "PROTOCOL_BROKEN");
  }
}

function openRequest(open: Open): OpenRequest {
  const lease = open.lease === undefined ? {} : { leaseS: secondsOf("lease", open.lease) };
  return {
    trajectoryId: checkedId("trajectory_id", open.trajectoryId),
    resumeToken: checkedToken(open.resumeToken),
    group: optionalId("group", open.group),
    pool: optionalId("pool", open.pool),
    env: checkedEnv(open.env),
    acquireSlot: open.acquireSlot,
    requireResume: open.requireResume,
    ...(open.outputPositions.length > 0 && { outputPositions: checkedPositions(open.outputPositions) }),
    ...lease,
  };
}

function checkedPositions(wire: readonly OutputPosition[]): NonNullable<OpenRequest["outputPositions"]> {
  if (wire.length > POSITIONS_MAX) {
    const text = `output_positions has ${wire.length} entries: at most ${POSITIONS_MAX} are allowed`;
    throw new SwitchyardError("INVALID_FIELD", text);
  }
  const positions = wire.map(({ uniqId, stdoutOffset, stderrOffset }) => {
    const [stdout, stderr] = [Number(stdoutOffset), Number(stderrOffset)];
    if (Math.max(stdout, stderr) <= Number.MAX_SAFE_INTEGER) {
      return [checkedId("output_positions.uniq_id", uniqId), { stdout, stderr }] as const;
    }
    throw new SwitchyardError("INVALID_FIELD", `output_positions has an offset over 2^53 - 1 for ${printable(uniqId)}`);
  });
  const byCall = new Map(positions);
  if (byCall.size === positions.length) return byCall;
  throw new SwitchyardError("INVALID_FIELD", "output_positions names a call twice");
}

/** Throws INVALID_FIELD or PROTOCOL_BROKEN. */
export function decodeExecute(bytes: Uint8Array): ExecuteRequest {
  const { field: call, rest } = decoded("request", () => takeField(bytes, EXECUTE_CALL));
  const request = decoded("request", () => WireExecuteRequest.decode(rest));
  const trajectoryId = checkedId("trajectory_id", request.trajectoryId);
  if (call === undefined) throw new SwitchyardError("INVALID_FIELD", "call is missing");
  const reading = readCall(call);
  if (reading.kind === "bad_call") throw withContext("call", reading.error, "INVALID_FIELD");
  return {
    trajectoryId,
    resumeToken: checkedToken(request.resumeToken),
    group: optionalId("group", request.group),
    pool: optionalId("pool", request.pool),
    call: reading.call,
  };
}

/** Throws INVALID_FIELD or PROTOCOL_BROKEN. */
export function decodeRelease(bytes: Uint8Array): ReleaseRequest {
  const { target, resumeToken, resetWorkspace } = decoded("request", () => ReleaseTrajectoryRequest.decode(bytes));
  const common = { resumeToken: checkedToken(resumeToken), resetWorkspace };
  switch (target?.$case) {
    case undefined:
      throw new SwitchyardError("INVALID_FIELD", "target is missing: set trajectory_id or group");
    case "trajectoryId":
      return { target: { trajectoryId: checkedId("trajectory_id", target.value) }, ...common };
    case "group":
      return { target: { group: checkedId("group", target.value) }, ...common };
    default:
      return target satisfies never;
  }
}

function readCall(bytes: Uint8Array): CallReading {
  const { field: argumentBytes, rest } = decoded("call", () => takeField(bytes, CALL_ARGUMENTS));
  const wire = decoded("call", () => ToolCall.decode(rest));
  try {
    return { kind: "call", call: checkedCall(wire, argumentBytes, bytes.length) };
  } catch (error) {
    if (!(error instanceof SwitchyardError)) throw error;
    return { kind: "bad_call", uniqId: printable(wire.uniqId), error };
  }
}

function checkedCall(wire: ToolCall, argumentBytes: Uint8Array | undefined, bytes: number): Call {
  const uniqId = checkedId("uniq_id", wire.uniqId);
  if (wire.slotGeneration === 0) {
    throw new SwitchyardError("INVALID_FIELD", "slot_generation is 0: it must be at least 1, or unset for any slot");
  }
  const { name, streamOutput, timeout, queueTimeout, noOutputTimeout, slotGeneration } = wire;
  const call: { -readonly [Field in keyof Call]: Call[Field] } = {
    uniqId,
    tool: name,
    arguments: checkedArguments(argumentBytes),
    bytes,
    streamOutput,
  };
  if (timeout !== undefined) call.timeoutS = secondsOf("timeout", timeout);
  if (queueTimeout !== undefined) call.queueTimeoutS = secondsOf("queue_timeout", queueTimeout);
  if (noOutputTimeout !== undefined) call.noOutputTimeoutS = secondsOf("no_output_timeout", noOutputTimeout);
  if (slotGeneration !== undefined) call.slotGeneration = slotGeneration;
  const traceParent = wire.traceParent === undefined ? undefined : readTraceParent(wire.traceParent);
  if (traceParent !== undefined) call.traceParent = traceParent;
  return call;
}

function checkedArguments(bytes: Uint8Array | undefined): JsonObject {
  if (bytes === undefined) return {};
  try {
    return decodeStruct(bytes);
  } catch (cause) {
    throw withContext("arguments cannot be decoded", cause, "INVALID_FIELD");
  }
}

export function checkedId(field: string, value: string): string {
  if (ID_PATTERN.test(value)) return value;
  const given = value === "" ? "is missing" : `is "${printable(value)}"`;
  throw new SwitchyardError("INVALID_FIELD", `${field} ${given}: it must match [A-Za-z0-9._:-]{1,128}`);
}

function optionalId(field: string, value: string): string {
  return value === "" ? "" : checkedId(field, value);
}

export function checkedToken(token: string): string {
  const bytes = Buffer.byteLength(token);
  if (bytes <= TOKEN_BYTES_MAX) return token;
  throw new SwitchyardError("INVALID_FIELD", `resume_token has ${bytes} bytes: at most ${TOKEN_BYTES_MAX} are allowed`);
}

function checkedEnv(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  let bytes = 0;
  for (const [name, value] of Object.entries(env)) {
    if (!ENV_NAME.test(name)) {
      throw new SwitchyardError(
        "INVALID_FIELD",
        `env has the name "${printable(name)}": it must match ${ENV_NAME.source}`,
      );
    }
    if (value.includes("\0"))
      throw new SwitchyardError("INVALID_FIELD", `env.${printable(name)} holds a NUL character`);
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (bytes <= ENV_BYTES_MAX) return env;
  throw new SwitchyardError("INVALID_FIELD", `env has ${bytes} bytes: at most ${ENV_BYTES_MAX} are allowed`);
}

/** What a client sent as an id, fit for an error message and a log: printable ASCII, at most 128 characters. */
export function printable(text: string): string {
  return text.slice(0, PRINTABLE_CHARS_MAX).replace(/[^\x20-\x7e]/g, "?");
}
