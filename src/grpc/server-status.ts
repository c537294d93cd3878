// GetStatus and WatchStatus on the wire. Declares what they need of the rest of the server.

import { SwitchyardError } from "../core/errors.js";
import {
  GetStatusResponse,
  type PoolStatus,
  type TrajectoryStatus,
  WatchStatusRequest,
  WatchStatusResponse,
} from "../gen/switchyard/v1/status.js";
import type { Directory, TrajectoryOverview } from "../trajectory/session.js";
import { durationOfMs, secondsOf } from "./duration.js";
import { count, uint32 } from "./responses.js";
import { byName } from "./tools.js";
import { asBuffer } from "./wire.js";

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
  /** Calls in all of them. */
  readonly batchedCalls: number;
  /** 0 when there was no batch. */
  readonly meanBatchSize: number;
  readonly trajectories: number;
  /** In any order. */
  readonly pools: readonly PoolSnapshot[];
}

export interface StatusReader {
  readStatus(): StatusSnapshot;
}

/** With the streams, which only the gRPC server knows. */
export type ReadStatus = () => StatusSnapshot & { readonly streams: number };

const INTERVAL_S_DEFAULT = 1;
const INTERVAL_S_MIN = 0.1;
const INTERVAL_S_MAX = 60;
/** 400 bytes each at most, all of them fit a message. */
const TRAJECTORIES_MAX = 1000;

export function encodeStatus(snapshot: ReturnType<ReadStatus>): Uint8Array {
  return GetStatusResponse.encode(statusMessage(snapshot)).finish();
}

/** Throws INVALID_FIELD. */
export function decodeWatch(bytes: Uint8Array): { intervalMs: number; trajectoriesMax: number } {
  const { interval, trajectoriesMax } = decoded(bytes);
  const intervalS = interval ? secondsOf("interval", interval) : INTERVAL_S_DEFAULT;
  return {
    intervalMs: 1000 * Math.min(Math.max(intervalS, INTERVAL_S_MIN), INTERVAL_S_MAX),
    trajectoriesMax: Math.min(trajectoriesMax, TRAJECTORIES_MAX),
  };
}

export function encodeWatch(snapshot: ReturnType<ReadStatus>, { total, shown }: ReturnType<Directory["list"]>): Buffer {
  const message = { status: statusMessage(snapshot), trajectories: shown.map(trajectory), trajectoriesTotal: total };
  return asBuffer(WatchStatusResponse.encode(message).finish());
}

function decoded(bytes: Uint8Array): WatchStatusRequest {
  try {
    return WatchStatusRequest.decode(bytes);
  } catch (cause) {
    throw new SwitchyardError("INVALID_FIELD", "the request is no WatchStatusRequest", { cause });
  }
}

function statusMessage(snapshot: ReturnType<ReadStatus>): GetStatusResponse {
  return {
    version: snapshot.version,
    serverId: snapshot.serverId,
    uptime: durationOfMs(snapshot.uptimeMs),
    queueSize: count(snapshot.queueSize),
    totalRequests: count(snapshot.totalRequests),
    totalErrors: count(snapshot.totalErrors),
    batches: count(snapshot.batches),
    meanBatchSize: Number.isFinite(snapshot.meanBatchSize) ? snapshot.meanBatchSize : 0,
    pools: snapshot.pools.map(pool).sort(byName),
    streams: uint32(snapshot.streams),
    trajectories: uint32(snapshot.trajectories),
    batchedCalls: count(snapshot.batchedCalls),
  };
}

function pool(snapshot: PoolSnapshot): PoolStatus {
  return {
    name: snapshot.name,
    backend: snapshot.backend,
    isolation: snapshot.isolation,
    containers: uint32(snapshot.containers),
    slotsTotal: uint32(snapshot.slotsTotal),
    slotsLeased: uint32(snapshot.slotsLeased),
    slotsReady: uint32(snapshot.slotsReady),
    waiting: uint32(snapshot.waiting),
  };
}

function trajectory(overview: TrajectoryOverview): TrajectoryStatus {
  const { leaseLeftMs } = overview;
  return {
    trajectoryId: overview.trajectoryId,
    pool: overview.pool,
    group: overview.group,
    attached: overview.attached,
    callsQueued: uint32(overview.callsQueued),
    callsRunning: uint32(overview.callsRunning),
    callsTotal: uint32(overview.callsTotal),
    slotGeneration: uint32(overview.slotGeneration),
    age: durationOfMs(overview.ageMs),
    leaseLeft: leaseLeftMs === undefined ? undefined : durationOfMs(leaseLeftMs),
    lastActivity: durationOfMs(overview.idleMs),
  };
}
