// Reads the configuration: a YAML file, then SWITCHYARD_* of the environment, then flags; later wins, option by option.
// Whatever is wrong ends in one CONFIG_INVALID whose single line names every option concerned.
import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import type { z } from "zod";
import { messageOf, SwitchyardError } from "../core/errors.js";
import { crossCheck } from "./checks.js";
import { applyEnvironment } from "./environment.js";
import { isSecret, OPTIONS, optionAt } from "./options.js";
import { isRecord, type RawConfig, setValue, valueAt } from "./raw.js";
import { type Config, configSchema } from "./schema.js";
import { nearest } from "./suggest.js";

export interface Sources {
  /** Path of the YAML file; absent: defaults. */
  readonly file?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Values of the flags that were given. */
  readonly flags: Readonly<Partial<Record<Flag, string | boolean>>>;
}

/** The options that have a flag of their own, by its name. */
export const FLAGS = {
  listen: ["listen"],
  backend: ["backend"],
  "log-level": ["log", "level"],
  handover: ["shutdown", "handover"],
} as const satisfies Record<string, readonly string[]>;

export type Flag = keyof typeof FLAGS;

/** Throws CONFIG_INVALID. */
export function loadConfig(sources: Sources): Config {
  const raw: RawConfig = { values: sources.file === undefined ? {} : readFile(sources.file), origins: new Map() };
  const unknown = applyEnvironment(raw, sources.env);
  applyFlags(raw, sources.flags);
  const parsed = configSchema.safeParse(raw.values);
  const where = sources.file ?? "the configuration";
  const problems = [...unknown, ...(parsed.error?.issues.flatMap((issue) => explain(issue, raw, where)) ?? [])];
  if (parsed.success) problems.push(...crossCheck(parsed.data));
  if (!parsed.success || problems.length > 0) throw invalid(problems.join("; "));
  return parsed.data;
}

function invalid(message: string, cause?: unknown): SwitchyardError {
  return new SwitchyardError("CONFIG_INVALID", message, { cause });
}

function readFile(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw invalid(`cannot read the configuration file ${file}: ${messageOf(error)}`, error);
  }
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error) throw invalid(`${file} is not valid YAML: ${error.message.split("\n")[0]?.replace(/:$/, "")}`, error);
  const values = withoutEmptySections(document.toJS());
  if (!isRecord(values)) throw invalid(`${file} must hold a mapping of options, such as "listen: 127.0.0.1:50051"`);
  return values;
}

/** A section whose options are all commented out reads as null, and means its defaults. */
function withoutEmptySections(value: unknown, path: readonly string[] = []): unknown {
  if (value === null && optionAt(path) === undefined) return {};
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [key, withoutEmptySections(child, [...path, key])]),
  );
}

function applyFlags(raw: RawConfig, flags: Sources["flags"]): void {
  for (const [name, path] of Object.entries(FLAGS)) {
    const value = Object.entries(flags).find(([given]) => given === name)?.[1];
    if (value !== undefined) setValue(raw, path, value, `--${name}`);
  }
}

function explain(issue: z.core.$ZodIssue, raw: RawConfig, where: string): string[] {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey([...path, key], where));
  if (issue.code === "invalid_key") {
    return [`${path.join(".")} (in ${where}): ${nameRule(path)}`];
  }
  const option = optionAt(path);
  const name = path.slice(0, option?.path.length).join(".");
  const origin = raw.origins.get(name);
  const value = isSecret(path) ? "(hidden)" : JSON.stringify(valueAt(raw.values, path));
  const expects = option?.expects ?? "a mapping of options";
  return [`${name} is ${value} (${origin ? `from ${origin}` : `in ${where}`}); it must be ${expects}`];
}

function nameRule(path: readonly string[]): string {
  if (path[0] === "pools") return "a pool's name must be 1 to 128 of A-Z a-z 0-9 . _ : -";
  if (path.length === 2) return "an MCP server's name must be 1 to 64 of A-Z a-z 0-9 _ -";
  return path[2] === "env" ? "it must be the name of a variable" : "it must be the name of an HTTP header";
}

function unknownKey(path: readonly string[], where: string): string {
  const name = path.join(".");
  const known = OPTIONS.map((option) => option.path.map((key, depth) => (key === "*" ? (path[depth] ?? key) : key)));
  const names = known.flatMap((keys) => keys.map((_, depth) => keys.slice(0, depth + 1).join(".")));
  const siblings = names.filter((candidate) => parentOf(candidate) === parentOf(name));
  const elsewhere = names.find((candidate) => candidate.endsWith(`.${path.at(-1)}`));
  const suggestion = nearest(name, siblings) ?? elsewhere ?? nearest(name, names);
  return `${name} is not an option (in ${where})${suggestion ? `; did you mean ${suggestion}?` : ""}`;
}

function parentOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf(".")));
}
