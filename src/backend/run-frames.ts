// Operations as frames for a runner.
import type { SlotOperation } from "../core/operation.js";
import type { RunCall } from "../gen/switchyard/runner/v1/runner.js";
import { SERVER_FRAME_BYTES_MAX } from "../link/frames.js";

export function runCall(bound: SlotOperation): RunCall {
  const { slot, uniqId, digest, forStream, context, operation, noOutputTimeoutS = 0 } = bound;
  const streamOutput = bound.output !== undefined;
  const call = { slot, uniqId, digest: Buffer.from(digest, "hex"), forStream, context, noOutputTimeoutS, streamOutput };
  switch (operation.kind) {
    case "bash":
      return { ...call, operation: { $case: "bash", value: { command: operation.command } } };
    case "read_file": {
      const { path, offset, limit = 0, encoding } = operation;
      const value = { path, offset: BigInt(offset), limit: BigInt(limit), base64: encoding === "base64" };
      return { ...call, operation: { $case: "readFile", value } };
    }
    case "write_file": {
      const { path, content } = operation;
      return { ...call, operation: { $case: "writeFile", value: { path, content: Buffer.from(content) } } };
    }
    default:
      return operation satisfies never;
  }
}

/** One frame for all, unless they would outgrow it together; each alone came in one gRPC message. */
export function partsThatFit(calls: readonly RunCall[]): RunCall[][] {
  const parts: RunCall[][] = [[]];
  let bytes = 0;
  for (const call of calls) {
    const size = contentBytes(call);
    if (bytes > 0 && bytes + size > SERVER_FRAME_BYTES_MAX / 2) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(call);
    bytes += size;
  }
  return parts;
}

function contentBytes({ operation, context }: RunCall): number {
  if (operation?.$case === "bash") return context.length + Buffer.byteLength(operation.value.command);
  return context.length + (operation?.$case === "writeFile" ? operation.value.content.length : 0);
}
