// The connection to one MCP server: made when it is first needed, and anew when it has ended.
//
//   idle ─needed→ connecting ─initialized→ connected ─ended / dropped→ idle
//    ↑               └─ failed: nobody tries again for a while, longer each time
//
// Invariant: at most one client lives at a time, and after `close` none.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import type { Clock } from "../../core/clock.js";
import type { Logger } from "../../core/log.js";
import { ExternalError } from "./external-outcome.js";

export interface McpConnectionOptions {
  /** Of the server that we are. */
  readonly version: string;
  readonly connectTimeoutS: number;
  readonly clock: Clock;
  readonly log: Logger;
  makeTransport(): Transport;
  /** What is to be said of a failure, without secrets. */
  why(error: unknown): string;
  /** A new connection, or a server whose tools have changed. */
  onTools(): void;
  /** Something is wrong that ends no request by itself. */
  onError(error: Error): void;
}

const PAUSE_MS_MIN = 500;
const PAUSE_MS_MAX = 30_000;
/** A connection that ended sooner counts as one that failed. */
const LASTING_MS = 10_000;

type State =
  | { readonly kind: "idle" }
  | { readonly kind: "connecting"; readonly client: Promise<Client> }
  | { readonly kind: "connected"; readonly client: Client; readonly sinceMs: number };

export class McpConnection {
  #state: State = { kind: "idle" };
  /** In a row. */
  #failures = 0;
  #pauseUntilMs = Number.NEGATIVE_INFINITY;
  #lastWhy = "";
  readonly #closing = new AbortController();

  constructor(private readonly options: McpConnectionOptions) {}

  /** Rejects with ExternalError. */
  client(): Promise<Client> {
    if (this.#state.kind === "connected") return Promise.resolve(this.#state.client);
    if (this.#state.kind === "connecting") return this.#state.client;
    if (this.#closing.signal.aborted) return Promise.reject(new ExternalError("the server is shutting down"));
    const pauseMs = this.#pauseUntilMs - this.options.clock.now();
    if (pauseMs > 0) {
      const again = `tried again in ${Math.ceil(pauseMs / 1000)} s`;
      return Promise.reject(new ExternalError(`the MCP server cannot be reached, ${again}: ${this.#lastWhy}`));
    }
    const client = this.#connect();
    this.#state = { kind: "connecting", client };
    return client;
  }

  /** The server does not know this connection any more; the next call gets a new one. */
  async drop(client: Client): Promise<void> {
    if (this.#state.kind === "connected" && this.#state.client === client) this.#state = { kind: "idle" };
    await client.close().catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const state = this.#state;
    if (state.kind === "idle") return;
    const client = await Promise.resolve(state.client).catch(() => undefined);
    if (client) await this.drop(client);
  }

  async #connect(): Promise<Client> {
    const { version, connectTimeoutS, clock, log, makeTransport, onTools, onError } = this.options;
    const client = new Client({ name: "switchyard", version }, { capabilities: {} });
    client.onerror = onError;
    try {
      const { signal } = this.#closing;
      await client.connect(makeTransport(), { timeout: connectTimeoutS * 1000, signal });
      client.setNotificationHandler(ToolListChangedNotificationSchema, () => onTools());
      this.#state = { kind: "connected", client, sinceMs: clock.now() };
      client.onclose = () => this.#lost(client);
      onTools();
      log.info({}, "connected to an MCP server");
      return client;
    } catch (error) {
      await client.close().catch(() => undefined);
      this.#state = { kind: "idle" };
      this.#failed(this.options.why(error));
      throw new ExternalError(`the MCP server cannot be reached: ${this.#lastWhy}`);
    }
  }

  #lost(client: Client): void {
    if (this.#state.kind !== "connected" || this.#state.client !== client) return;
    const lastedMs = this.options.clock.now() - this.#state.sinceMs;
    this.#state = { kind: "idle" };
    if (this.#closing.signal.aborted) return;
    this.options.log.warn({ lasted_ms: Math.round(lastedMs) }, "the connection to an MCP server ended");
    if (lastedMs >= LASTING_MS) this.#failures = 0;
    else this.#failed("it ended");
  }

  #failed(why: string): void {
    // The first failure costs nobody a wait: the next call tries again at once.
    const pauseMs = this.#failures === 0 ? 0 : Math.min(PAUSE_MS_MIN * 2 ** this.#failures, PAUSE_MS_MAX);
    this.#failures += 1;
    this.#lastWhy = why;
    this.#pauseUntilMs = this.options.clock.now() + pauseMs;
    this.options.log.warn({ reason: why, pause_ms: pauseMs }, "an MCP server cannot be reached");
  }
}
