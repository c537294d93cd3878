// The schema as a list of named options, for the parts that go by name: the environment, error messages and --help.
import { z } from "zod";
import { configSchema } from "./schema.js";

type Schema = z.core.JSONSchema.JSONSchema;

export interface Option {
  /** Keys from the top; `*` stands for a name that the user chose (of a pool, an MCP server, a variable), or a place in a list. */
  readonly path: readonly string[];
  readonly type: "text" | "number" | "boolean" | "list";
  readonly description: string;
  /** Undefined: it must be given. */
  readonly fallback: string | undefined;
  /** What a value must be, to follow "must be". */
  readonly expects: string;
  /** Its value must not be shown. */
  readonly secret: boolean;
}

export const OPTIONS: readonly Option[] = collect(z.toJSONSchema(configSchema, { io: "input" }), []);

/** The option at this path, or the one that a path into a list leads to; undefined for a section. */
export function optionAt(path: readonly string[]): Option | undefined {
  return OPTIONS.find((option) => option.path.every((key, depth) => key === "*" || key === path[depth]));
}

/** Whether what stands at this path may be shown: not a secret, nor a section that has one. */
export function isSecret(path: readonly string[]): boolean {
  const option = optionAt(path);
  if (option) return option.secret;
  return OPTIONS.some(
    (other) => other.secret && path.every((key, depth) => [key, "*"].includes(other.path[depth] ?? "")),
  );
}

/** What stands in a list of sections comes before the list itself, which stands for whatever has no option of its own. */
function collect(schema: Schema, path: readonly string[]): Option[] {
  if (schema.type === "array" && typeof schema.items === "object" && !Array.isArray(schema.items)) {
    const inside = schema.items.type === "object" ? collect(schema.items, [...path, "*"]) : [];
    return [...inside, toOption(schema, path)];
  }
  if (schema.type !== "object") return [toOption(schema, path)];
  const children = Object.entries(schema.properties ?? {});
  const each = schema.additionalProperties;
  if (typeof each === "object") children.push(["*", each]);
  return children.flatMap(([key, child]) => (typeof child === "object" ? collect(child, [...path, key]) : []));
}

function toOption(schema: Schema, path: readonly string[]): Option {
  return {
    path,
    type: typeOf(schema),
    description: schema.description ?? "",
    fallback: typeof schema.default === "string" ? schema.default : JSON.stringify(schema.default),
    expects: expectation(schema),
    secret: schema.secret === true,
  };
}

function typeOf(schema: Schema): Option["type"] {
  if (schema.type === "number" || schema.type === "integer") return "number";
  if (schema.type === "boolean") return "boolean";
  return schema.type === "array" ? "list" : "text";
}

function expectation(schema: Schema): string {
  const expects = schema.expects;
  if (typeof expects === "string") return expects;
  if (schema.enum !== undefined) return oneOf(schema.enum.map(String));
  switch (typeOf(schema)) {
    case "number":
      return `${schema.type === "integer" ? "a whole number" : "a number"} from ${schema.minimum} to ${schema.maximum}`;
    case "boolean":
      return "true or false";
    case "list":
      return "a list of texts, none empty";
    case "text":
      return "text";
  }
}

function oneOf(choices: readonly string[]): string {
  return `${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`;
}
