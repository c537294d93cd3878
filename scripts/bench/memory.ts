// What a container costs in memory: the proportional share (PSS) of every process, and what the kernel holds for the container
// beside it.
import { readdirSync, readFileSync } from "node:fs";
import type { Container } from "../../src/backend/backend.js";
import { table } from "./figures.js";

const MIB = 1024 * 1024;

export function idleMemory(levels: readonly string[], containers: ReadonlyMap<string, readonly Container[]>): string {
  const rows = levels.map((level) => {
    const [container] = containers.get(level) ?? [];
    if (!container) return [level, "", "", "", ""];
    const { slots, runner, kernel } = memoryOf(container.id);
    const perSlot = (slots + kernel) / container.runner.slots;
    return [level, mib(runner), mib(slots / container.runner.slots), mib(kernel), mib(perSlot)];
  });
  const head = [
    "idle memory, MiB",
    "runner PSS",
    "slot PSS",
    "container's kernel memory",
    "slot with its share of that",
  ];
  return `\n${table([head, ...rows])}`;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(2);
}

/** In bytes: all slots of the container, its runner, the kernel's part. */
export function memoryOf(id: string): { readonly slots: number; readonly runner: number; readonly kernel: number } {
  let slots = 0;
  let runner = 0;
  for (const pid of processesOf(id)) {
    const bytes = pssOf(pid);
    if (/runner\.mjs|docker-init/.test(read(`/proc/${pid}/cmdline`))) runner += bytes;
    else slots += bytes;
  }
  const v1 = Number(read(`/sys/fs/cgroup/memory/docker/${id}/memory.kmem.usage_in_bytes`));
  const v2 = /^kernel (\d+)$/m.exec(read(`/sys/fs/cgroup/docker/${id}/memory.stat`))?.[1];
  return { slots, runner, kernel: v1 || Number(v2 ?? 0) };
}

function processesOf(id: string): string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && read(`/proc/${name}/cgroup`).includes(id));
}

function pssOf(pid: string): number {
  return Number(/^Pss:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) * 1024;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
