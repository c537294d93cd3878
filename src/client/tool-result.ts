// The result of a call as callers get it: plain strings and numbers. Made from the server's frame, or by the client
// itself for calls that no server will answer.
import type { JsonObject } from "../core/json.js";
import { type CallStatus, FAULT_OF, type Fault } from "../core/outcome.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import {
  CallStatus as CallStatusMessage,
  Fault as FaultMessage,
  type ToolResult as ToolResultMessage,
} from "../gen/switchyard/v1/call.js";

/** How one call ended. Every status is final: to try again, make a new call. */
export interface ToolResult {
  readonly uniqId: string;
  /** Whether `status` is `OK`. */
  readonly success: boolean;
  /** How it ended. A status that this client does not know is given as `LOST`. */
  readonly status: CallStatus;
  /** Whose doing that is: learn from `NONE` and `POLICY`, mask or retry `CLIENT` and `INFRASTRUCTURE`. */
  readonly fault: Fault;
  /** What a model reads; at most `limits.outputCharsMax` characters (50,000). */
  readonly output: string;
  /** Why it failed; empty when `success`. */
  readonly error: string;
  /** Details that depend on the tool, such as `exit_code`, `sandboxed`, `timeout`, `path`, `size`. */
  readonly metadata: JsonObject;
  /** Of the main process; undefined when it did not end by itself, or when there was none. */
  readonly exitCode: number | undefined;
  /** The signal that ended the main process, such as `SIGSEGV`. */
  readonly signal: string | undefined;
  /** Bytes that it wrote to stdout and stderr, kept or not. */
  readonly outputBytes: number;
  /** Whether `output` misses some of them. */
  readonly truncated: boolean;
  /** Milliseconds from its acceptance by the server until it was handed to a slot. */
  readonly queueMs: number;
  /** Milliseconds that it ran. */
  readonly execMs: number;
  /** The generation of the slot that it ran in, from 1; 0 when it reached none. */
  readonly slotGeneration: number;
  /**
   * Whether the client made this result: `LOST` (sent, and the server forgot the trajectory), `NOT_STARTED` (its
   * `slotGeneration` belonged to a life that is over) or `CANCELLED` (before it was sent). `output` is empty then.
   */
  readonly local: boolean;
}

export function toolResultOf(message: ToolResultMessage): ToolResult {
  const status = statusOf(message.status);
  return {
    uniqId: message.uniqId,
    success: status === "OK",
    status,
    fault: faultOf(message.fault, status),
    output: message.output,
    error: message.error,
    metadata: message.metadata ?? {},
    exitCode: message.exitCode,
    signal: message.signal || undefined,
    outputBytes: Number(message.outputBytesTotal),
    truncated: message.truncated,
    queueMs: msOf(message.queueTime),
    execMs: msOf(message.execTime),
    slotGeneration: message.slotGeneration,
    local: false,
  };
}

export function localResult(uniqId: string, status: "LOST" | "NOT_STARTED" | "CANCELLED", error: string): ToolResult {
  return {
    uniqId,
    success: false,
    status,
    fault: FAULT_OF[status],
    output: "",
    error,
    metadata: {},
    exitCode: undefined,
    signal: undefined,
    outputBytes: 0,
    truncated: false,
    queueMs: 0,
    execMs: 0,
    slotGeneration: 0,
    local: true,
  };
}

/** `CALL_STATUS_OK` → `OK`; what is unknown → `LOST`, as the proto asks. */
export function statusOf(status: CallStatusMessage): CallStatus {
  const name = CallStatusMessage[status]?.replace("CALL_STATUS_", "") ?? "";
  return isStatus(name) ? name : "LOST";
}

export function faultOf(fault: FaultMessage, status: CallStatus): Fault {
  switch (fault) {
    case FaultMessage.FAULT_NONE:
      return "NONE";
    case FaultMessage.FAULT_POLICY:
      return "POLICY";
    case FaultMessage.FAULT_CLIENT:
      return "CLIENT";
    case FaultMessage.FAULT_INFRASTRUCTURE:
      return "INFRASTRUCTURE";
    default:
      return FAULT_OF[status];
  }
}

function isStatus(name: string): name is CallStatus {
  return Object.hasOwn(FAULT_OF, name);
}

/** 0 for none. */
export function msOf(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}
