// The answer to ListTools: the tools that fit a message, sandbox tools before external ones.
import type { JsonObject } from "../core/json.js";
import { ListToolsResponse, type Tool } from "../gen/switchyard/v1/tool_executor_service.js";
import { RESPONSE_BYTES_MAX } from "./responses.js";
import { sendable } from "./struct.js";
import { wellFormed } from "./wire.js";

export interface ToolDescription {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the arguments. */
  readonly parameters: JsonObject;
  readonly external: boolean;
  /** As an OpenAI function, in JSON. */
  readonly openAiFunction: string;
  /** As words for a prompt. */
  readonly promptText: string;
}

export function encodeTools(tools: readonly ToolDescription[]): Uint8Array {
  const ordered = [...tools].sort((a, b) => Number(a.external) - Number(b.external) || byName(a, b));
  for (let count = roughlyFitting(ordered); ; count = Math.floor(count * 0.9)) {
    const bytes = encode(ordered.slice(0, count), count < ordered.length);
    if (bytes.length <= RESPONSE_BYTES_MAX || count === 0) return bytes;
  }
}

/** Never too few: a tool takes at least the bytes that its texts have characters. */
function roughlyFitting(tools: readonly ToolDescription[]): number {
  let chars = 0;
  const over = tools.findIndex(({ openAiFunction, promptText }) => {
    chars += openAiFunction.length + promptText.length;
    return chars > RESPONSE_BYTES_MAX;
  });
  return over < 0 ? tools.length : over;
}

function encode(some: readonly ToolDescription[], truncated: boolean): Uint8Array {
  const tools = [...some].sort(byName);
  return ListToolsResponse.encode({
    tools: tools.map(wireTool),
    openaiToolsJson: wellFormed(`[${tools.map(({ openAiFunction }) => openAiFunction).join(",")}]`),
    promptText: wellFormed(tools.map(({ promptText }) => `${promptText}\n`).join("\n")),
    truncated,
  }).finish();
}

function wireTool({ name, description, parameters, external }: ToolDescription): Tool {
  return { name: wellFormed(name), description: wellFormed(description), parameters: sendable(parameters), external };
}

export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  if (a.name === b.name) return 0;
  return a.name < b.name ? -1 : 1;
}
