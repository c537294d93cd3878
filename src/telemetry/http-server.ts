// The HTTP side of a server, for Prometheus and for whoever watches processes: `/metrics`, `/healthz` (it turns its loop)
// and `/readyz` (it takes calls). Plain text over plain HTTP and no authentication: it tells figures and no content.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { messageOf, SwitchyardError } from "../core/errors.js";

export interface HttpServerOptions {
  /** HOST:PORT; port 0 takes a free one. */
  readonly listen: string;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly readiness: () => Readiness;
}

export interface Readiness {
  /** Whether it takes calls. */
  readonly isReady: boolean;
  /** Lines of text: why not, or what is amiss all the same. */
  readonly text: string;
}

/** Idle ones are closed after a while; beyond so many new ones are refused. */
const CONNECTIONS_MAX = 2_000;
/** How long a connection may take to send its request, in milliseconds. */
const REQUEST_MS_MAX = 10_000;

interface Answer {
  readonly code: number;
  readonly body: string;
  readonly contentType?: string;
}

export class HttpServer {
  readonly #server: Server;

  constructor(private readonly options: HttpServerOptions) {
    this.#server = createServer(
      { headersTimeout: REQUEST_MS_MAX, requestTimeout: REQUEST_MS_MAX, connectionsCheckingInterval: 1_000 },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Resolves with the address, with the port that it really got. Rejects with LISTEN_FAILED. */
  async listen(): Promise<string> {
    const { listen } = this.options;
    const colon = listen.lastIndexOf(":");
    const host = listen.slice(0, colon);
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (cause) => {
        const text = `cannot listen on ${listen} (http.listen): ${messageOf(cause)}; free the address, or choose another`;
        reject(new SwitchyardError("LISTEN_FAILED", text, { cause }));
      });
      this.#server.listen({ host: host.replace(/^\[|\]$/g, ""), port: Number(listen.slice(colon + 1)) }, resolve);
    });
    // Such as too many open files: that connection is lost, and the gRPC server's log tells of it, too.
    this.#server.on("error", () => undefined);
    const bound = this.#server.address();
    return typeof bound === "object" && bound ? `${host}:${bound.port}` : listen;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const {
      code,
      body,
      contentType = "text/plain; charset=utf-8",
    } = await this.#answer(request).catch((error: unknown): Answer => ({ code: 500, body: `${messageOf(error)}\n` }));
    response.writeHead(code, {
      "content-type": contentType,
      "content-length": Buffer.byteLength(body),
      ...(code === 405 && { allow: "GET, HEAD" }),
    });
    response.end(request.method === "HEAD" ? undefined : body);
  }

  async #answer({ method, url = "" }: IncomingMessage): Promise<Answer> {
    if (method !== "GET" && method !== "HEAD") return { code: 405, body: "only GET and HEAD are served\n" };
    const { metrics, readiness } = this.options;
    switch (url.split("?")[0]) {
      case "/metrics":
        return { code: 200, body: await metrics.text(), contentType: metrics.contentType };
      case "/healthz":
        return { code: 200, body: "ok\n" };
      case "/readyz": {
        const { isReady, text } = readiness();
        return { code: isReady ? 200 : 503, body: `${text}\n` };
      }
      default:
        return { code: 404, body: "there are /metrics, /healthz and /readyz\n" };
    }
  }
}
