// WatchStatus as callers get it: one sample after another.

import { WatchStatusRequest, type TrajectoryStatus as WireTrajectory } from "../gen/switchyard/v1/status.js";
import { ToolExecutorServiceService } from "../gen/switchyard/v1/tool_executor_service.js";
import type { ChannelPool } from "./channel-pool.js";
import { SwitchyardClientError } from "./errors.js";
import { durationOf } from "./messages.js";
import { type ServerStatus, serverStatusOf } from "./server-status.js";
import { serverStream } from "./server-stream.js";
import { msOf } from "./tool-result.js";

export interface WatchOptions {
  /** From one sample to the next. Default: 1,000; the server clamps it to 100–60,000. */
  readonly intervalMs?: number;
  /** How many trajectories each sample describes at most. Default: 0; the server clamps it to 1,000. */
  readonly trajectoriesMax?: number;
  readonly signal?: AbortSignal;
}

export interface StatusSample {
  readonly status: ServerStatus;
  /** The most active of this client's own, or of everybody's where the server asks nobody who they are. */
  readonly trajectories: readonly TrajectoryStatus[];
  /** Also those that are not described. */
  readonly trajectoriesTotal: number;
}

export interface TrajectoryStatus {
  readonly trajectoryId: string;
  readonly pool: string;
  readonly group: string;
  /** Whether a stream, an `execute` or a transfer holds it; else its lease does. */
  readonly attached: boolean;
  readonly callsQueued: number;
  readonly callsRunning: number;
  /** Accepted in this life of it. */
  readonly callsTotal: number;
  /** 0 without a slot. */
  readonly slotGeneration: number;
  readonly ageMs: number;
  /** Undefined while it is attached. */
  readonly leaseLeftMs: number | undefined;
  /** Since a stream was opened, or a call accepted or ended. */
  readonly idleMs: number;
}

/** A sample that waits is soon an old one. */
const WAITING_MAX = 1;

export function watchStatus(
  pool: ChannelPool,
  { intervalMs, trajectoriesMax = 0, signal }: WatchOptions,
  closed: AbortSignal,
): AsyncIterableIterator<StatusSample> {
  const interval = durationOf("the interval", intervalMs === undefined ? undefined : intervalMs / 1000);
  const request = WatchStatusRequest.encode({ interval, trajectoriesMax }).finish();
  return samples(pool, request, [closed, signal]);
}

async function* samples(
  pool: ChannelPool,
  request: Uint8Array,
  signals: readonly (AbortSignal | undefined)[],
): AsyncGenerator<StatusSample> {
  const responses = serverStream(pool, ToolExecutorServiceService.watchStatus, request, WAITING_MAX, signals);
  for await (const { status, trajectories, trajectoriesTotal } of responses) {
    if (status === undefined) throw new SwitchyardClientError("UNKNOWN", "a sample came without a status");
    yield { status: serverStatusOf(status), trajectories: trajectories.map(trajectoryOf), trajectoriesTotal };
  }
}

function trajectoryOf(wire: WireTrajectory): TrajectoryStatus {
  const { trajectoryId, pool, group, attached, callsQueued, callsRunning, callsTotal, slotGeneration } = wire;
  return {
    ...{ trajectoryId, pool, group, attached, callsQueued, callsRunning, callsTotal, slotGeneration },
    ageMs: msOf(wire.age),
    leaseLeftMs: wire.leaseLeft && msOf(wire.leaseLeft),
    idleMs: msOf(wire.lastActivity),
  };
}
