// How much a client may send before the server has read it. HTTP/2 begins with 64 KiB for a connection and for each stream, at
// which a message of 64 KiB stands still just before its end until the server has answered that it read the rest.
import type { Http2Server } from "node:http2";
import type { Server } from "@grpc/grpc-js";

/** A file of `files.bytes_max` in base64, with room. It is also what a connection costs at most whose requests are not read. */
export const RECEIVE_WINDOW_BYTES = 256 * 1024;

/** grpc-js has such an option for clients only; for a server its HTTP/2 server must be asked, once it is made. */
export function widenReceiveWindows(server: Server): void {
  const made: unknown = Reflect.get(server, "http2Servers");
  if (!(made instanceof Map)) throw new Error("grpc-js has no HTTP/2 server where it had one");
  const servers: Iterable<Http2Server> = made.keys();
  for (const http2 of servers) {
    http2.updateSettings({ initialWindowSize: RECEIVE_WINDOW_BYTES });
    http2.on("session", (session) => session.setLocalWindowSize(RECEIVE_WINDOW_BYTES));
  }
}
