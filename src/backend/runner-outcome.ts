// Checks a result that a runner sent, and makes core's Outcome of it. The runner may have been taken over: what no honest
// one can send is refused here.
import type { JsonObject, JsonValue } from "../core/json.js";
import type { CallStatus, Outcome } from "../core/outcome.js";
import type { CallFinished, Init } from "../gen/switchyard/runner/v1/runner.js";
import { isPossible, tmuxMetadata } from "./tmux-frames.js";

/** The ends that a call can come to in a runner. */
const RUNNER_STATUSES: readonly string[] = [
  "OK",
  "NONZERO_EXIT",
  "SIGNALED",
  "TIMED_OUT",
  "OUT_OF_MEMORY",
  "TOOL_FAILED",
  "CANCELLED",
  "NOT_STARTED",
  "LOST",
  "SANDBOX_UNAVAILABLE",
] satisfies CallStatus[];

const ERROR_CHARS_MAX = 10_000;
/** The file tools' own output: a file as base64, or the line of `write_file`, which holds a path. */
const PATH_CHARS_MAX = 10_000;

/** Undefined when the frame breaks the rules. */
export function outcomeOfFrame(frame: CallFinished, init: Init): Outcome | undefined {
  const { status, output, error, exitCode, signal, outputBytes, execMs, fileSize, truncated, tmux } = frame;
  // In UTF-16 units: a character takes two at most, a file's byte as base64 less than two.
  const outputMax = 2 * Math.max(init.outputCharsMax, init.fileBytesMax) + PATH_CHARS_MAX;
  if (!isRunnerStatus(status) || output.length > outputMax || error.length > ERROR_CHARS_MAX) return undefined;
  if (exitCode !== undefined && (exitCode < 0 || exitCode > 255)) return undefined;
  if (!/^[A-Za-z0-9+ -]{0,32}$/.test(signal) || !Number.isFinite(execMs) || execMs < 0) return undefined;
  if (outputBytes > Number.MAX_SAFE_INTEGER || (fileSize ?? 0n) > Number.MAX_SAFE_INTEGER) return undefined;
  if (tmux && !isPossible(tmux)) return undefined;
  const outcome: { -readonly [Field in keyof Outcome]: Outcome[Field] } = {
    status,
    output,
    error: status === "OK" ? "" : error,
    metadata: metadataOf(frame),
    outputBytes: Number(outputBytes),
    truncated,
    queueMs: 0,
    execMs,
    slotGeneration: 0,
  };
  if (exitCode !== undefined) outcome.exitCode = exitCode;
  if (signal) outcome.signal = signal;
  return outcome;
}

function metadataOf({ exitCode, fileSize, shell, tmux }: CallFinished): JsonObject {
  const metadata: { [key: string]: JsonValue } = {};
  if (exitCode !== undefined) metadata.exit_code = exitCode;
  if (fileSize !== undefined) metadata.size = Number(fileSize);
  if (shell) metadata.shell = shell.kept ? "kept" : "restarted";
  if (shell?.restarted) metadata.restarted = true;
  return tmux ? Object.assign(metadata, tmuxMetadata(tmux)) : metadata;
}

function isRunnerStatus(status: string): status is CallStatus {
  return RUNNER_STATUSES.includes(status);
}
