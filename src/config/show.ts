// A configuration for eyes: as YAML or JSON, each value with where it came from if asked, and no secret.
import { Document, isNode } from "yaml";
import type { OptionPath } from "./changes.js";
import type { Origin } from "./load.js";
import { isSecret } from "./options.js";
import { isRecord, valueAt } from "./raw.js";

const HIDDEN = "(hidden)";

export interface ShownOption {
  readonly name: string;
  readonly value: unknown;
  readonly origin: Origin;
}

/** With `(hidden)` for every secret that is set. */
export function withoutSecrets(values: unknown, path: OptionPath = []): unknown {
  if (isSection(values)) {
    return Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key, withoutSecrets(value, [...path, key])]),
    );
  }
  if (isListOfSections(values)) return values.map((value, index) => withoutSecrets(value, [...path, `${index}`]));
  return isSecret(path) && !isEmpty(values) ? HIDDEN : values;
}

export function toYaml(values: unknown, originOf?: (path: OptionPath) => Origin): string {
  const shown = withoutSecrets(values);
  const document = new Document(shown);
  if (originOf) {
    for (const path of leavesOf(shown)) {
      const node: unknown = document.getIn(path, true);
      if (isNode(node)) node.comment = ` ${describe(originOf(path))}`;
    }
  }
  return document.toString({ lineWidth: 0 });
}

export function optionsOf(values: unknown, originOf: (path: OptionPath) => Origin): ShownOption[] {
  const shown = withoutSecrets(values);
  return leavesOf(shown).map((path) => ({
    name: path.join("."),
    value: valueAt(shown, path),
    origin: originOf(path),
  }));
}

function describe(origin: Origin): string {
  switch (origin.from) {
    case "default":
      return "default";
    case "file":
      return origin.line === undefined ? "file" : `file, line ${origin.line}`;
    case "environment":
    case "flag":
      return origin.name;
    default:
      return origin satisfies never;
  }
}

function leavesOf(values: unknown, path: OptionPath = []): OptionPath[] {
  if (!isSection(values) && !isListOfSections(values)) return [path];
  return Object.entries(values).flatMap(([key, value]) => leavesOf(value, [...path, key]));
}

function isSection(values: unknown): values is Record<string, unknown> {
  return isRecord(values) && Object.keys(values).length > 0;
}

function isListOfSections(values: unknown): values is unknown[] {
  return Array.isArray(values) && values.length > 0 && values.every(isRecord);
}

function isEmpty(value: unknown): boolean {
  return value === "" || (Array.isArray(value) && value.length === 0) || (isRecord(value) && !isSection(value));
}
