// A TCP proxy between client and server that does to their bytes what networks do: delays, cuts at a byte, swallows,
// chops into tiny writes, resets. Faults hold for the connections that live and for those to come, until `heal`. It keeps
// no more than a chunk per direction, so that backpressure reaches through it.
import { EventEmitter, once } from "node:events";
import { createServer, connect as dial, type Server, type Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import { Random } from "../../src/load/random.js";

/** `up` is from the client to the server. */
export type Direction = "up" | "down";
/** How a connection breaks: FIN or RST to both ends. */
export type Break = "end" | "reset";

export interface Faults {
  /** Each chunk waits so long; drawn from the seed. */
  readonly delay?: { readonly minMs: number; readonly maxMs: number };
  /** Chunks are written in pieces of 1 to so many bytes; drawn from the seed. */
  readonly slice?: { readonly bytesMax: number };
  /** A connection breaks when so many bytes of the direction have passed; 0: before the first. Happens once. */
  readonly cut?: { readonly direction: Direction; readonly atByte: number; readonly how: Break } | undefined;
  /** What comes is swallowed, as if it were on its way. */
  readonly blackHole?: readonly Direction[];
}

/** Nobody listens there. */
const NOWHERE = "127.0.0.1:1";
const DIRECTIONS: readonly Direction[] = ["up", "down"];

/** One connection of a client, and the one to the server that it became. */
export class ProxiedConnection {
  /** Bytes that have passed. */
  readonly passed = { up: 0, down: 0 };
  /** Whether bytes were swallowed, so that it cannot heal. */
  swallowed = false;
  #frozen = false;
  /** One end gave up; the other may not know. */
  readonly closedBy: { readonly client: Promise<void>; readonly server: Promise<void> };
  readonly closed: Promise<void>;
  readonly #sockets: readonly Socket[];

  constructor(
    client: Socket,
    server: Socket,
    private readonly faults: () => Faults,
    private readonly random: Random,
    private readonly onCut: () => void,
  ) {
    this.#sockets = [client, server];
    for (const socket of this.#sockets) {
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
    }
    this.closedBy = { client: closing(client), server: closing(server) };
    this.closed = Promise.all(Object.values(this.closedBy)).then(() => undefined);
    server.once("connect", () => {
      void this.#carry(client, server, "up");
      void this.#carry(server, client, "down");
    });
    server.once("error", () => reset(client));
  }

  /** Stays open and carries nothing any more. */
  freeze(): void {
    this.#frozen = true;
  }

  break(how: Break): void {
    for (const socket of this.#sockets) {
      if (how === "reset") reset(socket);
      // What was written before goes out first.
      else if (!socket.connecting) socket.destroySoon();
      else socket.destroy();
    }
  }

  /** Closes both sockets, whatever waits in them. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async #carry(from: Socket, to: Socket, direction: Direction): Promise<void> {
    if (this.#cutIfDue(direction)) return;
    try {
      for await (const chunk of from) await this.#pass(chunk, to, direction);
      if (!this.#swallows(direction)) to.end();
    } catch {
      // A reset is passed on as one.
      if (!this.#swallows(direction)) reset(to);
    }
  }

  async #pass(chunk: Buffer, to: Socket, direction: Direction): Promise<void> {
    const { delay, slice } = this.faults();
    if (delay) await pause(this.random.whole(delay.minMs, delay.maxMs));
    for (let rest = chunk; rest.length > 0; ) {
      // Asked for each piece, as faults may come in the middle of a chunk.
      const { cut } = this.faults();
      if (this.#swallows(direction)) {
        this.swallowed = true;
        return;
      }
      let length = slice ? this.random.whole(1, Math.min(slice.bytesMax, rest.length)) : rest.length;
      if (cut?.direction === direction) length = Math.min(length, cut.atByte - this.passed[direction]);
      if (length > 0 && !to.destroyed && !to.write(rest.subarray(0, length))) await drained(to);
      this.passed[direction] += Math.max(0, length);
      if (this.#cutIfDue(direction) || to.destroyed) return;
      rest = rest.subarray(length);
      if (slice) await nextTurn();
    }
  }

  #swallows(direction: Direction): boolean {
    return this.#frozen || this.faults().blackHole?.includes(direction) === true;
  }

  #cutIfDue(direction: Direction): boolean {
    const { cut } = this.faults();
    if (cut?.direction !== direction || this.passed[direction] < cut.atByte) return false;
    this.onCut();
    this.break(cut.how);
    return true;
  }
}

export class FaultProxy {
  readonly #server: Server;
  readonly #live = new Set<ProxiedConnection>();
  readonly #events = new EventEmitter();
  #accepted = 0;
  #faults: Faults = {};

  private constructor(
    /** host:port; those who connect from now on come there. */
    public target: string,
    private readonly random: Random,
  ) {
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      const at = this.target.lastIndexOf(":");
      const [host, port] = [this.target.slice(0, at), Number(this.target.slice(at + 1))];
      const server = dial({ host, port, allowHalfOpen: true });
      const connection = new ProxiedConnection(
        client,
        server,
        () => this.#faults,
        this.random,
        () => {
          this.#faults = { ...this.#faults, cut: undefined };
        },
      );
      this.#live.add(connection);
      this.#accepted += 1;
      void connection.closed.then(() => {
        this.#live.delete(connection);
        this.#events.emit("closed");
      });
    });
  }

  /** In front of `target` (host:port), on a free port of loopback. */
  static async start(target: string, seed = 1): Promise<FaultProxy> {
    const proxy = new FaultProxy(target, new Random(seed));
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy does not listen");
    return `127.0.0.1:${address.port}`;
  }

  get connections(): readonly ProxiedConnection[] {
    return [...this.#live];
  }

  /** Connections taken since the start. */
  get accepted(): number {
    return this.#accepted;
  }

  get faults(): Faults {
    return this.#faults;
  }

  /** What holds from now on, instead of what held before. */
  set(faults: Faults): void {
    this.#faults = faults;
  }

  /** No more faults. A connection that has lost bytes is reset: it could only go on as nonsense. */
  heal(): void {
    this.#faults = {};
    for (const connection of this.#live) if (connection.swallowed) connection.break("reset");
  }

  /** Swallows everything from now on. */
  blackHole(directions: readonly Direction[] = DIRECTIONS): void {
    this.set({ blackHole: directions });
  }

  /** Those who come are refused, and those who are here are cut, until there is a target again. */
  sever(): void {
    this.target = NOWHERE;
    this.breakAll("reset");
  }

  breakAll(how: Break): void {
    for (const connection of this.#live) connection.break(how);
  }

  /** Resolves when no connection is left. */
  async idle(): Promise<void> {
    while (this.#live.size > 0) await once(this.#events, "closed");
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const connection of this.#live) connection.destroy();
    await this.idle();
  }
}

/** Where a FIN has gone out an RST is refused, and the socket would never close. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

async function drained(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      socket.off("drain", done);
      socket.off("close", done);
      resolve();
    };
    socket.once("drain", done);
    socket.once("close", done);
  });
}

function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
  });
}
