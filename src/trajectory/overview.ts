// A trajectory at a glance, for those who watch.
import type { Activity } from "./activity.js";
import type { TrajectoryOverview } from "./session.js";
import type { TrajectoryIdentity } from "./surroundings.js";

type OfItself = Pick<TrajectoryOverview, "attached" | "slotGeneration" | "leaseLeftMs" | "ageMs">;

export function overviewOf(
  { trajectoryId, pool, group }: TrajectoryIdentity,
  { queued, running, total, idleMs }: Activity,
  ofItself: OfItself,
): TrajectoryOverview {
  const calls = { callsQueued: queued, callsRunning: running, callsTotal: total };
  return { trajectoryId, pool, group, ...calls, ...ofItself, idleMs };
}
