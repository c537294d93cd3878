// `read_file` and `write_file`: they act in the slot, as its user, so a path is judged there.
import type { JsonObject } from "../core/json.js";
import { failedOutcome } from "../core/outcome.js";
import { InvalidArguments } from "./arguments.js";
import { objectSchema, type Tool } from "./tool.js";

const PATH = { type: "string", description: "Path in the workspace: relative to it, or absolute within it" };

function encodingSchema(what: string): JsonObject {
  return { type: "string", enum: ["text", "base64"], description: `${what}; text by default` };
}

export const readFile: Tool = {
  name: "read_file",
  description: "Reads a file of the trajectory's workspace.",
  parameters: objectSchema(
    {
      path: PATH,
      offset: { type: "integer", minimum: 0, description: "First byte to read" },
      limit: { type: "integer", minimum: 1, description: "Bytes to read at most" },
      encoding: encodingSchema("How the content comes back"),
    },
    ["path"],
  ),
  plan(args) {
    const path = args.path("path");
    const offset = args.bytes("offset") ?? 0;
    const limit = args.bytes("limit");
    if (limit === 0) throw new InvalidArguments("Argument limit must be at least 1");
    const encoding = args.choice("encoding", ["text", "base64"]);
    const operation = { kind: "read_file", path, offset, encoding, ...(limit !== undefined && { limit }) } as const;
    return { operation, metadata: { path }, isCommand: false };
  },
};

export const writeFile: Tool = {
  name: "write_file",
  description: "Writes a file of the trajectory's workspace, making the folders on its way.",
  parameters: objectSchema(
    {
      path: PATH,
      content: { type: "string", description: "The new content of the file" },
      encoding: encodingSchema("How the content is given"),
    },
    ["path", "content"],
  ),
  plan(args, { fileBytesMax }) {
    const path = args.path("path");
    const text = args.content("content");
    const content = args.choice("encoding", ["text", "base64"]) === "text" ? Buffer.from(text) : fromBase64(text);
    if (content.length > fileBytesMax) {
      const error = `Content too large: ${content.length} bytes (max ${fileBytesMax})`;
      return failedOutcome("TOOL_FAILED", error, { path, size: content.length });
    }
    return { operation: { kind: "write_file", path, content }, metadata: { path }, isCommand: false };
  },
};

function fromBase64(text: string): Buffer {
  const compact = text.replace(/\s+/g, "");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(compact) || compact.length % 4 === 1) {
    throw new InvalidArguments("Argument content must be base64, as encoding says");
  }
  return Buffer.from(compact, "base64");
}
