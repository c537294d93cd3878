// An HTTP proxy on a unix socket in front of the Docker daemon, for a service that finds it by DOCKER_HOST. It answers 500
// where it is asked to, swallows answers, cuts links, and is out of reach for a while; all else, hijacked attach streams too, passes.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";

/**
 * Of `POST /containers/ID/start`, without the version of the API: whether it is answered 500 instead, or its answer does not
 * come once the daemon has done it.
 */
export type Fails = (method: string, path: string) => boolean | "unanswered";

export class DockerProxy {
  readonly #folder = mkdtempSync(join(tmpdir(), "switchyard-docker-"));
  readonly #sockets = new Set<Duplex>();
  /** Those of attach streams, on the server's side. */
  readonly #links = new Set<Duplex>();
  #away = false;
  readonly #server = createServer((asked, answer) => this.#pass(asked, answer));
  /** Requests that were answered 500, or not at all. */
  failed = 0;
  /** Links that were cut. */
  cuts = 0;

  private constructor(
    private readonly daemon: string,
    private readonly fails: Fails,
  ) {
    this.#server.on("connection", (socket: Socket) => {
      if (this.#away) socket.destroy();
      else this.#keep(socket);
    });
    this.#server.on("upgrade", (asked: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgrade(asked, socket, head);
    });
  }

  static async start(fails: Fails = () => false, daemon = "/var/run/docker.sock"): Promise<DockerProxy> {
    const proxy = new DockerProxy(daemon, fails);
    proxy.#server.listen(proxy.#path);
    await once(proxy.#server, "listening");
    return proxy;
  }

  /** For DOCKER_HOST. */
  get host(): string {
    return `unix://${this.#path}`;
  }

  /** Breaks every attach stream, and nothing else. */
  cutLinks(): void {
    this.cuts += this.#links.size;
    for (const link of this.#links) link.destroy();
  }

  /** The daemon cannot be reached until `comeBack`. */
  goAway(): void {
    this.#away = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  comeBack(): void {
    this.#away = false;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    rmSync(this.#folder, { recursive: true });
  }

  get #path(): string {
    return join(this.#folder, "docker.sock");
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #pass(asked: IncomingMessage, answer: ServerResponse): void {
    const { method = "GET", url = "/", headers } = asked;
    const fails = this.fails(method, pathOf(url));
    if (fails) this.failed += 1;
    if (fails === true) {
      asked.resume();
      answer.writeHead(500, { "content-type": "application/json" }).end('{"message":"injected fault"}');
      return;
    }
    const onward = request({ socketPath: this.daemon, method, path: url, headers, agent: false }, (answered) => {
      if (fails === "unanswered") {
        answered.resume();
        answer.destroy();
        return;
      }
      answer.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(answer);
      answered.on("error", () => answer.destroy());
    });
    onward.on("error", () => answer.destroy());
    // A long answer that nobody reads any more ends on the other side too.
    answer.on("close", () => onward.destroy());
    asked.pipe(onward);
  }

  #upgrade({ method, url, rawHeaders }: IncomingMessage, client: Duplex, head: Buffer): void {
    const daemon = connect(this.daemon);
    this.#keep(daemon);
    const lines = rawHeaders.flatMap((name, at) => (at % 2 ? [] : [`${name}: ${rawHeaders[at + 1]}`]));
    daemon.write(`${method} ${url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    daemon.write(head);
    client.pipe(daemon);
    daemon.pipe(client);
    this.#links.add(client);
    client.once("close", () => this.#links.delete(client));
    client.once("close", () => daemon.destroy());
    daemon.once("close", () => client.destroy());
  }
}

function pathOf(url: string): string {
  return url.replace(/^\/v[\d.]+(?=\/)/, "").replace(/\?.*$/, "");
}
