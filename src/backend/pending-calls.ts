// The calls that a runner was given and has not answered: who waits for each, and what must be sent again when a link
// begins anew. Invariant: a call is finished once, or its batch rejects because the runner is lost.
import type { SwitchyardError } from "../core/errors.js";
import type { Outcome } from "../core/outcome.js";
import type { RunCall } from "../gen/switchyard/runner/v1/runner.js";
import type { RunnerInventory } from "./inventory.js";

interface Pending {
  readonly slot: number;
  readonly uniqId: string;
  readonly timeoutS: number;
  /** Absent for one that an earlier server sent. */
  readonly frame?: RunCall;
  finish(outcome: Outcome): void;
}

export class PendingCalls {
  readonly #calls = new Map<string, Pending>();
  /** What rejects the batches on their way, should the runner be lost. */
  readonly #batches = new Set<(error: SwitchyardError) => void>();

  /** Resolves when all of `calls` have ended; `onFinished` comes for each, with its index. */
  add(calls: readonly Omit<Pending, "finish">[], onFinished: (index: number, outcome: Outcome) => void): Promise<void> {
    let left = calls.length;
    return new Promise<void>((resolve, reject) => {
      this.#batches.add(reject);
      for (const [index, call] of calls.entries()) {
        this.#calls.set(keyOf(call.slot, call.uniqId), {
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

  has(slot: number, uniqId: string): boolean {
    return this.#calls.has(keyOf(slot, uniqId));
  }

  /** False when there is no such call. */
  finish(slot: number, uniqId: string, outcome: Outcome): boolean {
    const key = keyOf(slot, uniqId);
    const pending = this.#calls.get(key);
    if (!pending) return false;
    this.#calls.delete(key);
    pending.finish(outcome);
    return true;
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
  }
}

function keyOf(slot: number, uniqId: string): string {
  return `${slot} ${uniqId}`;
}
