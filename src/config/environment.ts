// SWITCHYARD_* variables: SWITCHYARD_BATCH_WINDOW_MS is batch.window_ms, SWITCHYARD_POOLS_DEFAULT_IMAGE is
// pools.default.image. What has a name of its own (a pool, an MCP server) must exist in the file to be named, but for the
// pool `default`; its other letters become `_`.
import { OPTIONS, type Option } from "./options.js";
import { isRecord, type RawConfig, setValue, valueAt } from "./raw.js";
import { nearest } from "./suggest.js";

const PREFIX = "SWITCHYARD_";
// Kubernetes sets these in every pod when a service is called "switchyard".
const SERVICE_LINK = /^SWITCHYARD_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)$/;

interface Target {
  readonly option: Option;
  readonly path: readonly string[];
}

/** These are for the commands that talk to a server. */
const CLIENT_PREFIX = "SWITCHYARD_CLIENT_";

/** Returns one sentence for each variable that names no option, or more than one. */
export function applyEnvironment(raw: RawConfig, env: Readonly<Record<string, string | undefined>>): string[] {
  const given = Object.entries(env).filter(([name]) => isOurs(name));
  if (given.length === 0) return [];
  const known = targetsByName(raw);
  const problems: string[] = [];
  for (const [name, value] of given) {
    const [target, ...others] = known.get(name) ?? [];
    if (value === undefined) continue;
    if (target === undefined) {
      const suggestion = nearest(name, known.keys());
      problems.push(`${name} names no option (in the environment)${suggestion ? `; did you mean ${suggestion}?` : ""}`);
    } else if (others.length > 0) {
      const names = [target, ...others].map(({ path }) => path.join("."));
      problems.push(`${name} could be ${names.join(" or ")}; set it in the configuration file`);
    } else {
      setValue(raw, target.path, decode(target.option, value), name);
    }
  }
  return problems;
}

/** The variable that sets the option at `path`. */
export function variableName(path: readonly string[]): string {
  return PREFIX + path.map((key) => key.replace(/[^A-Za-z0-9]/g, "_").toUpperCase()).join("_");
}

function isOurs(name: string): boolean {
  return name.startsWith(PREFIX) && !name.startsWith(CLIENT_PREFIX) && !SERVICE_LINK.test(name);
}

function targetsByName({ values }: RawConfig): Map<string, Target[]> {
  const targets = new Map<string, Target[]>();
  for (const option of OPTIONS) {
    for (const path of pathsOf(option.path, values)) {
      const name = variableName(path);
      targets.set(name, [...(targets.get(name) ?? []), { option, path }]);
    }
  }
  return targets;
}

/** With the names that there are for each `*`. */
function pathsOf(path: readonly string[], values: Record<string, unknown>): string[][] {
  let paths: string[][] = [[]];
  for (const key of path) {
    paths = paths.flatMap((before) => (key === "*" ? namesAt(before, values) : [key]).map((name) => [...before, name]));
  }
  return paths;
}

function namesAt(path: readonly string[], values: Record<string, unknown>): string[] {
  const section = valueAt(values, path);
  const names = isRecord(section) ? Object.keys(section) : [];
  return path.join() === "pools" ? [...new Set(["default", ...names])] : names;
}

/** What cannot be read as the option's type stays text, for the schema to refuse by name. */
function decode(option: Option, value: string): unknown {
  switch (option.type) {
    case "number":
      return /^\s*$/.test(value) || Number.isNaN(Number(value)) ? value : Number(value);
    case "boolean":
      return value === "true" || (value === "false" ? false : value);
    case "list":
      return value === "" ? [] : value.split(",").map((item) => item.trim());
    case "text":
      return value;
  }
}
