// What `GET /tools` of a ToolServer, or tools/list of an MCP server, may say: tools with names that can be called, bounded.
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue, ownValue } from "../../core/json.js";
import { boundedObject, ExternalError } from "./external-outcome.js";
import type { ExternalTool } from "./provider.js";
import type { Secrets } from "./secrets.js";

export const TOOLS_MAX = 1000;
/** No spaces and nothing invisible. */
const NAME = /^[^\s\p{C}]{1,128}$/u;
const DESCRIPTION_CHARS_MAX = 8192;
const PARAMETERS_CHARS_MAX = 65_536;
const ANY_ARGUMENTS: JsonObject = { type: "object" };

/** A list, or `{tools: [...]}`, of `{name, description, parameters}` or OpenAI's `{type: "function", function: {...}}`. */
export function readToolList(body: JsonValue, secrets: Secrets): ExternalTool[] {
  const list = isJsonObject(body) ? ownValue(body, "tools") : body;
  if (list === undefined || !isJsonArray(list)) throw new ExternalError("its list of tools is no list");
  return list.slice(0, TOOLS_MAX).flatMap((item) => readTool(item, secrets) ?? []);
}

/** Undefined for what is no tool, or none that could be called. */
function readTool(item: JsonValue, secrets: Secrets): ExternalTool | undefined {
  if (!isJsonObject(item)) return undefined;
  const inner = ownValue(item, "function");
  const tool = isJsonObject(inner) ? inner : item;
  const name = ownValue(tool, "name");
  const description = ownValue(tool, "description");
  const parameters = ownValue(tool, "parameters") ?? ownValue(tool, "inputSchema") ?? ownValue(tool, "input_schema");
  if (typeof name !== "string" || !NAME.test(name)) return undefined;
  return {
    name,
    description: typeof description === "string" ? secrets.redact(description).slice(0, DESCRIPTION_CHARS_MAX) : "",
    parameters: schemaOf(parameters, secrets),
  };
}

/** A tool whose schema is missing or too long can still be called. */
function schemaOf(parameters: JsonValue | undefined, secrets: Secrets): JsonObject {
  if (!isJsonObject(parameters)) return ANY_ARGUMENTS;
  return boundedObject(parameters, secrets, PARAMETERS_CHARS_MAX) ?? ANY_ARGUMENTS;
}
