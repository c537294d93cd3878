// Executes one call in its slot, and makes a frame of how it ended.
import { constants } from "node:os";
import type { CallFinished, Init, RunCall } from "../gen/switchyard/runner/v1/runner.js";
import type { LiveOutput } from "./live-output.js";
import { CannotStart } from "./sandbox/armed-children.js";
import type { Slot } from "./slot.js";
import { runBash, runStateful } from "./tools/bash.js";
import { readFile, writeFile } from "./tools/files.js";
import { type Finished, finishedWith } from "./tools/finished.js";
import { runTmux } from "./tools/tmux.js";
import { tmuxAction, tmuxFrame } from "./tools/tmux-frames.js";

type Operation = NonNullable<RunCall["operation"]>;

/** Of an error text; the server takes no longer one. */
const ERROR_CHARS_MAX = 5_000;
const OUT_OF_MEMORY = { status: "OUT_OF_MEMORY", error: "Out of memory: killed by the container's limit" } as const;

export interface OperateOptions {
  readonly timeoutS: number;
  readonly limits: Pick<Init, "outputCharsMax" | "fileBytesMax">;
  readonly aborted: AbortSignal;
  /** Takes what a command writes, as it comes. */
  readonly live?: LiveOutput | undefined;
  /** Whether the container's memory limit has killed something since that time (performance.now). */
  outOfMemorySince(startMs: number): boolean;
}

/** Never rejects. */
export async function operate(slot: Slot, call: RunCall, options: OperateOptions): Promise<CallFinished> {
  const start = performance.now();
  let finished: Finished;
  try {
    finished = await execute(slot, call, options);
    if (wasKilled(finished) && options.outOfMemorySince(start)) finished = { ...finished, ...OUT_OF_MEMORY };
  } catch (error) {
    // Nothing of it ran: a run begins only once it was handed over. A slot that is full is its own code's doing.
    finished = finishedWith(error instanceof CannotStart ? "TOOL_FAILED" : "NOT_STARTED", textOf(error));
  }
  return frameOf(call, finished, performance.now() - start);
}

function execute(slot: Slot, call: RunCall, { timeoutS, limits, aborted, live }: OperateOptions): Promise<Finished> {
  if (!call.operation) return Promise.reject(new Error("no operation"));
  const { outputCharsMax: charsMax, fileBytesMax } = limits;
  const fileLimits = { timeoutS, fileBytesMax };
  const runLimits = { timeoutS, noOutputTimeoutS: call.noOutputTimeoutS, charsMax };
  const operation: Operation = call.operation;
  switch (operation.$case) {
    case "bash":
      return runBash(slot, operation.value.command, runLimits, aborted, live);
    case "bashStateful":
      return runStateful(slot, operation.value.command, runLimits, aborted, live);
    case "readFile": {
      const { path, offset, limit, base64 } = operation.value;
      return readFile(slot, { path, offset: Number(offset), limit: Number(limit), base64 }, fileLimits, aborted);
    }
    case "writeFile":
      return writeFile(slot, operation.value.path, operation.value.content, fileLimits, aborted);
    case "tmux":
      return runTmux(slot, tmuxAction(operation.value), runLimits, aborted, live);
    default:
      return operation satisfies never;
  }
}

/** By SIGKILL: the main process itself, or one whose exit code a shell passed on. */
function wasKilled({ signal, exitCode }: Finished): boolean {
  return signal === "SIGKILL" || exitCode === 128 + constants.signals.SIGKILL;
}

function frameOf({ uniqId, slot }: RunCall, finished: Finished, execMs: number): CallFinished {
  return {
    uniqId,
    slot,
    status: finished.status,
    output: finished.output,
    error: finished.error.slice(0, ERROR_CHARS_MAX),
    exitCode: finished.exitCode,
    signal: finished.signal ?? "",
    outputBytes: BigInt(finished.outputBytes),
    truncated: finished.truncated,
    execMs,
    fileSize: finished.fileSize === undefined ? undefined : BigInt(finished.fileSize),
    shell: finished.shell,
    tmux: finished.tmux && tmuxFrame(finished.tmux),
  };
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
