// The external calls of one trajectory: they run at once, beside its sandbox calls and each other, and need no slot.
// Invariant: every call that is pushed is settled exactly once, unless it is left.
import type { Clock, Timer } from "../core/clock.js";
import { messageOf, SwitchyardError } from "../core/errors.js";
import { failedOutcome, type Outcome } from "../core/outcome.js";
import type { CallTrace } from "../core/trace.js";
import type { ExternalPlan } from "../tools/catalogue.js";
import type { HeldSlot, SlotHolder } from "./slot-holder.js";
import type { TrajectoryIdentity } from "./surroundings.js";

export interface ExternalCall {
  readonly uniqId: string;
  readonly plan: ExternalPlan;
  readonly queueTimeoutS: number;
  /** Run only in that life of the slot. */
  readonly slotGeneration?: number | undefined;
  readonly trace?: CallTrace | undefined;
  onStarted(): void;
  settle(outcome: Outcome): void;
}

export interface ExternalCallsOptions {
  readonly identity: Pick<TrajectoryIdentity, "principal" | "trajectoryId">;
  readonly clock: Clock;
  readonly slot: Pick<SlotHolder<HeldSlot>, "slot" | "generation">;
  /** Whether a call may start now; `pump` again when that changes. */
  mayStart(): boolean;
}

interface Item {
  readonly call: ExternalCall;
  readonly acceptedAt: number;
  readonly abort: AbortController;
  /** Until it is sent. */
  readonly timer: Timer;
  isHeld: boolean;
  startedAt: number | undefined;
}

export class ExternalCalls {
  readonly #items = new Map<string, Item>();
  #onIdle: (() => void)[] = [];

  constructor(private readonly options: ExternalCallsOptions) {}

  push(call: ExternalCall): void {
    const { clock } = this.options;
    const timer = clock.after(call.queueTimeoutS * 1000, () => {
      const why = `not started within the queue timeout of ${call.queueTimeoutS} s`;
      this.#settle(item, failedOutcome("NOT_STARTED", `External tool not started: ${why}`));
    });
    const abort = new AbortController();
    const item: Item = { call, acceptedAt: clock.now(), abort, timer, isHeld: true, startedAt: undefined };
    this.#items.set(call.uniqId, item);
    this.pump();
  }

  /** Starts what may start now. */
  pump(): void {
    if (this.#items.size === 0 || !this.options.mayStart()) return;
    for (const item of [...this.#items.values()]) if (item.isHeld) this.#run(item);
  }

  /** Harmless for a call that is not here. */
  cancel(uniqId: string): void {
    const item = this.#items.get(uniqId);
    if (item) this.#settle(item, failedOutcome("CANCELLED", "Cancelled"));
  }

  cancelAll(): void {
    for (const uniqId of [...this.#items.keys()]) this.cancel(uniqId);
  }

  /** Those that were not sent yet. */
  failQueued(error: SwitchyardError): void {
    for (const item of [...this.#items.values()]) {
      if (item.startedAt === undefined) this.#settle(item, failedOutcome(error.meaning.callStatus, error.message));
    }
  }

  /** Resolves when no call runs; those that wait may wait on. */
  idle(): Promise<void> {
    if (!this.#isRunning) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** Ends all without an outcome. */
  leave(): void {
    for (const item of this.#items.values()) this.#forget(item);
  }

  get #isRunning(): boolean {
    return [...this.#items.values()].some(({ startedAt }) => startedAt !== undefined);
  }

  #run(item: Item): void {
    item.isHeld = false;
    const { call, abort } = item;
    const { principal, trajectoryId } = this.options.identity;
    const begin = () => this.#begin(item);
    call.plan.run({ principal, trajectoryId, uniqId: call.uniqId, signal: abort.signal, begin }).then(
      (outcome) => this.#settle(item, outcome),
      (error: unknown) => this.#settle(item, failure(error)),
    );
  }

  /** What the server is told of the slot. Throws for a call whose slot is another by now. */
  #begin(item: Item): { id: string; address: string } | undefined {
    item.abort.signal.throwIfAborted();
    const { slot, generation } = this.options.slot;
    const asked = item.call.slotGeneration;
    if (asked !== undefined && asked !== generation) {
      const why = `the call asked for slot generation ${asked}, the trajectory has ${generation}`;
      throw new SwitchyardError("SLOT_CHANGED", why);
    }
    item.timer.cancel();
    item.startedAt = this.options.clock.now();
    item.call.trace?.started();
    item.call.onStarted();
    return slot && { id: slot.id, address: slot.address };
  }

  #settle(item: Item, outcome: Outcome): void {
    if (!this.#forget(item)) return;
    const now = this.options.clock.now();
    const startedAt = item.startedAt ?? now;
    item.call.settle({ ...outcome, queueMs: startedAt - item.acceptedAt, execMs: now - startedAt });
    if (this.#isRunning) return;
    for (const idle of this.#onIdle.splice(0)) idle();
  }

  /** False when it was settled before. */
  #forget(item: Item): boolean {
    if (this.#items.get(item.call.uniqId) !== item) return false;
    this.#items.delete(item.call.uniqId);
    item.timer.cancel();
    item.abort.abort(new SwitchyardError("TRAJECTORY_ENDED", "no longer wanted"));
    return true;
  }
}

/** A run tells its own failures by outcomes; what it rejects with is ours. */
function failure(error: unknown): Outcome {
  if (error instanceof SwitchyardError) return failedOutcome(error.meaning.callStatus, messageOf(error));
  return failedOutcome("LOST", "internal error");
}
