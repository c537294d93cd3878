// Quantities as people write them in flags and mixes: `500ms`, `1.5s`, `2m`, `64KiB`, `12%`. A mistake is a SwitchyardError that
// names the flag.
import { SwitchyardError } from "../core/errors.js";

const MS_OF = { us: 0.001, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const BYTES_OF = { B: 1, KiB: 1024, MiB: 1024 * 1024 } as const;

export function usage(message: string, cause?: unknown): SwitchyardError {
  return new SwitchyardError("CONFIG_INVALID", message, { cause });
}

/** Milliseconds; a number without a unit is seconds. */
export function durationMs(flag: string, text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(us|ms|s|m|h)?$/.exec(text) ?? [];
  if (number === undefined) throw usage(`${flag}: ${text} is no duration; write for instance 500ms, 30s or 2m`);
  return Number(number) * MS_OF[isKey(MS_OF, unit) ? unit : "s"];
}

export function bytes(flag: string, text: string): number {
  const [, number, unit] = /^(\d+)(B|KiB|MiB)?$/.exec(text) ?? [];
  if (number === undefined) throw usage(`${flag}: ${text} is no size; write for instance 4096, 64KiB or 1MiB`);
  return Number(number) * BYTES_OF[isKey(BYTES_OF, unit) ? unit : "B"];
}

/** A share from 0 to 1, also written in per cent. */
export function share(flag: string, text: string): number {
  const [, number, percent] = /^(\d+(?:\.\d+)?)(%)?$/.exec(text) ?? [];
  const value = Number(number) / (percent === undefined ? 1 : 100);
  if (!(value >= 0 && value <= 1)) throw usage(`${flag}: ${text} is no share; write for instance 0.05 or 5%`);
  return value;
}

export function wholeNumber(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw usage(`${flag}: ${text} is no whole number from ${min} to ${max}`);
}

export function positiveNumber(flag: string, text: string, max: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value > 0 && value <= max) return value;
  throw usage(`${flag}: ${text} is no number over 0 and up to ${max}`);
}

function isKey<T extends object>(table: T, key: string | undefined): key is Extract<keyof T, string> {
  return key !== undefined && Object.hasOwn(table, key);
}
