// How long a call may run: the client's own timeout, else the number that the model gave, else the pool's default, each
// clamped to the configured range.
import type { Call } from "../core/call.js";
import { ownValue } from "../core/json.js";

export interface TimeoutRange {
  readonly minS: number;
  readonly maxS: number;
}

export function timeoutOf(call: Call, poolDefaultS: number, range: TimeoutRange): number {
  return clamped(call.timeoutS ?? modelTimeout(call) ?? poolDefaultS, range);
}

export function clamped(seconds: number, { minS, maxS }: TimeoutRange): number {
  return Math.min(Math.max(seconds, minS), maxS);
}

/** Anything but a number is ignored; so is NaN, which no range can hold. */
function modelTimeout(call: Call): number | undefined {
  const value = ownValue(call.arguments, "timeout");
  return typeof value === "number" && !Number.isNaN(value) ? value : undefined;
}
