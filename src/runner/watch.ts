// Looks once a second at what the kernel does not bound for us: the memory of each slot, and the size of its workspace in
// bytes and in files; and remembers when the container's memory limit last killed something.
import { readdirSync, readFileSync } from "node:fs";
import { diskUsage } from "./disk-usage.js";
import { statusOf, userIn } from "./sandbox/sweep.js";
import type { Weight } from "./sandbox/weight.js";

const PERIOD_MS = 1000;
/** Measuring workspaces may take this share of the time; large ones are looked at less often. */
const MEASURING_SHARE = 0.1;
/** However long it took: so long a disk can be filled unseen. */
const PAUSE_MS_MAX = 5_000;
const PAGE_BYTES = 4096;
/** A file system has room for about one file in so many bytes, however empty they are. */
const BYTES_PER_FILE = 4096;
/** A slot that is over its memory limit for so long although its processes are killed cannot be mended. */
const LOOKS_OVER_MAX = 3;

export interface WatchedSlot {
  readonly isLeased: boolean;
  /** User of its processes; absent: every process of the container that is not the runner's is the slot's. */
  readonly uid: number | undefined;
  /** What counts as its workspace. */
  readonly folder: string;
  /** What it holds beside. */
  readonly weight: Weight;
  weigh(): void;
  overMemory(): void;
  /** Over a limit that killing its processes does not help against; `why` says of what. */
  overForGood(why: string): void;
}

export interface WatchLimits {
  readonly memoryBytes: number;
  readonly workspaceBytes: number;
  readonly scratchBytes: number;
}

interface Memory {
  /** Resident bytes that no other process shares. */
  own: number;
  /** The most that one process has of memory that it may share with others; counting all would count it many times. */
  shared: number;
}

export class Watch {
  readonly #timer: NodeJS.Timeout;
  readonly #looksOver = new Map<WatchedSlot, number>();
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
    const memory = leased.length > 0 ? memoryByUser() : new Map<number, Memory>();
    for (const slot of this.slots) {
      if (!slot.isLeased) this.#looksOver.delete(slot);
      else this.#judge(slot, slot.uid === undefined ? total(memory.values()) : memory.get(slot.uid));
    }
    if (!this.#measuring) void this.#measure(leased);
  }

  #judge(slot: WatchedSlot, memory: Memory = { own: 0, shared: 0 }): void {
    const { weight } = slot;
    const bytes = memory.own + Math.max(memory.shared, weight.memory);
    const looks = bytes > this.limits.memoryBytes ? (this.#looksOver.get(slot) ?? 0) + 1 : 0;
    this.#looksOver.set(slot, looks);
    if (looks > LOOKS_OVER_MAX) slot.overForGood(`it holds ${bytes} bytes of memory`);
    else if (looks > 0) slot.overMemory();
    const { scratchBytes } = this.limits;
    if (weight.entries > scratchBytes / BYTES_PER_FILE) slot.overForGood(`it holds ${weight.entries} files in memory`);
    slot.weigh();
  }

  async #measure(slots: readonly WatchedSlot[]): Promise<void> {
    this.#measuring = true;
    const began = performance.now();
    for (const slot of slots) {
      const usage = await diskUsage(slot.folder);
      const { files } = usage;
      const bytes = usage.bytes + slot.weight.disk;
      if (!slot.isLeased) continue;
      if (bytes > this.limits.workspaceBytes) slot.overForGood(`its workspace holds ${bytes} bytes`);
      else if (files > this.limits.workspaceBytes / BYTES_PER_FILE) {
        slot.overForGood(`its workspace holds ${files} files`);
      }
    }
    const pauseMs = Math.min(PAUSE_MS_MAX, (performance.now() - began) * (1 / MEASURING_SHARE - 1));
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

/** Of all processes but the runner and what it started as itself. */
function memoryByUser(): Map<number, Memory> {
  const found = new Map<number, Memory>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid || name === "1") continue;
    const status = statusOf(name);
    const uid = userIn(status);
    if (uid === undefined) continue;
    found.set(uid, total([found.get(uid) ?? { own: 0, shared: 0 }, memoryOf(name, status)]));
  }
  return found;
}

function memoryOf(pid: string, status: string): Memory {
  const [, resident = "0", shared = "0"] = read(`/proc/${pid}/statm`).split(" ");
  const sharedKb = /^RssShmem:\s+(\d+) kB/m.exec(status)?.[1] ?? 0;
  return { own: (Number(resident) - Number(shared)) * PAGE_BYTES, shared: Number(sharedKb) * 1024 };
}

function total(memories: Iterable<Memory>): Memory {
  const sum = { own: 0, shared: 0 };
  for (const { own, shared } of memories) {
    sum.own += own;
    sum.shared = Math.max(sum.shared, shared);
  }
  return sum;
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
