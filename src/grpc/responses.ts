// From the core to the wire: encodes what clients get. Invariant: a response message is at most RESPONSE_BYTES_MAX,
// every string in it is well-formed, and encoding never throws, because a message that fails kills its whole stream.
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { encoderWith } from "../core/kept-writer.js";
import { type CallStatus, FAULT_OF, type Fault, isSuccess, type Outcome } from "../core/outcome.js";
import type { OutputChannel, OutputPiece } from "../core/output.js";
import {
  Output,
  ToolResult,
  OutputChannel as WireChannel,
  Fault as WireFault,
  CallStatus as WireStatus,
} from "../gen/switchyard/v1/call.js";
import { ExecuteResponse } from "../gen/switchyard/v1/tool_executor_service.js";
import {
  type Limits,
  type Opened,
  RunTrajectoryResponse,
  CallState as WireState,
} from "../gen/switchyard/v1/trajectory.js";
import type { CallState, TrajectoryEvent } from "../trajectory/session.js";
import { durationOfMs, durationOfSeconds } from "./duration.js";
import { fittedResult } from "./fit-result.js";
import { sendable, writeSendable } from "./struct.js";
import { type Encoded, headOf, wellFormed } from "./wire.js";

export const REQUEST_BYTES_MAX = 16 * 1024 * 1024;
export const RESPONSE_BYTES_MAX = 1024 * 1024;

/** Ids that `opened.known` names at most: 128 characters each, they fill half a message. */
const KNOWN_MAX = 4000;
const TEXT_BYTES_MAX = 64 * 1024;

/** Tags of length-delimited fields: RunTrajectoryResponse.output and .result, ToolResult.metadata, Output.data. */
const [FRAME_OUTPUT, FRAME_RESULT] = [(2 << 3) | 2, (3 << 3) | 2];
const RESULT_METADATA = (5 << 3) | 2;
const OUTPUT_DATA = (4 << 3) | 2;
const NOTHING: Buffer = Buffer.alloc(0);
const encodeWith = encoderWith(() => new BinaryWriter());

/** What the server says of itself in `opened`. */
export interface Announcement {
  readonly serverId: string;
  readonly unackedCallsMax: number;
  readonly outputCharsMax: number;
  readonly timeoutMinS: number;
  readonly timeoutMaxS: number;
  readonly leaseMaxS: number;
}

/** What a stream sends: what its trajectory says, and what grpc/ adds. */
export type ServerFrame = TrajectoryEvent | { readonly kind: "heartbeat" };

type WireFrame = NonNullable<RunTrajectoryResponse["frame"]>;

export function encodeFrame(frame: ServerFrame, announcement: Announcement): Encoded {
  if (frame.kind === "output") return encodeOutput(frame.uniqId, frame.piece);
  if (frame.kind === "result") return encodeResult(frame.uniqId, frame.outcome);
  const wire = wireFrame(frame, announcement);
  return encodeWith((writer) => RunTrajectoryResponse.encode({ frame: wire }, writer));
}

/** Its metadata by hand, as most of a result is. */
function encodeResult(uniqId: string, outcome: Outcome): Encoded {
  const bytes = encodeWith((writer) => {
    ToolResult.encode(resultWith(undefined, uniqId, outcome), writer.uint32(FRAME_RESULT).fork());
    return writeSendable(outcome.metadata, writer.uint32(RESULT_METADATA).fork()).join().join();
  });
  if (bytes.length <= RESPONSE_BYTES_MAX) return bytes;
  const value = fittedResult(toolResult(uniqId, outcome));
  return RunTrajectoryResponse.encode({ frame: { $case: "result", value } }).finish();
}

export function encodeExecuteResponse(uniqId: string, outcome: Outcome): Uint8Array {
  const result = toolResult(uniqId, outcome);
  const bytes = encodeWith((writer) => ExecuteResponse.encode({ result }, writer));
  if (bytes.length <= RESPONSE_BYTES_MAX) return bytes;
  return ExecuteResponse.encode({ result: fittedResult(result) }).finish();
}

function wireFrame(frame: Exclude<ServerFrame, { kind: "output" | "result" }>, announcement: Announcement): WireFrame {
  switch (frame.kind) {
    case "opened":
      return { $case: "opened", value: opened(frame, announcement) };
    case "rejected": {
      const { uniqId, status } = frame;
      const error = headOf(frame.error, TEXT_BYTES_MAX);
      return { $case: "rejected", value: { uniqId, status: WIRE_STATUS[status], error, fault: rejectedFault(status) } };
    }
    case "slot_lost": {
      const reason = headOf(frame.reason, TEXT_BYTES_MAX);
      return { $case: "slotLost", value: { slotGeneration: uint32(frame.slotGeneration), reason } };
    }
    case "released":
      return { $case: "released", value: { wiped: frame.wiped } };
    case "go_away": {
      const reason = headOf(frame.reason, TEXT_BYTES_MAX);
      return { $case: "goAway", value: { reason, reconnectAfter: durationOfSeconds(frame.reconnectAfterS) } };
    }
    case "heartbeat":
      return { $case: "heartbeat", value: {} };
    default:
      return frame satisfies never;
  }
}

/** By hand and in parts, so that its bytes are copied only where they are serialized. */
function encodeOutput(uniqId: string, { channel, offset, data, missing }: OutputPiece): Encoded {
  const value = {
    uniqId,
    channel: WIRE_CHANNEL[channel],
    offset: count(offset),
    data: NOTHING,
    missing: count(missing),
  };
  const fields = Output.encode(value).finish();
  const dataHead = data.length === 0 ? NOTHING : new BinaryWriter().uint32(OUTPUT_DATA).uint32(data.length).finish();
  const length = fields.length + dataHead.length + data.length;
  const head = new BinaryWriter().uint32(FRAME_OUTPUT).uint32(length).raw(fields).raw(dataHead).finish();
  return [head, data];
}

function opened(event: Extract<TrajectoryEvent, { kind: "opened" }>, announcement: Announcement): Opened {
  const known = event.known.slice(0, KNOWN_MAX).map(({ uniqId, state }) => ({ uniqId, state: WIRE_STATE[state] }));
  return {
    trajectoryId: event.trajectoryId,
    resumed: event.resumed,
    incarnation: wellFormed(event.incarnation),
    epoch: count(event.epoch),
    slotGeneration: uint32(event.slotGeneration),
    lease: durationOfSeconds(event.leaseS),
    known,
    knownTruncated: event.knownTruncated || known.length < event.known.length,
    serverId: wellFormed(announcement.serverId),
    limits: limits(announcement),
  };
}

function limits(announcement: Announcement): Limits {
  return {
    requestBytesMax: REQUEST_BYTES_MAX,
    responseBytesMax: RESPONSE_BYTES_MAX,
    unackedCallsMax: uint32(announcement.unackedCallsMax),
    outputCharsMax: uint32(announcement.outputCharsMax),
    timeoutMin: durationOfSeconds(announcement.timeoutMinS),
    timeoutMax: durationOfSeconds(announcement.timeoutMaxS),
    leaseMax: durationOfSeconds(announcement.leaseMaxS),
  };
}

function toolResult(uniqId: string, outcome: Outcome): ToolResult {
  return resultWith(sendable(outcome.metadata), uniqId, outcome);
}

function resultWith(metadata: ToolResult["metadata"], uniqId: string, outcome: Outcome): ToolResult {
  return {
    uniqId,
    success: isSuccess(outcome),
    output: wellFormed(outcome.output),
    error: wellFormed(outcome.error),
    metadata,
    status: WIRE_STATUS[outcome.status],
    fault: WIRE_FAULT[FAULT_OF[outcome.status]],
    exitCode: outcome.exitCode === undefined ? undefined : outcome.exitCode | 0,
    signal: wellFormed(outcome.signal ?? ""),
    outputBytesTotal: count(outcome.outputBytes),
    truncated: outcome.truncated,
    queueTime: durationOfMs(outcome.queueMs),
    execTime: durationOfMs(outcome.execMs),
    slotGeneration: uint32(outcome.slotGeneration),
  };
}

/** A rejected call's INVALID is about the client's own fields, not about the model's arguments. */
function rejectedFault(status: CallStatus): WireFault {
  return status === "INVALID" ? WireFault.FAULT_CLIENT : WIRE_FAULT[FAULT_OF[status]];
}

/** BinaryWriter throws for a number out of range. */
export function uint32(value: number): number {
  return Number.isFinite(value) ? Math.min(Math.max(Math.trunc(value), 0), 0xffff_ffff) : 0;
}

export function count(value: number): bigint {
  return Number.isFinite(value) && value > 0 ? BigInt(Math.trunc(value)) : 0n;
}

const WIRE_STATUS = {
  OK: WireStatus.CALL_STATUS_OK,
  NONZERO_EXIT: WireStatus.CALL_STATUS_NONZERO_EXIT,
  SIGNALED: WireStatus.CALL_STATUS_SIGNALED,
  TIMED_OUT: WireStatus.CALL_STATUS_TIMED_OUT,
  OUT_OF_MEMORY: WireStatus.CALL_STATUS_OUT_OF_MEMORY,
  TOOL_FAILED: WireStatus.CALL_STATUS_TOOL_FAILED,
  INVALID: WireStatus.CALL_STATUS_INVALID,
  UNKNOWN_TOOL: WireStatus.CALL_STATUS_UNKNOWN_TOOL,
  CANCELLED: WireStatus.CALL_STATUS_CANCELLED,
  NOT_STARTED: WireStatus.CALL_STATUS_NOT_STARTED,
  LOST: WireStatus.CALL_STATUS_LOST,
  EXTERNAL_FAILED: WireStatus.CALL_STATUS_EXTERNAL_FAILED,
  SANDBOX_UNAVAILABLE: WireStatus.CALL_STATUS_SANDBOX_UNAVAILABLE,
} as const satisfies Record<CallStatus, WireStatus>;

const WIRE_FAULT = {
  NONE: WireFault.FAULT_NONE,
  POLICY: WireFault.FAULT_POLICY,
  CLIENT: WireFault.FAULT_CLIENT,
  INFRASTRUCTURE: WireFault.FAULT_INFRASTRUCTURE,
} as const satisfies Record<Fault, WireFault>;

const WIRE_CHANNEL = {
  stdout: WireChannel.OUTPUT_CHANNEL_STDOUT,
  stderr: WireChannel.OUTPUT_CHANNEL_STDERR,
} as const satisfies Record<OutputChannel, WireChannel>;

const WIRE_STATE = {
  queued: WireState.CALL_STATE_QUEUED,
  running: WireState.CALL_STATE_RUNNING,
  finished: WireState.CALL_STATE_FINISHED,
} as const satisfies Record<CallState, WireState>;
