// Every number that a pool obeys, with its unit, default and range: the one options object of pool/.
import { SwitchyardError } from "../core/errors.js";

export interface PoolLimits {
  /** Slots in each container, as the pool's configuration says; at least 1. */
  readonly slotsPerContainer: number;
  /** Containers that are kept up even when nobody asks; 0 to maxContainers. */
  readonly minContainers: number;
  /** Containers that exist at once, those that start or end included; at least 1. */
  readonly maxContainers: number;
  /** Containers that start at once; at least 1. */
  readonly startingMax: number;
  /** A container above minContainers is ended after it stood idle so long, in seconds. */
  readonly idleTtlS: number;
  /** A start that takes longer, until its slots are to be opened, has failed, in seconds. */
  readonly startTimeoutS: number;
  /** Opening or wiping one slot has failed when it takes longer and no other of its container gets done, in seconds. */
  readonly slotTimeoutS: number;
  /** Pause after the first failed start, in milliseconds; doubles with each further one. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** Failed starts in a row after which the breaker opens: one try at a time, and no waiting in vain; at least 1. */
  readonly failuresMax: number;
}

export const POOL_LIMITS: PoolLimits = {
  slotsPerContainer: 10,
  minContainers: 1,
  maxContainers: 10,
  startingMax: 4,
  idleTtlS: 300,
  startTimeoutS: 120,
  slotTimeoutS: 30,
  backoffMs: 500,
  backoffMaxMs: 30_000,
  failuresMax: 5,
};

/** Fills in the defaults; throws CONFIG_INVALID for what no pool can obey. */
export function poolLimits(given: Partial<PoolLimits>): PoolLimits {
  const limits = { ...POOL_LIMITS, ...given };
  requireWhole("slotsPerContainer", limits.slotsPerContainer, 1);
  requireWhole("maxContainers", limits.maxContainers, 1);
  requireWhole("minContainers", limits.minContainers, 0, limits.maxContainers);
  requireWhole("startingMax", limits.startingMax, 1);
  requireWhole("failuresMax", limits.failuresMax, 1);
  return limits;
}

function requireWhole(name: string, value: number, min: number, max = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  const range = max === Number.MAX_SAFE_INTEGER ? `at least ${min}` : `${min} to ${max}`;
  throw new SwitchyardError("CONFIG_INVALID", `pool limit ${name} is ${value}; give a whole number, ${range}`);
}
