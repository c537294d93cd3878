// Where connections become TLS, by the certificates of the time when they came: renewed ones are for those that come later.
// A client certificate is asked for, and checked, where there is a CA for it.
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Certificates } from "./certificates.js";
import type { Refusals } from "./refusals.js";

const HANDSHAKE_MS = 20_000;

export class TlsGate {
  #server: Server;
  /** Where the connection came from that closed last: that which a refused client certificate closed has no address any more. */
  #closed: string | undefined;

  constructor(
    certificates: Certificates,
    private readonly refusals: Refusals,
    private readonly onSecure: (socket: TLSSocket) => void,
  ) {
    this.#server = this.#serverFor(certificates);
  }

  renew(certificates: Certificates): void {
    this.#server = this.#serverFor(certificates);
  }

  enter(socket: Socket): void {
    const { remoteAddress } = socket;
    socket.once("close", () => {
      this.#closed = remoteAddress;
    });
    this.#server.emit("connection", socket);
  }

  /** It never listens; a new one also forgets the session tickets of those that the CA before let in. */
  #serverFor({ cert, key, clientCa }: Certificates): Server {
    const server = createServer({
      ...{ cert, key, ca: clientCa, requestCert: clientCa !== undefined, rejectUnauthorized: true },
      ...{ minVersion: "TLSv1.2", ALPNProtocols: ["h2"], handshakeTimeout: HANDSHAKE_MS },
    });
    server.on("secureConnection", (socket) => this.#admit(socket));
    server.on("tlsClientError", (error, socket) => this.#refuse(error, socket));
    return server;
  }

  #admit(socket: TLSSocket): void {
    // A connection that breaks is the affair of the requests on it.
    socket.on("error", () => {});
    if (socket.alpnProtocol === "h2") return this.onSecure(socket);
    this.refusals.add("connection refused: no HTTP/2 over TLS (ALPN h2)", { peer: socket.remoteAddress });
    socket.destroy();
  }

  #refuse(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    const { remoteAddress: peer = this.#closed, authorizationError } = socket;
    if (authorizationError) {
      const fields = { peer, reason: String(authorizationError) };
      this.refusals.add("connection refused: the client certificate is not good", fields);
    } else if (error.code === "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE") {
      this.refusals.add("connection refused: no client certificate", { peer });
    } else {
      const fields = { peer, reason: error.code ?? error.message };
      this.refusals.add("connection refused: the TLS handshake failed", fields);
    }
    socket.destroy();
  }
}
