// Processor time and memory of a server on this machine, of its runners and of what runs in their slots, from /proc. Runners are
// the processes of the runner's bundle below the server, and if it has none there (Docker: they are not its children), all
// on this machine. What a slot's processes used is counted with the living ones and with whoever reaped the dead ones, so
// nothing short-lived is lost; memory is resident memory, in which shared pages count once for each process.
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessSample {
  /** Processor seconds per second since the sample before; undefined: there is no such process, or it may not be read. */
  readonly serverCpu?: number;
  readonly runnersCpu?: number;
  readonly slotsCpu?: number;
  readonly serverBytes?: number;
  readonly runnersBytes?: number;
  readonly slotsBytes?: number;
  readonly runners: number;
  /** Whether the runners are all of this machine, because the server has none below it. */
  readonly everywhere: boolean;
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  /** Clock ticks of its own, and of the children that it reaped. */
  readonly own: number;
  readonly reaped: number;
  readonly pages: number;
}

const TICKS_PER_S = 100;
const PAGE_BYTES = 4096;
const BUNDLE = /(?:^|\/)runner\.mjs$/;

export class ProcessWatch {
  #before: { atMs: number; server: number; runners: number; slots: number } | undefined;
  readonly #isRunner = new Map<number, boolean>();

  /** `hasRunners`: false for a server that has none. */
  constructor(
    private readonly serverPid: number,
    private readonly hasRunners: boolean,
  ) {}

  sample(): ProcessSample {
    const atMs = performance.now();
    const all = new Map(processes().map((process) => [process.pid, process]));
    const server = all.get(this.serverPid);
    const { runners, everywhere } = this.#runners(all);
    const below = [...all.values()].filter(({ pid }) => !runners.has(pid) && isBelow(pid, runners, all));
    const chosen = [...runners].flatMap((pid) => all.get(pid) ?? []);
    const ticks = {
      server: server?.own ?? 0,
      runners: sum(chosen, ({ own }) => own),
      slots: sum(chosen, ({ reaped }) => reaped) + sum(below, ({ own, reaped }) => own + reaped),
    };
    const before = this.#before;
    this.#before = { atMs, ...ticks };
    const bytes = (these: readonly Process[]) => sum(these, ({ pages }) => pages) * PAGE_BYTES;
    const memory = {
      ...(server !== undefined && { serverBytes: bytes([server]) }),
      ...(chosen.length > 0 && { runnersBytes: bytes(chosen), slotsBytes: bytes(below) }),
    };
    if (before === undefined) return { runners: chosen.length, everywhere, ...memory };
    const per = (now: number, then: number) => Math.max(0, now - then) / TICKS_PER_S / ((atMs - before.atMs) / 1000);
    return {
      runners: chosen.length,
      everywhere,
      ...memory,
      ...(server !== undefined && { serverCpu: per(ticks.server, before.server) }),
      ...(chosen.length > 0 && {
        runnersCpu: per(ticks.runners, before.runners),
        slotsCpu: per(ticks.slots, before.slots),
      }),
    };
  }

  #runners(all: ReadonlyMap<number, Process>): { runners: ReadonlySet<number>; everywhere: boolean } {
    if (!this.hasRunners) return { runners: new Set(), everywhere: false };
    for (const pid of this.#isRunner.keys()) if (!all.has(pid)) this.#isRunner.delete(pid);
    for (const pid of all.keys()) {
      if (!this.#isRunner.has(pid)) this.#isRunner.set(pid, runsBundle(commandOf(pid)));
    }
    const everywhere = [...all.keys()].filter((pid) => this.#isRunner.get(pid) === true);
    // A fork that has not become another program yet still has its parent's command line.
    const outermost = everywhere.filter((pid) => this.#isRunner.get(all.get(pid)?.parent ?? 0) !== true);
    const own = outermost.filter((pid) => isBelow(pid, new Set([this.serverPid]), all));
    return { runners: new Set(own.length > 0 ? own : outermost), everywhere: own.length === 0 };
  }
}

/** Not so a container's init, whose own command line ends with the runner's, after `--`. */
function runsBundle(command: readonly string[]): boolean {
  const bundle = command.findIndex((part) => BUNDLE.test(part));
  return bundle >= 0 && !command.slice(0, bundle).includes("--");
}

function isBelow(pid: number, ancestors: ReadonlySet<number>, all: ReadonlyMap<number, Process>): boolean {
  for (let at = all.get(pid)?.parent; at !== undefined && at > 1; at = all.get(at)?.parent) {
    if (ancestors.has(at)) return true;
  }
  return false;
}

function processes(): Process[] {
  return readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? (processOf(Number(name)) ?? []) : []));
}

/** Undefined when it is gone. */
function processOf(pid: number): Process | undefined {
  const text = contentOf(`/proc/${pid}/stat`);
  // The name, in parentheses, may hold anything.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  if (fields.length < 22) return undefined;
  const field = (number: number) => Number(fields[number - 3]);
  return { pid, parent: field(4), own: field(14) + field(15), reaped: field(16) + field(17), pages: field(24) };
}

function commandOf(pid: number): string[] {
  return contentOf(`/proc/${pid}/cmdline`).split("\0");
}

/** Empty when it is gone, or not for this user. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
