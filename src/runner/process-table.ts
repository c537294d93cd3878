// The processes of a container by user: what memory they hold, and whether any ran since the look before. Where none did, all are
// and hold what they were and held then, so that of most only one short file is read. All, as one may write into another's memory.
import { readdirSync, readFileSync } from "node:fs";
import { statusOf, userIn } from "./sandbox/sweep.js";

export interface Memory {
  /** Resident bytes that no other process shares. */
  own: number;
  /** The most that one process has of memory that it may share with others; counting all would count it many times. */
  shared: number;
}

export interface UserProcesses extends Memory {
  /** Whether any of them began, ended or ran since the look before. */
  ran: boolean;
  /** The same, of those that are not the first of their pid namespace: a launcher also runs when it is asked something. */
  ranCommands: boolean;
}

interface Known extends Memory {
  /** What the scheduler counts of it; empty where that says nothing. */
  readonly mark: string;
  readonly uid: number;
  readonly isFirst: boolean;
}

const PAGE_BYTES = 4096;

export class ProcessTable {
  #known = new Map<string, Known>();

  /** Of all processes but the runner and its container's first. */
  look(): Map<number, UserProcesses> {
    const known = new Map<string, Known>();
    const users = new Map<number, UserProcesses>();
    const fresh = new Set<string>();
    for (const pid of readdirSync("/proc")) {
      if (!/^\d+$/.test(pid) || Number(pid) === process.pid || pid === "1") continue;
      const before = this.#known.get(pid);
      // In this order: what happens in between is seen by the next look.
      const mark = readText(`/proc/${pid}/schedstat`);
      const isSame = before !== undefined && before.mark !== "" && before.mark === mark;
      const now = isSame ? before : processOf(pid, mark);
      if (now === undefined) continue;
      known.set(pid, now);
      if (isSame) continue;
      fresh.add(pid);
      note(entry(users, now.uid), now);
    }
    for (const [pid, before] of this.#known) if (!known.has(pid)) note(entry(users, before.uid), before);
    this.#known = known;
    this.#weigh(users, fresh);
    return users;
  }

  #weigh(users: Map<number, UserProcesses>, fresh: ReadonlySet<string>): void {
    for (const [pid, before] of this.#known) {
      const user = entry(users, before.uid);
      const now = user.ran && !fresh.has(pid) ? processOf(pid, before.mark) : before;
      if (now === undefined) continue;
      this.#known.set(pid, now);
      user.own += now.own;
      user.shared = Math.max(user.shared, now.shared);
    }
  }
}

/** Of all users together. */
export function together(users: Iterable<UserProcesses>): UserProcesses {
  const sum = { ...NOTHING };
  for (const { own, shared, ran, ranCommands } of users) {
    sum.own += own;
    sum.shared = Math.max(sum.shared, shared);
    sum.ran ||= ran;
    sum.ranCommands ||= ranCommands;
  }
  return sum;
}

export const NOTHING: UserProcesses = { own: 0, shared: 0, ran: false, ranCommands: false };

function entry(users: Map<number, UserProcesses>, uid: number): UserProcesses {
  const there = users.get(uid);
  if (there !== undefined) return there;
  const made = { ...NOTHING };
  users.set(uid, made);
  return made;
}

function note(user: UserProcesses, { isFirst }: Known): void {
  user.ran = true;
  if (!isFirst) user.ranCommands = true;
}

/** Undefined for one that has ended. */
function processOf(pid: string, mark: string): Known | undefined {
  const status = statusOf(pid);
  const uid = userIn(status);
  if (uid === undefined) return undefined;
  const [, resident = "0", shared = "0"] = readText(`/proc/${pid}/statm`).split(" ");
  const sharedKb = /^RssShmem:\s+(\d+) kB/m.exec(status)?.[1] ?? 0;
  // Only the first thread's counts are told, and kernels that count nothing tell zeros.
  const isTold = /^Threads:\t1$/m.test(status) && /^[1-9]/.test(mark);
  return {
    mark: isTold ? mark : "",
    uid,
    isFirst: /^NSpid:.*\t1$/m.test(status),
    own: (Number(resident) - Number(shared)) * PAGE_BYTES,
    shared: Number(sharedKb) * 1024,
  };
}

/** Empty when it cannot be read, as of a process that has ended. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
