// One MCP server as a provider of external tools, over stdio or streamable HTTP. A call is sent once; only one that the
// server refused to look at, because it had forgotten the session, is sent again on a new one.
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport, StreamableHTTPError } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import {
  CallToolResultSchema,
  ErrorCode,
  type ListToolsResult,
  ListToolsResultSchema,
  McpError,
} from "@modelcontextprotocol/sdk/types.js";
import type { Clock } from "../../core/clock.js";
import type { JsonValue } from "../../core/json.js";
import type { Logger } from "../../core/log.js";
import { failedOutcome, type Outcome } from "../../core/outcome.js";
import { briefly, ExternalError, outcomeOf } from "./external-outcome.js";
import { Listing } from "./listing.js";
import { McpConnection } from "./mcp-connection.js";
import { McpFetch } from "./mcp-fetch.js";
import { answerOf } from "./mcp-result.js";
import { McpStderr } from "./mcp-stderr.js";
import { StdioTransport } from "./mcp-stdio.js";
import { type ExternalTool, type Provider, type ProviderRequest, unlessAborted } from "./provider.js";
import type { Secrets } from "./secrets.js";
import { readToolList, TOOLS_MAX } from "./tool-list.js";

export interface McpServerOptions {
  /** Empty: it is reached by `url`. */
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly url: string;
  readonly token: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connectTimeoutS: number;
  readonly messageBytesMax: number;
  readonly outputCharsMax: number;
  readonly version: string;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly log: Logger;
}

const LIST_TIMEOUT_MS = 10_000;
const PAGES_MAX = 100;
const END_SESSION_MS = 1_000;
/** What a server answers that does not know the session: 404 by the specification, 400 in practice. */
const FORGOTTEN: readonly (number | undefined)[] = [400, 404];
/** The calls' own deadlines come first; the SDK's must not. */
const NEVER_MS = 2 ** 31 - 1;

export class McpServer implements Provider {
  readonly #connection: McpConnection;
  readonly #listing: Listing;
  readonly #http: McpFetch;
  #stderr: McpStderr | undefined;
  /** Over HTTP. */
  #session: StreamableHTTPClientTransport | undefined;
  /** What was last wrong with what the server sent. */
  #problem = "";

  constructor(private readonly options: McpServerOptions) {
    const { version, connectTimeoutS, clock, log } = options;
    this.#http = new McpFetch(options.messageBytesMax);
    this.#listing = new Listing(() => this.#fetchTools(), clock);
    this.#connection = new McpConnection({
      ...{ version, connectTimeoutS, clock, log },
      makeTransport: () => this.#makeTransport(),
      why: (error) => this.#whyNoConnection(error),
      onTools: () => this.#listing.outdate(),
      onError: (error) => {
        if (error instanceof ExternalError) this.#problem = error.message;
      },
    });
  }

  async call(request: ProviderRequest): Promise<Outcome | undefined> {
    if (!(await this.#listing.has(request.tool, request.signal))) return undefined;
    return this.#call(request, true);
  }

  async list(): Promise<readonly ExternalTool[]> {
    return this.#listing.current().catch(() => []);
  }

  async close(): Promise<void> {
    await this.#endSession();
    await this.#connection.close();
    await this.#http.close();
  }

  async #call(request: ProviderRequest, again: boolean): Promise<Outcome> {
    const { tool, arguments: args, signal } = request;
    const { secrets, outputCharsMax } = this.options;
    const client = await unlessAborted(this.#connection.client(), signal);
    const params = { name: tool, arguments: { ...args } };
    try {
      const result = await this.#http.inTheNameOf(signal, (linked) =>
        client.request({ method: "tools/call", params }, CallToolResultSchema, { signal: linked, timeout: NEVER_MS }),
      );
      return outcomeOf(answerOf(result), secrets, outputCharsMax);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof McpError && error.code === ErrorCode.InvalidParams) {
        return failedOutcome("TOOL_FAILED", briefly(error.message, secrets, outputCharsMax));
      }
      const isForgotten = error instanceof StreamableHTTPError && FORGOTTEN.includes(error.code);
      if (isForgotten || error instanceof ExternalError) void this.#dropIfHttp(client);
      if (isForgotten && again) return this.#call(request, false);
      throw this.#failure(error);
    }
  }

  /** A server over HTTP that was restarted knows nothing of the session; a process tells of its end by itself. */
  async #dropIfHttp(client: Client): Promise<void> {
    if (this.options.url !== "") await this.#connection.drop(client);
  }

  /** Else it would keep the session until that is old. */
  async #endSession(): Promise<void> {
    const ended = this.#session?.terminateSession().catch(() => undefined);
    if (!ended) return;
    const late = new AbortController();
    const timer = this.options.clock.after(END_SESSION_MS, () => late.abort());
    await unlessAborted(ended, late.signal).catch(() => undefined);
    timer.cancel();
  }

  async #fetchTools(): Promise<readonly ExternalTool[]> {
    const client = await this.#connection.client();
    const late = new AbortController();
    const timer = this.options.clock.after(LIST_TIMEOUT_MS, () => {
      late.abort(new ExternalError(`its list of tools did not come within ${LIST_TIMEOUT_MS / 1000} s`));
    });
    const tools: ExternalTool[] = [];
    let cursor: string | undefined;
    try {
      for (let page = 0; page < PAGES_MAX && tools.length < TOOLS_MAX; page += 1) {
        const result = await this.#page(client, cursor, late.signal);
        const callable = result.tools.filter(({ execution }) => execution?.taskSupport !== "required");
        const list: JsonValue = JSON.parse(JSON.stringify(callable));
        tools.push(...readToolList(list, this.options.secrets));
        cursor = result.nextCursor;
        if (cursor === undefined) break;
      }
      return tools;
    } catch (error) {
      void this.#dropIfHttp(client);
      throw late.signal.aborted ? late.signal.reason : this.#failure(error);
    } finally {
      timer.cancel();
    }
  }

  #page(client: Client, cursor: string | undefined, late: AbortSignal): Promise<ListToolsResult> {
    const params = cursor === undefined ? {} : { cursor };
    return this.#http.inTheNameOf(late, (signal) =>
      client.request({ method: "tools/list", params }, ListToolsResultSchema, { signal, timeout: NEVER_MS }),
    );
  }

  #makeTransport(): Transport {
    const { command, args, env, url, token, headers, messageBytesMax, secrets, log } = this.options;
    this.#problem = "";
    if (url === "") {
      const stderr = new McpStderr(log, secrets);
      this.#stderr = stderr;
      const onStderr = (text: string) => stderr.take(text);
      return new StdioTransport({ command, args, env, messageBytesMax, onStderr });
    }
    const all = { ...headers, ...(token !== "" && { authorization: `Bearer ${token}` }) };
    const transport = new StreamableHTTPClientTransport(new URL(url), {
      requestInit: { headers: all },
      fetch: this.#http.fetch,
    });
    this.#session = transport;
    if (!isTransport(transport)) throw new TypeError("no transport");
    return transport;
  }

  #failure(error: unknown): ExternalError {
    if (error instanceof ExternalError) return error;
    if (error instanceof StreamableHTTPError && error.code !== undefined && error.code > 0) {
      return new ExternalError(`HTTP status ${error.code}`);
    }
    if (error instanceof McpError && error.code === ErrorCode.ConnectionClosed) {
      return new ExternalError(`the MCP server ended during the call${this.#problem && `: ${this.#problem}`}`);
    }
    if (error instanceof McpError) return new ExternalError(briefly(error.message, this.options.secrets));
    return new ExternalError("the answer is none that MCP knows");
  }

  /** Before it was connected it has seen no call, so what it wrote to stderr is its operator's. */
  #whyNoConnection(error: unknown): string {
    const why = codeOf(error) === "" ? this.#failure(error).message : `it cannot be started (${codeOf(error)})`;
    const said = this.#stderr?.tail ?? "";
    if (said !== "") this.options.log.warn({ stderr: said }, "the last words of an MCP server");
    return why;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** The SDK's own class is no Transport under exactOptionalPropertyTypes: its sessionId may be undefined. */
function isTransport(transport: object): transport is Transport {
  return "start" in transport && "send" in transport && "close" in transport;
}
