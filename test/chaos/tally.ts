// What came of every call of a chaos run, and whether it was what was promised: one result each, never run twice, `LOST`
// and `NOT_STARTED` only where a runner was killed, or where the server was before the trajectory had its first slot.
import type { ToolResult } from "../../src/client/index.js";

/** Between a runner's death and the last word about it, in milliseconds: a paused one is noticed by its silence. */
const AFTERMATH_MS = 60_000;

/** A call as its trajectory saw it. */
export interface Seen {
  readonly result: ToolResult;
  readonly sentMs: number;
  readonly endedMs: number;
  /** Which life of the trajectory it was sent in. */
  readonly incarnation: string;
  /** Whether a slot of that life was known when it was sent. */
  readonly hadSlot: boolean;
}

export class Tally {
  readonly counts = new Map<string, number>();
  readonly problems: string[] = [];
  readonly #runnerKillsMs: number[] = [];
  readonly #serverKillsMs: number[] = [];

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }

  of(what: string): number {
    return this.counts.get(what) ?? 0;
  }

  runnerKilled(): void {
    this.count("kills of runners");
    this.#runnerKillsMs.push(performance.now());
  }

  serverKilled(): void {
    this.count("kills of the server");
    this.#serverKillsMs.push(performance.now());
  }

  wrong(problem: string): void {
    this.problems.push(problem);
  }

  /** Judges one call by its result alone. */
  judge(name: string, { result, sentMs, endedMs, hadSlot }: Seen): void {
    const { status, output, error, uniqId } = result;
    this.count("calls");
    this.count(`ended ${status}${result.local ? " (new life)" : ""}`);
    const what = `${name} ${uniqId} ended ${status}: ${error}`;
    switch (status) {
      case "OK":
        // Each call prints how often its mark was in the file after it had left one.
        if (output.split("\n")[0] !== "1") this.wrong(`${what}, and printed ${output.slice(0, 80)}`);
        break;
      case "LOST":
      case "NOT_STARTED":
        if (result.local && !hadSlot && this.#serverKillsMs.some((killMs) => killMs > sentMs && killMs < endedMs)) {
          // G7: a trajectory that had no slot begins anew.
          this.count("of them before their trajectory's first slot");
        } else if (!this.#runnerDiedAround(sentMs, endedMs)) this.wrong(`${what}, and no runner was killed then`);
        break;
      default:
        this.wrong(what);
    }
  }

  /** Judges the calls whose marks must be in one slot's file. */
  judgeMarks(name: string, seen: readonly Seen[], marks: readonly string[]): void {
    const counts = new Map<string, number>();
    for (const mark of marks) counts.set(mark, (counts.get(mark) ?? 0) + 1);
    for (const [mark, count] of counts) if (count > 1) this.wrong(`${name} ${mark} ran ${count} times`);
    for (const { result } of seen) {
      const count = counts.get(result.uniqId) ?? 0;
      if (result.status === "OK" && count === 0) this.wrong(`${name} ${result.uniqId} is OK, and left no mark`);
      if (result.status === "NOT_STARTED" && count > 0) this.wrong(`${name} ${result.uniqId} NOT_STARTED left a mark`);
    }
    this.count("marks compared", marks.length);
  }

  #runnerDiedAround(sentMs: number, endedMs: number): boolean {
    return this.#runnerKillsMs.some((killMs) => killMs > sentMs - AFTERMATH_MS && killMs < endedMs);
  }
}
