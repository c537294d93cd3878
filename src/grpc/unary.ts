// The unary RPCs: decode, ask, encode. Declares what ListTools needs of the rest of the server.
import type { handleUnaryCall, Metadata } from "@grpc/grpc-js";
import type { Logger } from "../core/log.js";
import type { Principal } from "../core/principal.js";
import { ReleaseTrajectoryResponse } from "../gen/switchyard/v1/tool_executor_service.js";
import type { Directory } from "../trajectory/session.js";
import { principalOf } from "./authentication.js";
import { decodeExecute, decodeRelease } from "./conversion.js";
import { requireDeadline } from "./deadline.js";
import { encodeExecuteResponse, uint32 } from "./responses.js";
import { encodeStatus, type ReadStatus } from "./server-status.js";
import { grpcStatusOf, type OnRefused } from "./status.js";
import { encodeTools, type ToolDescription } from "./tools.js";
import { belongingTo, traceParentOf } from "./trace-parent.js";
import { asBuffer } from "./wire.js";

export interface ToolLister {
  /** In any order. */
  listTools(): Promise<readonly ToolDescription[]>;
}

export interface UnaryOptions {
  readonly directory: Directory;
  readonly tools: ToolLister;
  readonly readStatus: ReadStatus;
  readonly log: Logger;
  /** Around each request. */
  readonly onStart: () => void;
  readonly onEnd: () => void;
  readonly onRefused?: OnRefused | undefined;
}

export type UnaryHandler = handleUnaryCall<Buffer, Buffer>;

export interface UnaryHandlers {
  readonly execute: UnaryHandler;
  readonly releaseTrajectory: UnaryHandler;
  readonly listTools: UnaryHandler;
  readonly getStatus: UnaryHandler;
}

export function unaryHandlers(options: UnaryOptions): UnaryHandlers {
  const { directory, tools, readStatus } = options;
  return {
    execute: handler(options, async (request, { principal, metadata }) => {
      const decoded = decodeExecute(request);
      const call = belongingTo(traceParentOf(metadata), decoded.call);
      return encodeExecuteResponse(call.uniqId, await directory.execute(principal, { ...decoded, call }));
    }),
    releaseTrajectory: handler(options, async (request, { principal }) => {
      const { released, wiped } = await directory.release(principal, decodeRelease(request));
      return ReleaseTrajectoryResponse.encode({ released: uint32(released), wiped }).finish();
    }),
    listTools: handler(options, async () => encodeTools(await tools.listTools())),
    getStatus: handler(options, async () => encodeStatus(readStatus())),
  };
}

/** Whoever sent a request. */
export interface Caller {
  readonly principal: Principal;
  /** Aborts when the call is closed: its client went away, or its status has left. */
  readonly gone: AbortSignal;
  readonly metadata: Metadata;
}

export function callerOf({ metadata }: { readonly metadata: Metadata }, gone: AbortSignal): Caller {
  return { principal: principalOf({ metadata }), gone, metadata };
}

/** Answers whatever `answer` does: an exception becomes a status. */
export function handler(
  options: Pick<UnaryOptions, "log" | "onStart" | "onEnd" | "onRefused">,
  answer: (request: Buffer, caller: Caller) => Promise<Uint8Array>,
): UnaryHandler {
  return (call, callback) => {
    options.onStart();
    const gone = new AbortController();
    call.once("cancelled", () => gone.abort());
    Promise.resolve()
      .then(() => {
        requireDeadline(call.getDeadline());
        return answer(call.request, callerOf(call, gone.signal));
      })
      .then(
        (response) => callback(null, asBuffer(response)),
        (error: unknown) => callback(grpcStatusOf(error, options.log, options.onRefused)),
      )
      .finally(options.onEnd);
  };
}
