// How an operation ended, as the runner tells the server: core's Outcome without what only the server knows.
import type { CallStatus } from "../../core/outcome.js";

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
}

/** An end without output of its own. */
export function finishedWith(status: CallStatus, error: string): Finished {
  return { status, output: "", error, outputBytes: 0, truncated: false };
}
