// JSON over HTTP to one server: connections are kept, a bearer token goes along, and what comes back is bounded, one by one
// and all together. Redirects are not followed, so the token goes nowhere else.
import { Agent, request } from "undici";
import type { JsonValue } from "../../core/json.js";
import { ExternalError } from "./external-outcome.js";

export interface JsonHttpOptions {
  /** Empty: none is sent. */
  readonly token: string;
  readonly connectionsMax: number;
  readonly responseBytesMax: number;
}

export interface JsonRequest {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** Of all answers that are being read. */
const BYTES_HELD_MAX = 256 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 10_000;

/** The server answered, with another status than 2xx. */
export class HttpStatusError extends ExternalError {
  constructor(readonly status: number) {
    super(`HTTP status ${status}`);
  }
}

export class JsonHttp {
  readonly #agent: Agent;
  #bytesHeld = 0;

  constructor(private readonly options: JsonHttpOptions) {
    this.#agent = new Agent({
      connections: options.connectionsMax,
      connect: { timeout: CONNECT_TIMEOUT_MS },
      // Each call has a deadline of its own, which may be longer than undici's.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** Rejects with ExternalError, or with the signal's reason. */
  async send({ method, url, body, signal }: JsonRequest): Promise<JsonValue> {
    const { token } = this.options;
    const headers = {
      accept: "application/json",
      ...(token !== "" && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
    };
    try {
      const dispatcher = this.#agent;
      const response = await request(url, { dispatcher, method, headers, body: body ?? null, signal });
      const type = textOf(response.headers["content-type"]);
      // A body that is left unread ends with an error, which nobody else would hear.
      response.body.on("error", () => undefined);
      if (response.statusCode < 200 || response.statusCode > 299) {
        response.body.destroy();
        throw new HttpStatusError(response.statusCode);
      }
      return await this.#read(response.body, type);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw error instanceof ExternalError ? error : new ExternalError(transportFailure(error));
    }
  }

  /** Ends what is under way. */
  close(): Promise<void> {
    return this.#agent.destroy();
  }

  async #read(body: AsyncIterable<Uint8Array>, type: string): Promise<JsonValue> {
    const { responseBytesMax } = this.options;
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    try {
      // Leaving the loop by an error closes the connection, so the rest is never read.
      for await (const chunk of body) {
        bytes += chunk.length;
        this.#bytesHeld += chunk.length;
        if (bytes > responseBytesMax) throw new ExternalError(`the answer is larger than ${responseBytesMax} bytes`);
        if (this.#bytesHeld > BYTES_HELD_MAX) throw new ExternalError("too many large answers at once");
        chunks.push(chunk);
      }
      return parse(Buffer.concat(chunks).toString("utf8"), type);
    } finally {
      this.#bytesHeld -= bytes;
    }
  }
}

function parse(text: string, type: string): JsonValue {
  try {
    return JSON.parse(text);
  } catch {
    const what = /^[\w.+/-]{1,60}/.exec(type)?.[0] ?? "no content-type";
    throw new ExternalError(`the answer is not JSON (${what})`);
  }
}

function textOf(header: string | string[] | undefined): string {
  return typeof header === "string" ? header : "";
}

const FAILURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "no such host",
  UND_ERR_CONNECT_TIMEOUT: "it cannot be connected to in time",
  UND_ERR_SOCKET: "the connection broke",
  ECONNRESET: "the connection broke",
  EPIPE: "the connection broke",
};

/** Without the error's own words, which may hold a URL. */
export function transportFailure(error: unknown): string {
  const codes = [error, causeOf(error)].map(codeOf).filter((code) => code !== "");
  const known = codes.map((code) => FAILURES[code]).find((text) => text !== undefined);
  if (known !== undefined) return known;
  if (codes.some((code) => code.startsWith("HPE_"))) return "the answer is not HTTP";
  return codes.length > 0 ? `the request failed (${codes[0]})` : "the request failed";
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
