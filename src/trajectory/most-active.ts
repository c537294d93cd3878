// Which trajectories to show first, out of very many: those with unfinished calls, then those that were active last. It
// never sorts more than twice the number that is asked for.
import type { Activity } from "./activity.js";

interface Active {
  readonly activity: Pick<Activity, "isBusy" | "lastMs">;
}

/** The first `max` of them, in order. */
export function mostActive<T extends Active>(items: Iterable<T>, max: number): T[] {
  let best: T[] = [];
  if (max <= 0) return best;
  let last: T | undefined;
  for (const item of items) {
    if (last && compare(item, last) >= 0) continue;
    best.push(item);
    if (best.length < 2 * max) continue;
    best = best.sort(compare).slice(0, max);
    last = best.at(-1);
  }
  return best.sort(compare).slice(0, max);
}

function compare({ activity: a }: Active, { activity: b }: Active): number {
  return Number(b.isBusy) - Number(a.isBusy) || b.lastMs - a.lastMs;
}
