// The answers of GetStatus and ListTools as callers get them: plain numbers and objects.
import type { JsonObject } from "../core/json.js";
import type { GetStatusResponse } from "../gen/switchyard/v1/status.js";
import type { ListToolsResponse } from "../gen/switchyard/v1/tool_executor_service.js";
import { msOf } from "./tool-result.js";

/** A tool that calls may name. */
export interface ToolDescription {
  readonly name: string;
  /** What it does, in the words that a model should read. */
  readonly description: string;
  /** JSON Schema of its arguments. */
  readonly parameters: JsonObject;
  /** Whether it runs elsewhere than in the trajectory's slot. */
  readonly external: boolean;
}

/** The server at a glance. Counters begin at 0 with the server. */
export interface ServerStatus {
  readonly version: string;
  readonly serverId: string;
  readonly uptimeMs: number;
  /** Calls accepted that are not handed to a slot yet. */
  readonly queueSize: number;
  /** Calls accepted. */
  readonly totalRequests: number;
  /** Calls that ended with another status than OK. */
  readonly totalErrors: number;
  readonly batches: number;
  readonly meanBatchSize: number;
  /** Calls in all batches. */
  readonly batchedCalls: number;
  /** RunTrajectory streams that are open. */
  readonly streams: number;
  /** Trajectories that live, with a stream or without. */
  readonly trajectories: number;
  readonly pools: readonly PoolStatus[];
}

export interface PoolStatus {
  readonly name: string;
  readonly backend: string;
  /** `namespace`, `uid`, `container` or `none`; empty while the pool has no container. */
  readonly isolation: string;
  readonly containers: number;
  readonly slotsTotal: number;
  readonly slotsLeased: number;
  readonly slotsReady: number;
  /** Trajectories that wait for a slot. */
  readonly waiting: number;
}

export function serverStatusOf(status: GetStatusResponse): ServerStatus {
  const { uptime, queueSize, totalRequests, totalErrors, batches, batchedCalls, ...rest } = status;
  return {
    ...rest,
    uptimeMs: msOf(uptime),
    queueSize: Number(queueSize),
    totalRequests: Number(totalRequests),
    totalErrors: Number(totalErrors),
    batches: Number(batches),
    batchedCalls: Number(batchedCalls),
  };
}

export function toolsOf({ tools }: ListToolsResponse): ToolDescription[] {
  return tools.map(({ parameters, ...tool }) => ({ ...tool, parameters: parameters ?? {} }));
}
