// google.protobuf.Duration and plain numbers of seconds or milliseconds.
import { SwitchyardError } from "../core/errors.js";
import type { Duration } from "../gen/google/protobuf/duration.js";

/** Ten thousand years: the largest that duration.proto allows. */
const SECONDS_MAX = 315_576_000_000n;
const NANOS_MAX = 999_999_999;

/** Seconds; INVALID_FIELD naming the field when the Duration is malformed or negative. */
export function secondsOf(field: string, duration: Duration): number {
  const { seconds, nanos } = duration;
  const given = `${field} is {seconds: ${seconds}, nanos: ${nanos}}`;
  if (Math.abs(nanos) > NANOS_MAX) {
    throw new SwitchyardError("INVALID_FIELD", `${given}: nanos must be from 0 to ${NANOS_MAX}`);
  }
  if ((seconds > 0n && nanos < 0) || (seconds < 0n && nanos > 0)) {
    throw new SwitchyardError("INVALID_FIELD", `${given}: seconds and nanos must have the same sign`);
  }
  if (seconds < 0n || nanos < 0) {
    throw new SwitchyardError("INVALID_FIELD", `${given}: it must not be negative`);
  }
  if (seconds > SECONDS_MAX) {
    throw new SwitchyardError("INVALID_FIELD", `${given}: seconds must be at most ${SECONDS_MAX}`);
  }
  return Number(seconds) + nanos / 1e9;
}

/** What is negative or no number becomes 0, what is too large the largest Duration. */
export function durationOfMs(ms: number): Duration {
  const bounded = Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), Number(SECONDS_MAX) * 1000);
  const seconds = Math.floor(bounded / 1000);
  const nanos = Math.min(NANOS_MAX, Math.round((bounded - seconds * 1000) * 1e6));
  return { seconds: BigInt(seconds), nanos };
}

export function durationOfSeconds(seconds: number): Duration {
  return durationOfMs(seconds * 1000);
}
