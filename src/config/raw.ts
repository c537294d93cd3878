// Values before they are checked, as the sources gave them, and where each came from.

export interface RawConfig {
  readonly values: Record<string, unknown>;
  /** Dotted name to the environment variable or flag that set it; what is not in here came from the file. */
  readonly origins: Map<string, string>;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function valueAt(values: unknown, path: readonly string[]): unknown {
  let value = values;
  for (const key of path) {
    if (Array.isArray(value)) value = value[Number(key)];
    else value = isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value;
}

/** Where the file has something else than a section on the way, nothing is set: the schema will complain of that. */
export function setValue(raw: RawConfig, path: readonly string[], value: unknown, origin: string): void {
  let section: Record<string, unknown> = raw.values;
  for (const key of path.slice(0, -1)) {
    if (!Object.hasOwn(section, key)) section[key] = {};
    const next = section[key];
    if (!isRecord(next)) return;
    section = next;
  }
  const last = path.at(-1);
  if (last === undefined) return;
  section[last] = value;
  raw.origins.set(path.join("."), origin);
}
