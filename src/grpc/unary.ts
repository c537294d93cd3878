// The unary RPCs: decode, ask, encode. Declares what ListTools and GetStatus need of the rest of the server.
import type { handleUnaryCall, Metadata } from "@grpc/grpc-js";
import type { Logger } from "../core/log.js";
import { GetStatusResponse, type PoolStatus } from "../gen/switchyard/v1/status.js";
import { ReleaseTrajectoryResponse } from "../gen/switchyard/v1/tool_executor_service.js";
import type { Directory } from "../trajectory/session.js";
import { decodeExecute, decodeRelease } from "./conversion.js";
import { requireDeadline } from "./deadline.js";
import { durationOfMs } from "./duration.js";
import { count, encodeExecuteResponse, uint32 } from "./responses.js";
import { grpcStatusOf, type OnRefused } from "./status.js";
import { byName, encodeTools, type ToolDescription } from "./tools.js";
import { belongingTo, traceParentOf } from "./trace-parent.js";
import { asBuffer } from "./wire.js";

export interface ToolLister {
  /** In any order. */
  listTools(): Promise<readonly ToolDescription[]>;
}

export interface PoolSnapshot {
  readonly name: string;
  readonly backend: string;
  /** Empty while no container has proved one. */
  readonly isolation: string;
  readonly containers: number;
  readonly slotsTotal: number;
  readonly slotsLeased: number;
  readonly slotsReady: number;
  /** Trajectories that wait for a slot. */
  readonly waiting: number;
}

export interface StatusSnapshot {
  readonly version: string;
  readonly serverId: string;
  readonly uptimeMs: number;
  readonly queueSize: number;
  readonly totalRequests: number;
  readonly totalErrors: number;
  readonly batches: number;
  /** 0 when there was no batch. */
  readonly meanBatchSize: number;
  /** In any order. */
  readonly pools: readonly PoolSnapshot[];
}

export interface StatusReader {
  readStatus(): StatusSnapshot;
}

export interface UnaryOptions {
  readonly directory: Directory;
  readonly tools: ToolLister;
  readonly status: StatusReader;
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
  const { directory, tools, status } = options;
  return {
    execute: handler(options, async (request, _, metadata) => {
      const decoded = decodeExecute(request);
      const call = belongingTo(traceParentOf(metadata), decoded.call);
      return encodeExecuteResponse(call.uniqId, await directory.execute({ ...decoded, call }));
    }),
    releaseTrajectory: handler(options, async (request) => {
      const { released, wiped } = await directory.release(decodeRelease(request));
      return ReleaseTrajectoryResponse.encode({ released: uint32(released), wiped }).finish();
    }),
    listTools: handler(options, async () => encodeTools(await tools.listTools())),
    getStatus: handler(options, async () => encodeStatus(status.readStatus())),
  };
}

/** Answers whatever `answer` does: an exception becomes a status. `cancelled` aborts when the client goes away. */
export function handler(
  options: Pick<UnaryOptions, "log" | "onStart" | "onEnd" | "onRefused">,
  answer: (request: Buffer, cancelled: AbortSignal, metadata: Metadata) => Promise<Uint8Array>,
): UnaryHandler {
  return (call, callback) => {
    options.onStart();
    const gone = new AbortController();
    call.once("cancelled", () => gone.abort());
    Promise.resolve()
      .then(() => {
        requireDeadline(call.getDeadline());
        return answer(call.request, gone.signal, call.metadata);
      })
      .then(
        (response) => callback(null, asBuffer(response)),
        (error: unknown) => callback(grpcStatusOf(error, options.log, options.onRefused)),
      )
      .finally(options.onEnd);
  };
}

function encodeStatus(snapshot: StatusSnapshot): Uint8Array {
  const pools: PoolStatus[] = snapshot.pools.map((pool) => ({
    name: pool.name,
    backend: pool.backend,
    isolation: pool.isolation,
    containers: uint32(pool.containers),
    slotsTotal: uint32(pool.slotsTotal),
    slotsLeased: uint32(pool.slotsLeased),
    slotsReady: uint32(pool.slotsReady),
    waiting: uint32(pool.waiting),
  }));
  return GetStatusResponse.encode({
    version: snapshot.version,
    serverId: snapshot.serverId,
    uptime: durationOfMs(snapshot.uptimeMs),
    queueSize: count(snapshot.queueSize),
    totalRequests: count(snapshot.totalRequests),
    totalErrors: count(snapshot.totalErrors),
    batches: count(snapshot.batches),
    meanBatchSize: Number.isFinite(snapshot.meanBatchSize) ? snapshot.meanBatchSize : 0,
    pools: pools.sort(byName),
  }).finish();
}
