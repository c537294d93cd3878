// Looks once a second at what the kernel does not bound for us: the memory of each slot, and the size of its workspace in
// bytes and in files; and remembers when the container's memory limit last killed something. A slot in which nothing ran
// since it was last weighed or measured is as it was, and is left alone: hundreds may wait for their models.
import { diskUsage } from "./disk-usage.js";
import { NOTHING, ProcessTable, readText, together, type UserProcesses } from "./process-table.js";
import type { Weight } from "./sandbox/weight.js";

const PERIOD_MS = 1000;
/** Measuring workspaces may take this share of the time; large ones are looked at less often. */
const MEASURING_SHARE = 0.1;
/** However long it took: so long a disk can be filled unseen. */
const PAUSE_MS_MAX = 5_000;
/** Workspaces that one run of du measures. */
const FOLDERS_MAX = 200;
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

export class Watch {
  readonly #timer: NodeJS.Timeout;
  readonly #looksOver = new Map<WatchedSlot, number>();
  readonly #processes = new ProcessTable();
  /** The weight that each slot had when it was looked at. */
  readonly #weights = new Map<WatchedSlot, Weight>();
  /** Slots in which something ran since their workspaces were measured. */
  readonly #unmeasured = new Set<WatchedSlot>();
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
    const isAnyLeased = this.slots.some(({ isLeased }) => isLeased);
    const users = isAnyLeased ? this.#processes.look() : new Map<number, UserProcesses>();
    for (const slot of this.slots) {
      if (slot.isLeased) this.#judge(slot, slot.uid === undefined ? together(users.values()) : users.get(slot.uid));
      else this.#forget(slot);
    }
    if (!this.#measuring && this.#unmeasured.size > 0) void this.#measure();
  }

  #forget(slot: WatchedSlot): void {
    this.#looksOver.delete(slot);
    this.#weights.delete(slot);
    this.#unmeasured.delete(slot);
  }

  #judge(slot: WatchedSlot, processes: UserProcesses = NOTHING): void {
    const { weight } = slot;
    const bytes = processes.own + Math.max(processes.shared, weight.memory);
    const looks = bytes > this.limits.memoryBytes ? (this.#looksOver.get(slot) ?? 0) + 1 : 0;
    this.#looksOver.set(slot, looks);
    if (looks > LOOKS_OVER_MAX) slot.overForGood(`it holds ${bytes} bytes of memory`);
    else if (looks > 0) slot.overMemory();
    const { scratchBytes } = this.limits;
    if (weight.entries > scratchBytes / BYTES_PER_FILE) slot.overForGood(`it holds ${weight.entries} files in memory`);
    if (processes.ranCommands) slot.weigh();
    // A part of what its workspace holds comes with its weight.
    if (processes.ran || weight !== this.#weights.get(slot)) this.#unmeasured.add(slot);
    this.#weights.set(slot, weight);
  }

  async #measure(): Promise<void> {
    this.#measuring = true;
    const began = performance.now();
    const slots = [...this.#unmeasured];
    this.#unmeasured.clear();
    for (let at = 0; at < slots.length; at += FOLDERS_MAX) await this.#measureSome(slots.slice(at, at + FOLDERS_MAX));
    const pauseMs = Math.min(PAUSE_MS_MAX, (performance.now() - began) * (1 / MEASURING_SHARE - 1));
    setTimeout(() => {
      this.#measuring = false;
    }, pauseMs).unref();
  }

  async #measureSome(slots: readonly WatchedSlot[]): Promise<void> {
    const folders = slots.map(({ folder }) => folder);
    const usages = await diskUsage(folders);
    for (const slot of slots) {
      if (!slot.isLeased) continue;
      // What cannot be measured, as while a slot is being wiped, is nothing.
      const usage = usages.get(slot.folder);
      const [bytes, files] = [(usage?.bytes ?? 0) + slot.weight.disk, usage?.files ?? 0];
      if (bytes > this.limits.workspaceBytes) slot.overForGood(`its workspace holds ${bytes} bytes`);
      else if (files > this.limits.workspaceBytes / BYTES_PER_FILE) {
        slot.overForGood(`its workspace holds ${files} files`);
      }
    }
  }

  #countOomKills(): void {
    const count = oomKills();
    if (count > this.#oomKills) this.#oomAt = performance.now();
    this.#oomKills = count;
  }
}

/** Kills by the memory limit so far, from whichever version of cgroups is there. */
function oomKills(): number {
  const text = readText("/sys/fs/cgroup/memory.events") || readText("/sys/fs/cgroup/memory/memory.oom_control");
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}
