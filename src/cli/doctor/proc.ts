// Small reads of /proc. What is not there, or not for this user, reads as empty.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export function textOf(path: string): string {
  return attempt(() => readFileSync(path, "latin1"), "");
}

export function entriesOf(folder: string): string[] {
  return attempt(() => readdirSync(folder), []);
}

export function linkOf(path: string): string {
  return attempt(() => readlinkSync(path), "");
}

/** One number of /proc/sys; undefined where this kernel does not have it. */
export function sysctl(name: string): number | undefined {
  const text = textOf(`/proc/sys/${name.replaceAll(".", "/")}`).trim();
  return text === "" ? undefined : Number(text);
}

function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
