// A ToolServer that behaves, or misbehaves, as the name of the tool says, and remembers what it was asked.
import { EventEmitter, once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { JsonObject } from "../../src/core/json.js";

export interface Asked {
  readonly authorization: string | undefined;
  readonly body: JsonObject & {
    readonly trajectory_id: string;
    readonly tool: { readonly name: string; readonly arguments: JsonObject; readonly uniq_id: string };
    readonly timeout_s: number;
    readonly slot_id?: string;
    readonly container_addr?: string;
  };
  /** Whether the client went before it had its answer. */
  gone: boolean;
}

const GIGABYTE = 1 << 30;
const schema = {
  type: "object",
  properties: { q: { type: "string", description: "What to look for" } },
  required: ["q"],
};

/** By the tool's name. */
const BEHAVIOURS = {
  echo: (asked, response) => json(response, { success: true, output: JSON.stringify(asked.body.tool.arguments) }),
  second: (asked, response) => {
    setTimeout(() => json(response, { success: true, output: "done", uniq_id: asked.body.tool.uniq_id }), 1000);
  },
  refuses: (_, response) =>
    json(response, { success: false, output: "so far", error: "no such page", metadata: { a: 1 } }),
  hangs: () => undefined,
  dies: (_, response) => response.socket?.destroy(),
  breaks: (_, response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": 1000 });
    response.write('{"success":');
    setTimeout(() => response.socket?.destroy(), 10);
  },
  fails: (_, response) => json(response, { error: "token-of-the-tool-server" }, 500),
  html: (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>login please</html>"),
  redirects: (_, response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
  gigabyte: (_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    stream(response, GIGABYTE);
  },
  off: (_, response) => json(response, { success: true, output: "not to be called" }),
  mistaken: (_, response) => json(response, { success: true, output: "of another", uniq_id: "another" }),
  mistyped: (_, response) => json(response, { success: "yes" }),
  leaks: (asked, response) =>
    json(response, { success: true, output: asked.authorization, metadata: { a: asked.authorization } }),
} as const satisfies Record<string, (asked: Asked, response: ServerResponse) => unknown>;

function json(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function stream(response: ServerResponse, bytes: number): void {
  const chunk = Buffer.alloc(1 << 20, "x");
  let left = bytes;
  const more = () => {
    while (left > 0 && !response.destroyed) {
      left -= chunk.length;
      if (!response.write(chunk)) return void response.once("drain", more);
    }
    response.end();
  };
  more();
}

export class TestToolServer {
  readonly asked: Asked[] = [];
  /** What it lists; undefined: it has no list. */
  tools: object[] | undefined = Object.keys(BEHAVIOURS).map((name) => ({
    ...{ name, description: `It ${name}.`, parameters: schema },
  }));
  connections = 0;
  /** Calls under way at the same time, the most since it was set to 0. */
  atOnceMost = 0;
  #atOnce = 0;
  readonly #events = new EventEmitter();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on("connection", (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket.on("close", () => this.#sockets.delete(socket)));
    });
  }

  static async start(port = 0): Promise<TestToolServer> {
    const server = new TestToolServer();
    server.#server.listen(port, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/base/`;
  }

  /** What it was asked in the name of a call, once it was. */
  async askedBy(uniqId: string): Promise<Asked> {
    for (;;) {
      const found = this.asked.find(({ body }) => body.tool.uniq_id === uniqId);
      if (found) return found;
      await once(this.#events, "change");
    }
  }

  /** Resolves once the client of a call went away. */
  async gone(uniqId: string): Promise<void> {
    const asked = await this.askedBy(uniqId);
    while (!asked.gone) await once(this.#events, "change");
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === "/base/tools" && this.tools) return json(response, { tools: this.tools });
    if (request.url !== "/base/execute") return json(response, {}, 404);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const asked: Asked = {
      authorization: request.headers.authorization,
      body: JSON.parse(Buffer.concat(chunks).toString("utf8")),
      gone: false,
    };
    this.#atOnce += 1;
    this.atOnceMost = Math.max(this.atOnceMost, this.#atOnce);
    response.on("close", () => {
      this.#atOnce -= 1;
      asked.gone = !response.writableFinished;
      this.#events.emit("change");
    });
    this.asked.push(asked);
    this.#events.emit("change");
    const behaviour = Object.entries(BEHAVIOURS).find(([name]) => name === asked.body.tool.name)?.[1];
    if (behaviour) behaviour(asked, response);
    else json(response, { success: true, output: `ran ${asked.body.tool.name}` });
  }
}
