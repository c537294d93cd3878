// What failed starts teach: a pause that doubles with each failure, and a breaker that opens after several in a row.
// Pure functions over a plain record. Invariant: starts that fail together count as one failure, so that a burst of
// them does not open the breaker by itself.
import type { PoolLimits } from "./limits.js";

export interface Breaker {
  /** In a row; 0 after a start that succeeded. */
  readonly failures: number;
  readonly lastFailureMs: number;
  /** No start before this time. */
  readonly retryAtMs: number;
  readonly lastError: unknown;
}

export const CLOSED: Breaker = { failures: 0, lastFailureMs: 0, retryAtMs: 0, lastError: undefined };

export interface Failure {
  readonly beganMs: number;
  readonly nowMs: number;
  readonly error: unknown;
}

export function afterFailure(breaker: Breaker, { beganMs, nowMs, error }: Failure, limits: PoolLimits): Breaker {
  if (breaker.failures > 0 && beganMs < breaker.lastFailureMs) return { ...breaker, lastError: error };
  const failures = breaker.failures + 1;
  // 2 ** 30 is far above any cap, and keeps the product finite.
  const pauseMs = Math.min(limits.backoffMaxMs, limits.backoffMs * 2 ** Math.min(failures - 1, 30));
  return { failures, lastFailureMs: nowMs, retryAtMs: nowMs + pauseMs, lastError: error };
}

export function isOpen(breaker: Breaker, limits: PoolLimits): boolean {
  return breaker.failures >= limits.failuresMax;
}

export type StartAdvice =
  /** Start so many now. */
  | { readonly kind: "start"; readonly count: number }
  /** Starts are paused; look again then, in milliseconds from now. */
  | { readonly kind: "pause"; readonly againMs: number };

/** What becomes of `wanted` starts; with the breaker open one start at a time tries whether things are well again. */
export function adviseStart(
  breaker: Breaker,
  wanted: number,
  starting: number,
  nowMs: number,
  limits: PoolLimits,
): StartAdvice {
  if (wanted === 0) return { kind: "start", count: 0 };
  if (nowMs < breaker.retryAtMs) return { kind: "pause", againMs: breaker.retryAtMs - nowMs };
  if (!isOpen(breaker, limits)) return { kind: "start", count: wanted };
  return { kind: "start", count: starting > 0 ? 0 : 1 };
}
