// Options of external tools: the ToolServer, MCP servers, and which tools there are.
import { z } from "zod";
import { number, secret, text, whole } from "./fields.js";

/** Without a dot, which ends it in the name of a tool. */
export const MCP_SERVER_NAME = /^[A-Za-z0-9_-]{1,64}$/;
const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
export const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

/** May hold a key, so it is hidden. */
export function url(description: string): z.ZodDefault<z.ZodString> {
  return z
    .string()
    .refine((value) => value === "" || isPlainUrl(value))
    .default("")
    .meta({ description, expects: 'an http or https URL without user and password, or ""', secret: true });
}

function isPlainUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return ["http:", "https:"].includes(protocol) && username === "" && password === "";
}

function names(description: string): z.ZodDefault<z.ZodArray<z.ZodString>> {
  return z.array(z.string().min(1)).default([]).meta({ description });
}

export function secrets(name: RegExp, description: string) {
  return z.record(z.string().regex(name), z.string().meta({ description, secret: true })).prefault({});
}

const DEFAULT_TIMEOUT = "Timeout of a call that names none, in seconds";
const RESPONSE_BYTES = "Largest answer, in bytes";
const CONCURRENCY = "Calls at a time";
const TRAJECTORY_CONCURRENCY = "Calls of one trajectory at a time";

export const tools = z.strictObject({ disabled: names("Names of tools that are turned off") });

export const toolServer = z.strictObject({
  url: url("Where external tools run: base of /tools and /execute; none when empty"),
  token: secret("Bearer token for the ToolServer"),
  tools: names("Tools that belong to the ToolServer, for one that cannot list them or is not configured"),
  timeout_default_s: number(30, 0.1, 86_400, DEFAULT_TIMEOUT),
  concurrency_max: whole(1000, 1, 10_000, CONCURRENCY),
  trajectory_concurrency_max: whole(100, 1, 10_000, TRAJECTORY_CONCURRENCY),
  response_bytes_max: whole(8_388_608, 1024, 67_108_864, RESPONSE_BYTES),
  refresh_s: number(30, 1, 86_400, "How often it is asked for its tools, in seconds"),
});

export const mcpServer = z.strictObject({
  command: text("", "Program of an MCP server over stdio"),
  args: z
    .array(z.string())
    .default([])
    .meta({ description: "Its arguments", expects: "a list of texts", secret: true }),
  env: secrets(VARIABLE_NAME, "Variables that its process gets beside HOME, LOGNAME, PATH, SHELL, TERM and USER"),
  url: url("Where an MCP server over streamable HTTP is"),
  token: secret("Bearer token for it"),
  headers: secrets(HEADER_NAME, "HTTP headers for it"),
  connect_timeout_s: number(30, 0.1, 600, "How long it may take to start and answer, in seconds"),
  timeout_default_s: number(30, 0.1, 86_400, DEFAULT_TIMEOUT),
  concurrency_max: whole(32, 1, 10_000, CONCURRENCY),
  trajectory_concurrency_max: whole(8, 1, 10_000, TRAJECTORY_CONCURRENCY),
  response_bytes_max: whole(8_388_608, 1024, 67_108_864, RESPONSE_BYTES),
});
