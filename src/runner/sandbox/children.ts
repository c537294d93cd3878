// The end of what a process has started.
import { readFileSync } from "node:fs";

/** How many there were. */
export function killChildrenOf(pid: number): number {
  const children = childrenOf(pid);
  for (const child of children) killQuietly(child);
  return children.length;
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended before us.
  }
}
