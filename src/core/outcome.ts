// How a call ended. `success` and `fault` follow from the status by one table, so they cannot disagree.
import type { JsonObject } from "./json.js";

export type Fault = "NONE" | "POLICY" | "CLIENT" | "INFRASTRUCTURE";

/** Whose doing each status is. NONE: an ordinary result that a policy learns from as it stands. */
export const FAULT_OF = {
  OK: "NONE",
  NONZERO_EXIT: "NONE",
  SIGNALED: "POLICY",
  TIMED_OUT: "POLICY",
  OUT_OF_MEMORY: "POLICY",
  TOOL_FAILED: "POLICY",
  INVALID: "POLICY",
  UNKNOWN_TOOL: "POLICY",
  CANCELLED: "CLIENT",
  NOT_STARTED: "INFRASTRUCTURE",
  LOST: "INFRASTRUCTURE",
  EXTERNAL_FAILED: "INFRASTRUCTURE",
  SANDBOX_UNAVAILABLE: "INFRASTRUCTURE",
} as const satisfies Record<string, Fault>;

export type CallStatus = keyof typeof FAULT_OF;

export interface Outcome {
  readonly status: CallStatus;
  /** What a model reads; valid UTF-8, at most `output.chars_max` characters. */
  readonly output: string;
  /** Empty when the status is OK. */
  readonly error: string;
  readonly metadata: JsonObject;
  /** Set when the main process ended by itself. */
  readonly exitCode?: number;
  /** Name of the signal that ended the main process, such as `SIGSEGV`. */
  readonly signal?: string;
  /** Bytes that the call wrote to stdout and stderr, whether kept or not. */
  readonly outputBytes: number;
  /** Whether `output` misses some of them. */
  readonly truncated: boolean;
  /** From acceptance until the call was handed to a runner, in milliseconds. */
  readonly queueMs: number;
  /** From its start in the slot until its end, as the runner saw it, in milliseconds. */
  readonly execMs: number;
  /** The life of the slot in which it ran; 0 when it never reached one. */
  readonly slotGeneration: number;
}

export function isSuccess(outcome: Pick<Outcome, "status">): boolean {
  return outcome.status === "OK";
}

/** An outcome for a call that did not run to an end of its own. */
export function failedOutcome(status: Exclude<CallStatus, "OK">, error: string, metadata: JsonObject = {}): Outcome {
  return {
    status,
    output: "",
    error,
    metadata,
    outputBytes: 0,
    truncated: false,
    queueMs: 0,
    execMs: 0,
    slotGeneration: 0,
  };
}
