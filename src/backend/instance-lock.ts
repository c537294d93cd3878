// One server per instance name on a machine: whoever holds the name may remove what a dead server of it left behind.
// The lock is an abstract unix socket, which the kernel frees the moment its process dies.
import { createServer } from "node:net";
import { SwitchyardError } from "../core/errors.js";

/** Resolves with the function that frees the name. */
export function lockInstance(instance: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why =
        error.code === "EADDRINUSE"
          ? `instance ${instance} already runs on this machine; give this server another name with \`instance\``
          : `cannot lock instance ${instance}: ${error.message}`;
      reject(new SwitchyardError("LISTEN_FAILED", why, { cause: error }));
    });
    server.listen(`\0switchyard/${instance}`, () => {
      server.unref();
      resolve(() => server.close());
    });
  });
}
