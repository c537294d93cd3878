// Which addresses only this machine can reach: what may go there in the clear, and who may connect unasked.
import { isIP } from "node:net";

/** `host` of `host:port`, without the brackets of IPv6; an address without a port is its own host. */
export function hostOf(address: string): string {
  const withPort = /^(.+):\d+$/.exec(address)?.[1];
  const host = withPort !== undefined && (withPort.endsWith("]") || !withPort.includes(":")) ? withPort : address;
  return host.replace(/^\[(.*)\]$/, "$1");
}

/** Whether `host:port` or `unix:path` is reached from this machine alone. */
export function isLocalAddress(address: string): boolean {
  return address.startsWith("unix:") || isLoopbackHost(hostOf(address));
}

function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase();
  if (isIP(name) === 4) return name.startsWith("127.");
  if (isIP(name) === 6) return name === "::1" || name.startsWith("::ffff:127.");
  return name === "localhost" || name.endsWith(".localhost");
}
