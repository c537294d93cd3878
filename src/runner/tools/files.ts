// The `read_file` and `write_file` operations. The launcher does the work as the slot's own user, inside its sandbox;
// here its answer becomes a result.
import type { Run } from "../sandbox/run.js";
import type { Slot } from "../slot.js";
import { abortedFor, type Finished, finishedWith } from "./finished.js";
import { type Supervised, supervise } from "./supervise.js";

const WORKSPACE = "/workspace";
const WORDS = { operation: "File operation", died: "The sandbox died while the file was worked on" };

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
  const run = await slot.run(["read", slot.workspace, seenFrom(slot, path), ...numbers]);
  // A file may be more than its FIFO holds.
  run.stdout.follow();
  const done = await operate(run, limits, cancelled);
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
  const failed = failureOf(done, answer, limits, WORDS);
  return failed ? { ...done, failed, answer } : { ...done, answer };
}

/** How a child of the launcher failed that does more than run a command, and whose stderr is its answer. */
export function failureOf(
  { endedFor, waitStatus }: Supervised,
  answer: string,
  limits: { readonly timeoutS: number; readonly noOutputTimeoutS?: number },
  words: { readonly operation: string; readonly died: string },
): Finished | undefined {
  if (waitStatus === undefined) return finishedWith("LOST", words.died);
  if (endedFor === "timeout") {
    return finishedWith("TIMED_OUT", `${words.operation} timed out after ${limits.timeoutS}s`);
  }
  if (endedFor === "no_output") {
    return finishedWith("TIMED_OUT", `${words.operation} timed out after ${limits.noOutputTimeoutS}s without output`);
  }
  if (endedFor) return abortedFor(endedFor);
  if (waitStatus !== 0) return finishedWith("TOOL_FAILED", answer || `${words.operation} was killed`);
  return undefined;
}
