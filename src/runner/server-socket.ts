// The socket beside a container's stdio, over which its server is reached without the Docker daemon in between.
import { connect, type Socket } from "node:net";

/** Undefined where there is none, or none that this container may use, as under gVisor. */
export function dialServer(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}
