// How many containers a pool should have: pure functions of what is there now. Owns nothing.
// Invariant: what exists, starts and ends together never exceeds maxContainers.
import type { PoolLimits } from "./limits.js";

export interface Demand {
  readonly waiters: number;
  /** Slots that could be leased right now. */
  readonly slotsReady: number;
  /** Containers on their way up. */
  readonly starting: number;
  /** Containers that take new leases. */
  readonly serving: number;
  /** Containers that take none: retiring, or not yet gone. They count against maxContainers only. */
  readonly leaving: number;
}

/** Containers to start now, had none failed lately. */
export function containersToStart(demand: Demand, limits: PoolLimits): number {
  const { waiters, slotsReady, starting, serving, leaving } = demand;
  const unserved = Math.max(0, waiters - slotsReady);
  const forWaiters = Math.ceil(unserved / limits.slotsPerContainer) - starting;
  const forMin = limits.minContainers - serving - starting;
  const room = limits.maxContainers - serving - starting - leaving;
  const atOnce = limits.startingMax - starting;
  return Math.max(0, Math.min(Math.max(forWaiters, forMin), room, atOnce));
}

export interface Idleness<C> {
  readonly container: C;
  /** When its last slot became free; undefined while one is in use. */
  readonly idleSinceMs: number | undefined;
}

export interface IdleVerdict<C> {
  readonly end: readonly C[];
  /** When to look again, in milliseconds from now; undefined: not before something changes. */
  readonly againMs: number | undefined;
}

/** Of the serving containers, those to end: above minContainers and idle for idleTtlS, the longest idle first. */
export function idleToEnd<C>(serving: readonly Idleness<C>[], nowMs: number, limits: PoolLimits): IdleVerdict<C> {
  const spare = Math.max(0, serving.length - limits.minContainers);
  const candidates = serving
    .flatMap(({ container, idleSinceMs }) =>
      idleSinceMs === undefined ? [] : [{ container, remainingMs: idleSinceMs + limits.idleTtlS * 1000 - nowMs }],
    )
    .sort((a, b) => a.remainingMs - b.remainingMs)
    .slice(0, spare);
  return {
    end: candidates.filter(({ remainingMs }) => remainingMs <= 0).map(({ container }) => container),
    againMs: candidates.find(({ remainingMs }) => remainingMs > 0)?.remainingMs,
  };
}
