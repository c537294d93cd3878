// Names that one process of this machine holds at a time, by an abstract unix socket, which the kernel frees the moment
// its process dies. Whoever holds an instance's name may remove what a dead server of it left behind.
import { connect, createServer } from "node:net";
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

/** How long a server may take to show that it lives. */
const ALIVE_MS_MAX = 2_000;
/** Servers of one instance that may stand still at once, each holding a name. */
const NAMES = 8;

/**
 * One server per instance name on a machine. Over one that stands still (stopped, or hung) the next one begins all the
 * same, under a further name: its epoch keeps the older one from doing harm, should it wake up.
 */
export async function lockInstance(instance: string): Promise<() => void> {
  const names = Array.from({ length: NAMES }, (_, at) => `instance/${instance}${at === 0 ? "" : `+${at}`}`);
  for (const [at, name] of names.entries()) {
    const free = await holdName(name);
    if (free) {
      const others = await Promise.all(names.slice(at + 1).map(isAlive));
      if (!others.includes(true)) return free;
      free();
      break;
    }
    if (await isAlive(name)) break;
  }
  const mend = "give this server another address with --listen, or another name with `instance`";
  throw new SwitchyardError("LISTEN_FAILED", `instance ${instance} already runs on this machine; ${mend}`);
}

/** Whether a process holds the name and turns its loop: it closes what connects. */
function isAlive(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(`\0switchyard/${name}`);
    const settle = (alive: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(alive);
    };
    const timer = setTimeout(() => settle(false), ALIVE_MS_MAX);
    socket.once("error", () => settle(false));
    socket.resume().once("end", () => settle(true));
  });
}
