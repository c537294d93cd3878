// What an MCP server's tools/call came to: text content is the output, structured content and whatever is no text go to
// the metadata, the latter in summary.
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.js";
import type { Answer } from "./external-outcome.js";

const SUMMARIES_MAX = 20;

export function answerOf({ content, structuredContent, isError }: CallToolResult): Answer {
  const texts = content.flatMap((item) => (item.type === "text" ? [item.text] : []));
  const others = content.filter(({ type }) => type !== "text");
  const structured = jsonObject(structuredContent);
  const text = texts.length === 0 && structured ? JSON.stringify(structured) : texts.join("\n");
  const metadata = {
    ...(structured && { structured_content: structured }),
    ...(others.length > 0 && { content: others.slice(0, SUMMARIES_MAX).map(summaryOf) }),
    ...(others.length > SUMMARIES_MAX && { content_omitted: others.length - SUMMARIES_MAX }),
  };
  return { success: !isError, output: isError ? "" : text, error: isError ? text : "", metadata };
}

type Content = CallToolResult["content"][number];

function summaryOf(item: Content): JsonObject {
  switch (item.type) {
    case "text":
      return { type: item.type, bytes: Buffer.byteLength(item.text) };
    case "image":
    case "audio":
      return { type: item.type, mime_type: item.mimeType, bytes: Buffer.byteLength(item.data, "base64") };
    case "resource_link":
      return { type: item.type, uri: item.uri, name: item.name, ...(item.mimeType && { mime_type: item.mimeType }) };
    case "resource": {
      const { resource } = item;
      const bytes = "text" in resource ? Buffer.byteLength(resource.text) : Buffer.byteLength(resource.blob, "base64");
      return { type: item.type, uri: resource.uri, bytes, ...(resource.mimeType && { mime_type: resource.mimeType }) };
    }
    default:
      return item satisfies never;
  }
}

/** What came as JSON is JSON. */
function jsonObject(value: unknown): JsonObject | undefined {
  if (value === undefined) return undefined;
  const json: JsonValue = JSON.parse(JSON.stringify(value));
  return isJsonObject(json) ? json : undefined;
}
