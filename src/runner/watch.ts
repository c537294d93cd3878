// Looks once a second at what the kernel does not bound for us: the memory of each slot and the size of its workspace,
// and remembers when the container's memory limit last killed something.
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { userOf } from "./sandbox/sweep.js";

const PERIOD_MS = 1000;
/** Measuring a workspace may take this share of the time at most; a large one is looked at less often. */
const MEASURING_SHARE = 0.1;
const PAGE_BYTES = 4096;

export interface WatchedSlot {
  readonly isLeased: boolean;
  /** User of its processes; absent: every process of the container that is not the runner's is the slot's. */
  readonly uid: number | undefined;
  /** What counts as its workspace on disk; absent when the kernel bounds it. */
  readonly diskFolder: string | undefined;
  overMemory(bytes: number): void;
  overWorkspace(bytes: number): void;
}

export interface WatchLimits {
  readonly memoryBytes: number;
  readonly workspaceBytes: number;
}

export class Watch {
  readonly #timer: NodeJS.Timeout;
  #measuring = false;
  #oomKills: number;
  #oomAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly slots: readonly WatchedSlot[],
    private readonly limits: WatchLimits,
  ) {
    this.#oomKills = oomKills();
    this.#timer = setInterval(() => this.#look(), PERIOD_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Whether the container's memory limit killed a process at `sinceMs` (on performance.now's clock) or later. */
  outOfMemorySince(sinceMs: number): boolean {
    this.#countOomKills();
    return this.#oomAt >= sinceMs;
  }

  #look(): void {
    this.#countOomKills();
    const leased = this.slots.filter(({ isLeased }) => isLeased);
    if (leased.length === 0) return;
    const byUser = memoryByUser();
    for (const slot of leased) {
      const bytes = slot.uid === undefined ? sum(byUser.values()) : (byUser.get(slot.uid) ?? 0);
      if (bytes > this.limits.memoryBytes) slot.overMemory(bytes);
    }
    if (!this.#measuring) void this.#measure(leased);
  }

  async #measure(slots: readonly WatchedSlot[]): Promise<void> {
    this.#measuring = true;
    const began = performance.now();
    for (const slot of slots) {
      if (slot.diskFolder === undefined) continue;
      const bytes = await diskUsage(slot.diskFolder);
      if (bytes > this.limits.workspaceBytes && slot.isLeased) slot.overWorkspace(bytes);
    }
    const pauseMs = (performance.now() - began) * (1 / MEASURING_SHARE - 1);
    setTimeout(() => {
      this.#measuring = false;
    }, pauseMs).unref();
  }

  #countOomKills(): void {
    const count = oomKills();
    if (count > this.#oomKills) this.#oomAt = performance.now();
    this.#oomKills = count;
  }
}

/** Bytes by user that no other process shares, but for the runner and what it started as itself. */
function memoryByUser(): Map<number, number> {
  const bytes = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid || name === "1") continue;
    const uid = userOf(name);
    if (uid !== undefined) bytes.set(uid, (bytes.get(uid) ?? 0) + privateBytes(name));
  }
  return bytes;
}

function privateBytes(pid: string): number {
  const [, resident = "0", shared = "0"] = read(`/proc/${pid}/statm`).split(" ");
  return (Number(resident) - Number(shared)) * PAGE_BYTES;
}

/** Allocated bytes; 0 when it cannot be measured, as while the slot is being wiped. */
async function diskUsage(folder: string): Promise<number> {
  try {
    const { stdout } = await promisify(execFile)("du", ["-s", "-x", "-B1", folder]);
    return Number.parseInt(stdout, 10) || 0;
  } catch {
    return 0;
  }
}

/** Kills by the memory limit so far, from whichever version of cgroups is there. */
function oomKills(): number {
  const text = read("/sys/fs/cgroup/memory.events") || read("/sys/fs/cgroup/memory/memory.oom_control");
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
