// Operations as frames for a runner.
import type { SlotOperation } from "../core/operation.js";
import type { KnownCall, RunCall } from "../gen/switchyard/runner/v1/runner.js";
import { SERVER_FRAME_BYTES_MAX } from "../link/frames.js";
import { partsWithin } from "../link/parts.js";
import type { AdoptedCall } from "./backend.js";
import { tmuxFrame } from "./tmux-frames.js";

/** Twice what the tool takes, with room for each key's own length. */
const KEYS_BYTES_MAX = 128 * 1024;

export function runCall(bound: SlotOperation): RunCall {
  const { slot, uniqId, digest, forStream, context, operation, noOutputTimeoutS = 0 } = bound;
  const streamOutput = bound.output !== undefined;
  const call = { slot, uniqId, digest: Buffer.from(digest, "hex"), forStream, context, noOutputTimeoutS, streamOutput };
  switch (operation.kind) {
    case "bash":
      return { ...call, operation: { $case: "bash", value: { command: operation.command } } };
    case "bash_stateful":
      return { ...call, operation: { $case: "bashStateful", value: { command: operation.command } } };
    case "tmux":
      return { ...call, operation: { $case: "tmux", value: tmuxFrame(operation.action) } };
    case "read_file": {
      const { path, offset, limit = 0, encoding } = operation;
      const value = { path, offset: BigInt(offset), limit: BigInt(limit), base64: encoding === "base64" };
      return { ...call, operation: { $case: "readFile", value } };
    }
    case "write_file": {
      const { path, content } = operation;
      const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
      return { ...call, operation: { $case: "writeFile", value: { path, content: bytes } } };
    }
    default:
      return operation satisfies never;
  }
}

/** What a runner is to remember of a call that it did not run. */
export function knownCall(
  slot: number,
  { uniqId, digest, forStream, state, context, outcome }: AdoptedCall,
): KnownCall {
  return {
    uniqId,
    digest: Buffer.from(digest, "hex"),
    forStream,
    streamOutput: false,
    context,
    acknowledged: state === "acknowledged",
    finished: outcome && {
      uniqId,
      slot,
      status: outcome.status,
      output: outcome.output,
      error: outcome.error,
      exitCode: outcome.exitCode,
      signal: outcome.signal ?? "",
      outputBytes: BigInt(outcome.outputBytes),
      truncated: outcome.truncated,
      execMs: outcome.execMs,
      fileSize: undefined,
      shell: undefined,
      tmux: undefined,
    },
  };
}

/** One frame for all, unless they would outgrow it together; each alone came in one gRPC message. */
export function partsThatFit(calls: readonly RunCall[]): Generator<RunCall[]> {
  return partsWithin(calls, contentBytes, SERVER_FRAME_BYTES_MAX / 2);
}

function contentBytes({ operation, context }: RunCall): number {
  if (operation?.$case === "bash" || operation?.$case === "bashStateful")
    return context.length + Buffer.byteLength(operation.value.command);
  if (operation?.$case === "tmux") return context.length + KEYS_BYTES_MAX;
  return context.length + (operation?.$case === "writeFile" ? operation.value.content.length : 0);
}
