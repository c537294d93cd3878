// Exponential backoff with full jitter: clients that lost one server together do not come back together.

export interface Backoff {
  /** Upper bound of the first wait. */
  readonly initialMs: number;
  /** Upper bound of every wait. */
  readonly maxMs: number;
}

/** Evenly between 0 and a bound that doubles with each attempt, from 0. */
export function fullJitterMs(attempt: number, { initialMs, maxMs }: Backoff, random: () => number): number {
  return random() * Math.min(maxMs, initialMs * 2 ** Math.min(attempt, 30));
}
