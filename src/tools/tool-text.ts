// A tool as two kinds of client want it: a function of OpenAI's API, and words for a prompt.
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue, ownValue } from "../core/json.js";

interface Description {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the arguments. */
  readonly parameters: JsonObject;
}

/** One element of the `tools` of OpenAI's chat completions. */
export function openAiFunction({ name, description, parameters }: Description): string {
  return JSON.stringify({ type: "function", function: { name, description, parameters } });
}

/**
 * A paragraph for a model:
 *
 *     ## bash
 *     Runs a bash command.
 *     Arguments:
 *     - command (string, required): The command, as for bash -c
 */
export function promptText({ name, description, parameters }: Description): string {
  const properties = ownValue(parameters, "properties");
  const requiredNames = ownValue(parameters, "required") ?? [];
  const names = isJsonObject(properties) ? Object.keys(properties) : [];
  const lines = names.map((argument) => {
    const schema = isJsonObject(properties) ? ownValue(properties, argument) : undefined;
    const required = isJsonArray(requiredNames) && requiredNames.includes(argument);
    return argumentLine(argument, isJsonObject(schema) ? schema : {}, required);
  });
  const head = [`## ${name}`, ...(description ? [description.trim()] : [])];
  return [...head, ...(lines.length > 0 ? ["Arguments:", ...lines] : ["No arguments are named."])].join("\n");
}

function argumentLine(name: string, schema: JsonObject, required: boolean): string {
  const description = ownValue(schema, "description");
  const facts = [typeName(schema), ...(required ? ["required"] : [])].join(", ");
  const text = typeof description === "string" ? `: ${description.replace(/\s+/g, " ").trim()}` : "";
  return `- ${name} (${facts})${text}`;
}

/** `string`, `"text" or "base64"`, `list of number`; what is more involved is given as its JSON Schema. */
function typeName(schema: JsonObject): string {
  const choices = ownValue(schema, "enum");
  if (choices !== undefined && isJsonArray(choices))
    return choices.map((choice) => JSON.stringify(choice)).join(" or ");
  const type = ownValue(schema, "type");
  const items = ownValue(schema, "items");
  if (type === "array" && isJsonObject(items)) return `list of ${typeName(items)}`;
  if (typeof type === "string" && !ownValue(schema, "properties")) return type;
  if (type !== undefined && isJsonArray(type)) return type.filter(isText).join(" or ");
  const { description: _, ...rest } = schema;
  return JSON.stringify(rest) === "{}" ? "any" : JSON.stringify(rest);
}

function isText(value: JsonValue): value is string {
  return typeof value === "string";
}
