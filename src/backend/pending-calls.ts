// The calls that a runner was given and has not answered: who waits for each, and what must be sent again when a link
// begins anew. Invariant: a call is finished once, or its batch rejects because the runner is lost.
import type { SwitchyardError } from "../core/errors.js";
import { failedOutcome, type Outcome } from "../core/outcome.js";
import type { RunCall } from "../gen/switchyard/runner/v1/runner.js";
import type { RunnerInventory } from "./inventory.js";

interface Pending {
  readonly slot: number;
  readonly uniqId: string;
  readonly timeoutS: number;
  /** Absent for one that an earlier server sent. */
  readonly frame?: RunCall;
  /** Whether its end was asked for. */
  cancelled?: boolean;
  finish(outcome: Outcome): void;
}

export class PendingCalls {
  readonly #calls = new Map<string, Pending>();
  /** What rejects the batches on their way, should the runner be lost. */
  readonly #batches = new Set<(error: SwitchyardError) => void>();
  /** Calls that an earlier server sent and that nobody follows yet, with their outcomes once they have ended. */
  readonly #unfollowed = new Map<string, Outcome | undefined>();

  /** Resolves when all of `calls` have ended; `onFinished` comes for each, with its index. */
  add(
    calls: readonly Omit<Pending, "finish" | "cancelled">[],
    onFinished: (index: number, outcome: Outcome) => void,
  ): Promise<void> {
    let left = calls.length;
    return new Promise<void>((resolve, reject) => {
      this.#batches.add(reject);
      for (const [index, call] of calls.entries()) {
        const key = keyOf(call.slot, call.uniqId);
        const early = this.#unfollowed.get(key);
        this.#unfollowed.delete(key);
        if (early && !call.frame) queueMicrotask(() => this.finish(call.slot, call.uniqId, early));
        this.#calls.set(key, {
          ...call,
          finish: (outcome) => {
            onFinished(index, outcome);
            left -= 1;
            if (left > 0) return;
            this.#batches.delete(reject);
            resolve();
          },
        });
      }
    });
  }

  /** A call that an earlier server sent: its end is kept until somebody follows it. */
  expect(slot: number, uniqId: string): void {
    this.#unfollowed.set(keyOf(slot, uniqId), undefined);
  }

  /** Whether its end is awaited. */
  has(slot: number, uniqId: string): boolean {
    const key = keyOf(slot, uniqId);
    return this.#calls.has(key) || (this.#unfollowed.has(key) && this.#unfollowed.get(key) === undefined);
  }

  /** False when there is no such call. */
  cancel(slot: number, uniqId: string): boolean {
    const pending = this.#calls.get(keyOf(slot, uniqId));
    if (pending) pending.cancelled = true;
    return pending !== undefined;
  }

  get cancelled(): { readonly slot: number; readonly uniqId: string }[] {
    return [...this.#calls.values()].filter(({ cancelled }) => cancelled);
  }

  /** False when there is no such call. */
  finish(slot: number, uniqId: string, outcome: Outcome): boolean {
    const key = keyOf(slot, uniqId);
    const pending = this.#calls.get(key);
    if (!pending) {
      if (this.#unfollowed.has(key)) this.#unfollowed.set(key, outcome);
      return false;
    }
    this.#calls.delete(key);
    pending.finish(outcome);
    return true;
  }

  /** Those of slots that were closed, and that the runner does not know any more, may have run: they are LOST. */
  loseIn(closed: ReadonlySet<number>, inventory: RunnerInventory): void {
    for (const { slot, uniqId } of [...this.#calls.values()]) {
      if (!closed.has(slot) || inventory.slots[slot]?.calls.has(uniqId)) continue;
      this.finish(slot, uniqId, failedOutcome("LOST", "its slot was closed while the link was broken"));
    }
  }

  /** Calls that an inventory does not name, by timeout: they never arrived. */
  unknownTo(inventory: RunnerInventory): Map<number, RunCall[]> {
    const byTimeout = new Map<number, RunCall[]>();
    for (const { slot, uniqId, timeoutS, frame } of this.#calls.values()) {
      if (!frame || inventory.slots[slot]?.calls.has(uniqId)) continue;
      byTimeout.set(timeoutS, [...(byTimeout.get(timeoutS) ?? []), frame]);
    }
    return byTimeout;
  }

  failAll(error: SwitchyardError): void {
    for (const reject of this.#batches) reject(error);
    this.#batches.clear();
    this.#calls.clear();
    this.#unfollowed.clear();
  }
}

function keyOf(slot: number, uniqId: string): string {
  return `${slot} ${uniqId}`;
}
