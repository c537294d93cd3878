// Names that one process of this machine holds at a time, by an abstract unix socket, which the kernel frees the moment
// its process dies. Whoever holds an instance's name may remove what a dead server of it left behind.
import { createServer } from "node:net";
import { SwitchyardError } from "../core/errors.js";

/** Resolves with the function that frees the name, or undefined when another process holds it. */
export function holdName(name: string): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(new SwitchyardError("LISTEN_FAILED", `cannot lock ${name}: ${error.message}`, { cause: error }));
    });
    server.listen(`\0switchyard/${name}`, () => {
      server.unref();
      resolve(() => server.close());
    });
  });
}

/** One server per instance name on a machine. */
export async function lockInstance(instance: string): Promise<() => void> {
  const free = await holdName(`instance/${instance}`);
  if (free) return free;
  const mend = "give this server another address with --listen, or another name with `instance`";
  throw new SwitchyardError("LISTEN_FAILED", `instance ${instance} already runs on this machine; ${mend}`);
}
