// What happened between two samples, for each second.
import type { StatusSample } from "../../client/index.js";

export interface Rates {
  readonly callsPerS: number;
  readonly errorsPerS: number;
  /** Calls per batch meanwhile; 0 when there was none. */
  readonly batchSize: number;
  /** Of each trajectory that both samples describe. */
  readonly trajectoryCallsPerS: ReadonlyMap<string, number>;
}

/** Undefined where the two have nothing to do with each other: there was none before, or another server answered. */
export function ratesBetween(before: StatusSample | undefined, now: StatusSample): Rates | undefined {
  if (before === undefined || before.status.serverId !== now.status.serverId) return undefined;
  const seconds = (now.status.uptimeMs - before.status.uptimeMs) / 1000;
  if (seconds <= 0) return undefined;
  const more = (name: "totalRequests" | "totalErrors" | "batches" | "batchedCalls") =>
    Math.max(0, now.status[name] - before.status[name]);
  const totals = new Map(before.trajectories.map(({ trajectoryId, callsTotal }) => [trajectoryId, callsTotal]));
  const perTrajectory = now.trajectories.flatMap(({ trajectoryId, callsTotal }) => {
    const earlier = totals.get(trajectoryId);
    // With fewer calls than before it is another life of that name.
    return earlier === undefined || callsTotal < earlier
      ? []
      : [[trajectoryId, (callsTotal - earlier) / seconds] as const];
  });
  return {
    callsPerS: more("totalRequests") / seconds,
    errorsPerS: more("totalErrors") / seconds,
    batchSize: more("batches") === 0 ? 0 : more("batchedCalls") / more("batches"),
    trajectoryCallsPerS: new Map(perTrajectory),
  };
}
