// What commands print with --json: the client's values with the names of the proto, such as `uniq_id`. Fields that are not
// there are left out.
import type { ArtifactEntry, StatusSample, ToolDescription, ToolResult } from "../../client/index.js";

type Fields = Record<string, unknown>;

/** One line. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** The record's own names in snake_case; the values as they are. */
export function named(record: object): Fields {
  const entries = Object.entries(record).map(([name, value]) => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return Object.fromEntries(entries);
}

export function resultJson({ outputBytes, ...result }: ToolResult): Fields {
  return { ...named(result), output_bytes_total: outputBytes };
}

export function toolJson(tool: ToolDescription): Fields {
  return named(tool);
}

export function statusJson({ pools, ...status }: StatusSample["status"]): Fields {
  return { ...named(status), pools: pools.map(named) };
}

export function sampleJson({ status, trajectories, trajectoriesTotal }: StatusSample): Fields {
  return {
    status: statusJson(status),
    trajectories: trajectories.map(named),
    trajectories_total: trajectoriesTotal,
  };
}

/** `raw_path`, of a name that is not UTF-8, is base64. */
export function entryJson({ rawPath, mtime, ...entry }: ArtifactEntry): Fields {
  return {
    ...named(entry),
    ...(rawPath && { raw_path: Buffer.from(rawPath).toString("base64") }),
    mtime: mtime.toISOString(),
  };
}
