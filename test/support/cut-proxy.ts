// A TCP proxy in front of a server, for one test: breaks or freezes every connection through it on demand, and can refuse
// new ones.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class CutProxy {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #refuses = false;
  /** Connections that came. */
  connections = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async to(address: string): Promise<CutProxy> {
    const [host, port] = address.split(":");
    const server = createServer();
    const proxy = new CutProxy(server);
    server.on("connection", (socket) => proxy.#serve(socket, connect(Number(port), host)));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Breaks every connection, in the middle of whatever it carries. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** The connections of now stay open and carry nothing any more; new ones do. */
  freeze(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  /** Cuts, and breaks every new connection at once until `mend`. */
  sever(): void {
    this.#refuses = true;
    this.cut();
  }

  mend(): void {
    this.#refuses = false;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, "close");
  }

  #serve(socket: Socket, upstream: Socket): void {
    this.connections += 1;
    for (const [from, to] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
    if (this.#refuses) socket.resetAndDestroy();
  }
}
