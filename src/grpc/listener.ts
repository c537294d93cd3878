// The sockets that the server listens on, and what comes in by them until it is HTTP/2. The first byte of a connection says
// whether it is TLS; one that says nothing is dropped after a while. Invariant: whatever a connection is or does until
// then, no other one notices.
import { lookup } from "node:dns/promises";
import { createServer, type ListenOptions, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { hostOf } from "../core/address.js";
import type { Clock } from "../core/clock.js";
import { messageOf, SwitchyardError } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import type { CertificateKeeper } from "./certificate-keeper.js";
import { Refusals } from "./refusals.js";
import { TlsGate } from "./tls-gate.js";

/** `host:port`, `[ipv6]:port`, or `unix:path`. */
const ADDRESS_PATTERN = /^(unix:.+|.+:\d{1,5})$/;
const TLS_HANDSHAKE = 0x16;
/** HTTP/2 and TLS both let the client speak first, and at once. */
const SILENCE_MS = 20_000;
/** Of more than so many that said nothing yet, the oldest is dropped. */
const SILENT_MAX = 4_096;
/** What another address of the same name may lack: the machine has no IPv6, or no IPv4. */
const NO_SUCH_FAMILY = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT"]);

export interface ListenerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Absent: plain text. */
  readonly certificates?: CertificateKeeper | undefined;
  /** What is to carry HTTP/2: a Socket, or a TLSSocket. */
  readonly onConnection: (connection: Duplex) => void;
}

export class Listener {
  readonly #options: ListenerOptions;
  readonly #refusals: Refusals;
  readonly #gate: TlsGate | undefined;
  readonly #servers: Server[] = [];
  readonly #silent = new Set<Socket>();
  #closed = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#refusals = new Refusals(options.clock, options.log);
    const { certificates } = options;
    if (certificates === undefined) return;
    const gate = new TlsGate(certificates.current, this.#refusals, (socket) => this.#handOn(socket));
    certificates.onRenewed((renewed) => gate.renew(renewed));
    this.#gate = gate;
  }

  /** Resolves with the port; a name is listened on at all its addresses. Rejects with LISTEN_FAILED. */
  async listen(address: string): Promise<number> {
    if (!ADDRESS_PATTERN.test(address)) {
      throw new SwitchyardError("LISTEN_FAILED", `cannot listen on "${address}": it must be host:port or unix:path`);
    }
    try {
      return await this.#listenOn(await placesOf(address));
    } catch (cause) {
      this.close();
      const text = `cannot listen on ${address}: ${messageOf(cause)}; free the address, or choose another with --listen`;
      throw new SwitchyardError("LISTEN_FAILED", text, { cause });
    }
  }

  /** Takes no more connections; those that it handed on stay. */
  close(): void {
    this.#closed = true;
    for (const server of this.#servers.splice(0)) server.close();
    for (const socket of this.#silent) socket.destroy();
    this.#refusals.close();
  }

  async #listenOn(places: readonly ListenOptions[]): Promise<number> {
    let port: number | undefined;
    let missing: unknown;
    for (const place of places) {
      try {
        port = await this.#bind({ ...place, ...(port !== undefined && { port }) });
      } catch (error) {
        if (!NO_SUCH_FAMILY.has(codeOf(error))) throw error;
        missing = error;
      }
    }
    if (port === undefined) throw missing ?? new Error("the name has no address");
    return port;
  }

  async #bind(place: ListenOptions): Promise<number> {
    const server = createServer({ noDelay: true }, (socket) => this.#greet(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(place, resolve);
    });
    // Such as too many open files: the connection is lost, and the next one may not be.
    server.on("error", (error) => {
      this.#refusals.add("connection lost: it could not be accepted", { reason: messageOf(error) });
    });
    this.#servers.push(server);
    const bound = server.address();
    return typeof bound === "object" && bound ? bound.port : 0;
  }

  #greet(socket: Socket): void {
    const [oldest] = this.#silent;
    if (this.#silent.size >= SILENT_MAX && oldest) {
      this.#refusals.add("connection dropped: too many that say nothing", { peer: oldest.remoteAddress });
      // At once: others may come before it says that it is closed.
      this.#silent.delete(oldest);
      oldest.destroy();
    }
    this.#silent.add(socket);
    socket.on("error", () => {});
    socket.setTimeout(SILENCE_MS, () => socket.destroy());
    socket.once("close", () => this.#silent.delete(socket));
    socket.once("readable", () => {
      this.#silent.delete(socket);
      const first: unknown = socket.read();
      // It ended without a word.
      if (!Buffer.isBuffer(first)) return void socket.destroy();
      socket.setTimeout(0);
      socket.removeAllListeners("timeout");
      socket.unshift(first);
      this.#sort(socket, first[0] === TLS_HANDSHAKE);
    });
  }

  #sort(socket: Socket, isTls: boolean): void {
    const { remoteAddress: peer } = socket;
    if (this.#gate && isTls) return this.#gate.enter(socket);
    if (!this.#gate && !isTls) return this.#handOn(socket);
    this.#refusals.add(
      isTls
        ? "connection refused: a TLS hello on a port that speaks plain text; set tls.cert and tls.key, or connect without TLS"
        : "connection refused: plain text on a port that speaks TLS",
      { peer },
    );
    socket.destroy();
  }

  /** A handshake may have outlasted the listening. */
  #handOn(connection: Duplex): void {
    if (this.#closed) connection.destroy();
    else this.#options.onConnection(connection);
  }
}

async function placesOf(address: string): Promise<ListenOptions[]> {
  if (address.startsWith("unix:")) return [{ path: address.slice("unix:".length) }];
  const port = Number(address.slice(address.lastIndexOf(":") + 1));
  const found = await lookup(hostOf(address), { all: true });
  // Some resolvers name an address twice, which could not be listened on twice.
  const hosts = new Set(found.map(({ address: host }) => host));
  return [...hosts].map((host) => ({ host, port }));
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
