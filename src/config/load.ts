// Reads the configuration: a YAML file, then SWITCHYARD_* of the environment, then flags; later wins, option by option.
// Whatever is wrong ends in one CONFIG_INVALID whose single line names every option concerned.
import { readFileSync } from "node:fs";
import { type Document, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import { messageOf, SwitchyardError } from "../core/errors.js";
import { TOKEN_PREFIX } from "./auth-schema.js";
import { crossCheck } from "./checks.js";
import { applyEnvironment } from "./environment.js";
import { isSecret, OPTIONS, optionAt } from "./options.js";
import { lineOf } from "./places.js";
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

/** What is wrong, in a sentence. */
export interface Problem {
  readonly text: string;
  /** Of the file. */
  readonly line?: number;
}

/** Where an option's value is from. */
export type Origin =
  | { readonly from: "default" }
  | { readonly from: "file"; readonly line?: number }
  | { readonly from: "environment" | "flag"; readonly name: string };

export interface Reading {
  /** Undefined when there are problems. */
  readonly config: Config | undefined;
  readonly problems: readonly Problem[];
  originOf(path: readonly string[]): Origin;
}

const TOKEN = new RegExp(`${TOKEN_PREFIX}[A-Za-z0-9_-]{16,}`, "g");

/** Throws CONFIG_INVALID. */
export function loadConfig(sources: Sources): Config {
  const { config, problems } = readConfig(sources);
  if (config === undefined) throw invalid(problems.map(({ text }) => text).join("; "));
  return config;
}

/** Throws CONFIG_INVALID for a file that cannot be read; what is wrong within one is in the answer. */
export function readConfig(sources: Sources): Reading {
  const { values, lineAt } = sources.file === undefined ? NO_FILE : readFile(sources.file);
  const raw: RawConfig = { values, origins: new Map() };
  const problems: Problem[] = applyEnvironment(raw, sources.env).map((text) => ({ text }));
  applyFlags(raw, sources.flags);
  const parsed = configSchema.safeParse(raw.values);
  const where = sources.file ?? "the configuration";
  const found = (text: string, path: readonly string[]) => {
    const line = raw.origins.has(path.join(".")) ? undefined : lineAt(path);
    problems.push({ text: withoutTokens(text), ...(line !== undefined && { line }) });
  };
  for (const issue of parsed.error?.issues ?? []) explain(issue, raw, where, found);
  // A rule's sentence begins with the option that it is about.
  if (parsed.success) for (const text of crossCheck(parsed.data)) found(text, (text.split(" ")[0] ?? "").split("."));
  return {
    config: parsed.success && problems.length === 0 ? parsed.data : undefined,
    problems,
    originOf: (path) => originOf(raw, lineAt, path),
  };
}

/** A token that stands where it does not belong is not to be in a log. */
function withoutTokens(text: string): string {
  return text.replace(TOKEN, "(hidden)");
}

function originOf(raw: RawConfig, lineAt: LineAt, path: readonly string[]): Origin {
  const name = raw.origins.get(path.join("."));
  if (name !== undefined) return { from: name.startsWith("--") ? "flag" : "environment", name };
  if (valueAt(raw.values, path) === undefined) return { from: "default" };
  const line = lineAt(path);
  return { from: "file", ...(line !== undefined && { line }) };
}

function invalid(message: string, cause?: unknown): SwitchyardError {
  return new SwitchyardError("CONFIG_INVALID", message, { cause });
}

type LineAt = (path: readonly string[]) => number | undefined;

interface FileContent {
  readonly values: Record<string, unknown>;
  readonly lineAt: LineAt;
}

/** The values are its reader's own. */
const NO_FILE: FileContent = {
  get values() {
    return {};
  },
  lineAt: () => undefined,
};

function readFile(file: string): FileContent {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw invalid(`cannot read the configuration file ${file}: ${messageOf(error)}`, error);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [error] = document.errors;
  if (error) throw notYaml(file, error);
  const values = withoutEmptySections(valuesOf(document, file));
  if (!isRecord(values)) throw invalid(`${file} must hold a mapping of options, such as "listen: 127.0.0.1:50051"`);
  return { values, lineAt: (path) => lineOf(document, lines, path) };
}

/** An alias that leads nowhere is found only here. */
function valuesOf(document: Document, file: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw notYaml(file, error);
  }
}

function notYaml(file: string, error: unknown): SwitchyardError {
  const [why = ""] = withoutTokens(messageOf(error)).split("\n");
  return invalid(`${file} is not valid YAML: ${why.replace(/:$/, "")}`, error);
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

function explain(
  issue: z.core.$ZodIssue,
  raw: RawConfig,
  where: string,
  found: (text: string, path: readonly string[]) => void,
): void {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    for (const key of issue.keys) found(unknownKey([...path, key], where), [...path, key]);
    return;
  }
  if (issue.code === "invalid_key") return found(`${path.join(".")} (in ${where}): ${nameRule(path)}`, path);
  const option = optionAt(path);
  const named = path.slice(0, option?.path.length);
  const name = named.join(".");
  const origin = raw.origins.get(name);
  const value = isSecret(path) ? "(hidden)" : JSON.stringify(valueAt(raw.values, path));
  const expects = option?.expects ?? "a mapping of options";
  found(`${name} is ${value} (${origin ? `from ${origin}` : `in ${where}`}); it must be ${expects}`, named);
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
