// The `read_file` and `write_file` operations. The launcher does the work as the slot's own user, inside its sandbox;
// here its answer becomes a result.
import type { Run } from "../sandbox/run.js";
import type { Slot } from "../slot.js";
import { abortedFor, type Finished, finishedWith } from "./finished.js";
import { type Supervised, supervise } from "./supervise.js";

const WORKSPACE = "/workspace";

export interface ReadRequest {
  readonly path: string;
  readonly offset: number;
  /** 0: up to the end. */
  readonly limit: number;
  readonly base64: boolean;
}

export interface FileLimits {
  readonly timeoutS: number;
  readonly fileBytesMax: number;
}

export async function readFile(
  slot: Slot,
  { path, offset, limit, base64 }: ReadRequest,
  limits: FileLimits,
  cancelled: AbortSignal,
): Promise<Finished> {
  const numbers = [offset, limit, limits.fileBytesMax].map(String);
  const done = await operate(
    await slot.run(["read", slot.workspace, seenFrom(slot, path), ...numbers]),
    limits,
    cancelled,
  );
  if (done.failed) return done.failed;
  const content = done.stdout.kept().head;
  return {
    ...finishedWith("OK", ""),
    output: content.toString(base64 ? "base64" : "utf8"),
    outputBytes: content.length,
    // What shares the slot may have written into the answer too.
    fileSize: /^\d{1,15}$/.test(done.answer) ? Number(done.answer) : content.length,
  };
}

export async function writeFile(
  slot: Slot,
  path: string,
  content: Uint8Array,
  limits: FileLimits,
  cancelled: AbortSignal,
): Promise<Finished> {
  const done = await operate(
    await slot.run(["write", slot.workspace, seenFrom(slot, path), content]),
    limits,
    cancelled,
  );
  if (done.failed) return done.failed;
  const output = `Successfully wrote ${content.length} bytes to ${path}`;
  return { ...finishedWith("OK", ""), output, outputBytes: 0, fileSize: content.length };
}

/** `/workspace` names the workspace in every slot, wherever its sandbox has it. */
function seenFrom(slot: Slot, path: string): string {
  return path === WORKSPACE || path.startsWith(`${WORKSPACE}/`) ? slot.workspace + path.slice(WORKSPACE.length) : path;
}

async function operate(
  run: Run,
  limits: FileLimits,
  cancelled: AbortSignal,
): Promise<Supervised & { failed?: Finished; answer: string }> {
  const watch = { timeoutS: limits.timeoutS, noOutputTimeoutS: 0, charsMax: limits.fileBytesMax };
  const done = await supervise(run, watch, cancelled);
  const answer = done.stderr.kept().head.toString("utf8");
  const failed = failureOf(done, answer, limits);
  return failed ? { ...done, failed, answer } : { ...done, answer };
}

function failureOf({ endedFor, waitStatus }: Supervised, answer: string, limits: FileLimits): Finished | undefined {
  if (waitStatus === undefined) return finishedWith("LOST", "The sandbox died while the file was worked on");
  if (endedFor === "timeout" || endedFor === "no_output") {
    return finishedWith("TIMED_OUT", `File operation timed out after ${limits.timeoutS}s`);
  }
  if (endedFor) return abortedFor(endedFor);
  if (waitStatus !== 0) return finishedWith("TOOL_FAILED", answer || "The file operation was killed");
  return undefined;
}
