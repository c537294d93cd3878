// How an operation ended, as the runner tells the server: core's Outcome without what only the server knows.
import type { CallStatus } from "../../core/outcome.js";
import type { AbortReason } from "./supervise.js";

export interface Finished {
  readonly status: CallStatus;
  readonly output: string;
  readonly error: string;
  readonly exitCode?: number;
  readonly signal?: string;
  readonly outputBytes: number;
  readonly truncated: boolean;
  /** File tools: bytes of the file. */
  readonly fileSize?: number;
  /** Stateful calls: what became of the slot's lasting shell. */
  readonly shell?: { readonly restarted: boolean; readonly kept: boolean };
  readonly tmux?: TmuxState;
}

/** What there is to say of the slot's tmux session. */
export interface TmuxState {
  /** After a start. */
  readonly paneWidth?: number;
  readonly paneHeight?: number;
  /** Whether a start found it as it is. */
  readonly kept?: boolean;
  /** What its recording is named by. */
  readonly number?: number;
  /** After a wait: whether the shell was at its prompt. */
  readonly done?: boolean;
  /** After a stream: bytes of the recording that were read. */
  readonly offset?: number;
}

/** The end of a run that was stopped from outside. */
export function abortedFor(reason: AbortReason): Finished {
  switch (reason) {
    case "cancel":
      return finishedWith("CANCELLED", "Cancelled");
    case "memory":
      return finishedWith("OUT_OF_MEMORY", "Out of memory: over the slot's limit");
    case "limit":
      return finishedWith("TOOL_FAILED", "Over what a slot may hold: the slot is lost");
    default:
      return reason satisfies never;
  }
}

/** An end without output of its own. */
export function finishedWith(status: CallStatus, error: string): Finished {
  return { status, output: "", error, outputBytes: 0, truncated: false };
}
