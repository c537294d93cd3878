// Who listens on a TCP port of this machine, by the kernel's tables; as far as this user may look.
import { entriesOf, linkOf, textOf } from "./proc.js";

const LISTENING = "0A";

/** A text such as `process 123 (node)`; undefined when it cannot be seen. */
export function portOwner(port: number): string | undefined {
  const pid = portOwnerPid(port);
  return pid === undefined ? undefined : `process ${pid} (${textOf(`/proc/${pid}/comm`).trim()})`;
}

export function portOwnerPid(port: number): number | undefined {
  const wanted = new Set(listeners(port).map((inode) => `socket:[${inode}]`));
  if (wanted.size === 0) return undefined;
  for (const pid of entriesOf("/proc").filter((name) => /^\d+$/.test(name))) {
    const holds = entriesOf(`/proc/${pid}/fd`).some((fd) => wanted.has(linkOf(`/proc/${pid}/fd/${fd}`)));
    if (holds) return Number(pid);
  }
  return undefined;
}

/** Inodes of the sockets that listen on the port, at whatever address. */
function listeners(port: number): string[] {
  const hexadecimal = port.toString(16).toUpperCase().padStart(4, "0");
  return ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) =>
    textOf(table)
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => state === LISTENING && local?.endsWith(`:${hexadecimal}`))
      .flatMap((columns) => columns[9] ?? []),
  );
}
