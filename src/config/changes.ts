// What differs between two configurations, option by option. Paths, not names: a pool's name may have dots.
import { isRecord } from "./raw.js";

export type OptionPath = readonly string[];

/** The options that differ; of what only one of them has (a pool, an MCP server), its own path alone. */
export function changedPaths(before: unknown, after: unknown, path: OptionPath = []): OptionPath[] {
  if (!isRecord(before) || !isRecord(after)) return JSON.stringify(before) === JSON.stringify(after) ? [] : [path];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) => changedPaths(before[key], after[key], [...path, key]));
}

/** A copy of `values` that has `value` at this path. */
export function withValue(values: unknown, [key, ...rest]: OptionPath, value: unknown): unknown {
  if (key === undefined) return value;
  const section = isRecord(values) ? values : {};
  return { ...section, [key]: withValue(section[key], rest, value) };
}
