// The fetch that an MCP server over HTTP is spoken to with: what comes back is bounded, and a request that belongs to a
// call ends with the call, which the SDK's transport leaves open.
import { AsyncLocalStorage } from "node:async_hooks";
import type { UnderlyingSource } from "node:stream/web";
import type { FetchLike } from "@modelcontextprotocol/sdk/shared/transport.js";
import { Agent, fetch } from "undici";
import { ExternalError } from "./external-outcome.js";
import { transportFailure } from "./json-http.js";
import { type LinkedSignal, linkedSignal } from "./linked-signal.js";

/** The call in whose name a request is made. */
interface Owner {
  readonly signal: AbortSignal;
  /** Its answer broke off, or was more than can be taken. */
  broken(why: ExternalError): void;
}

const CONNECT_TIMEOUT_MS = 10_000;

export class McpFetch {
  readonly #agent = new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS }, headersTimeout: 0, bodyTimeout: 0 });
  readonly #owner = new AsyncLocalStorage<Owner>();

  constructor(private readonly messageBytesMax: number) {}

  /** Runs `act` so that what it requests belongs to a call; rejects, and aborts what it gave `act`, when that is broken. */
  async inTheNameOf<T>(signal: AbortSignal, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const broken = new AbortController();
    const linked = linkedSignal([signal, broken.signal]);
    try {
      return await new Promise((resolve, reject) => {
        const owner = {
          signal: linked.signal,
          broken: (why: ExternalError) => {
            reject(why);
            broken.abort(why);
          },
        };
        this.#owner.run(owner, () => act(linked.signal).then(resolve, reject));
      });
    } finally {
      linked.unlink();
    }
  }

  readonly fetch: FetchLike = async (url, init = {}) => {
    const owner = this.#owner.getStore();
    const sources = [init.signal, owner?.signal].filter((signal) => signal instanceof AbortSignal);
    const linked = linkedSignal(sources);
    const { method = "GET", body = null, headers, redirect = "follow" } = init;
    try {
      const response = await fetch(url, {
        method,
        redirect,
        headers: [...new Headers(headers)],
        body: typeof body === "string" ? body : null,
        signal: linked.signal,
        dispatcher: this.#agent,
      });
      const { status, statusText } = response;
      const kept = { status, statusText, headers: new Headers() };
      for (const [name, value] of response.headers) kept.headers.append(name, value);
      if (!response.body) {
        linked.unlink();
        return new Response(null, kept);
      }
      const isEvents = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
      return new Response(this.#bounded(response.body.getReader(), isEvents, owner, linked), kept);
    } catch (error) {
      linked.unlink();
      throw new ExternalError(transportFailure(error));
    }
  };

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  /** A whole body, or one event of an endless one, is at most `messageBytesMax`. No generator: one that nobody reads cannot end. */
  #bounded(
    body: BodyReader,
    isEvents: boolean,
    owner: Owner | undefined,
    linked: LinkedSignal,
  ): ReadableStream<Uint8Array> {
    const size = new MessageSize(isEvents, this.messageBytesMax);
    const source: UnderlyingSource<Uint8Array> = {
      pull: async (controller) => {
        try {
          const { value } = await body.read();
          if (value) {
            size.add(value);
            return controller.enqueue(value);
          }
          linked.unlink();
          controller.close();
        } catch (error) {
          const why = error instanceof ExternalError ? error : new ExternalError(transportFailure(error));
          linked.unlink();
          owner?.broken(why);
          controller.error(why);
          await body.cancel().catch(() => undefined);
        }
      },
      cancel: () => {
        linked.unlink();
        return body.cancel();
      },
    };
    return new ReadableStream(source, { highWaterMark: 0 });
  }
}

interface BodyReader {
  read(): Promise<{ readonly value?: Uint8Array }>;
  cancel(): Promise<void>;
}

/** Counts the bytes of a message that is coming: of a whole body, or since the last blank line, which ends an event. */
class MessageSize {
  #bytes = 0;
  #tail = Buffer.alloc(0);

  constructor(
    private readonly isEvents: boolean,
    private readonly bytesMax: number,
  ) {}

  add(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.bytesMax) throw new ExternalError(`the answer is larger than ${this.bytesMax} bytes`);
    if (!this.isEvents) return;
    // With the end of what came before, as a blank line may come in pieces.
    const text = Buffer.concat([this.#tail, chunk]);
    const end = Math.max(text.lastIndexOf("\n\n"), text.lastIndexOf("\r\n\r\n"));
    if (end >= 0) this.#bytes = Math.min(this.#bytes, text.length - end);
    this.#tail = text.subarray(-3);
  }
}
