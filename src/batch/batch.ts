// What travels together to one runner under one timeout, and the tickets through which its callers are settled.
// Invariant: a ticket settles its caller exactly once; whatever comes later is ignored, and a caller that throws
// disturbs nobody.
import type { RunningBatch } from "../backend/backend.js";
import { messageOf, SwitchyardError } from "../core/errors.js";
import type { SlotOperation } from "../core/operation.js";
import { failedOutcome, type Outcome } from "../core/outcome.js";

export interface BatchEntry<R> extends Caller {
  readonly runner: R;
  readonly timeoutS: number;
  readonly operation: SlotOperation;
}

export interface Caller {
  /** Called just before its batch, of so many calls, is handed to dispatch; never for an entry that was not. */
  onStarted?(batchSize: number): void;
  /** Called exactly once. May come before `submit` returns: when closed, or when dispatch throws at a full batch. */
  settle(outcome: Outcome): void;
}

export interface Batch<R> {
  /** Counts the batches of one batcher, from 1. */
  readonly id: number;
  readonly runner: R;
  readonly timeoutS: number;
  readonly entries: readonly BatchEntry<R>[];
}

/** Sends a batch on its way; calls `settle` with an index into its entries for each result. Throws only if nothing was sent. */
export type Dispatch<R> = (batch: Batch<R>, settle: (index: number, outcome: Outcome) => void) => RunningBatch;

/** Told what a caller's `onStarted` or `settle`, or a `RunningBatch.cancel`, threw: always a bug. */
export type FaultReport = (error: unknown) => void;

export class Ticket {
  /** Gone once settled, so that a finished call's content is not held by the slowest of its batch. */
  #entry: Caller | undefined;
  #onCancel: (() => unknown) | undefined;

  constructor(
    entry: Caller,
    private readonly report: FaultReport,
  ) {
    this.#entry = entry;
  }

  get isSettled(): boolean {
    return this.#entry === undefined;
  }

  /** What `cancel` does from now on; it does it once. */
  onCancel(act: () => unknown): void {
    this.#onCancel = act;
  }

  cancel(): void {
    const act = this.#entry && this.#onCancel;
    this.#onCancel = undefined;
    if (act) this.#guard(act);
  }

  started(batchSize: number): void {
    const entry = this.#entry;
    if (entry) this.#guard(() => entry.onStarted?.(batchSize));
  }

  settle(outcome: Outcome): void {
    const entry = this.#entry;
    if (!entry) return;
    this.#entry = undefined;
    this.#guard(() => entry.settle(outcome));
  }

  #guard(act: () => unknown): void {
    try {
      act();
    } catch (error) {
      this.report(error);
    }
  }
}

/** How the calls of a batch end that failed as a whole: by the error's own status, else by `otherwise`. */
export function batchFailure(error: unknown, otherwise: "NOT_STARTED" | "LOST"): Outcome {
  const status = error instanceof SwitchyardError ? error.meaning.callStatus : otherwise;
  return failedOutcome(status, `Batch execution failed: ${messageOf(error)}`);
}
