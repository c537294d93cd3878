// The sandbox calls of one trajectory: started one at a time, in the order accepted, once there is a slot.
// Invariant: every call that is pushed is settled exactly once; at most one is with the batcher at a time.

import type { Runner } from "../backend/backend.js";
import type { Clock, Timer } from "../core/clock.js";
import type { SwitchyardError } from "../core/errors.js";
import type { SlotOperation } from "../core/operation.js";
import { failedOutcome, type Outcome } from "../core/outcome.js";
import type { SlotHolder } from "./slot-holder.js";
import { type QueuedCall, StartedCall, type Turn } from "./started-call.js";

/** Hands one operation to the batcher. */
export type Submit = (entry: {
  readonly runner: Runner;
  readonly timeoutS: number;
  readonly operation: SlotOperation;
  onStarted(batchSize: number): void;
  settle(outcome: Outcome): void;
}) => { cancel(): void };

export interface CallQueueOptions {
  readonly clock: Clock;
  readonly slot: SlotHolder;
  readonly submit: Submit;
  /** Whether a call may start now; `pump` again when that changes. */
  mayStart(): boolean;
}

interface Waiting {
  readonly call: QueuedCall;
  readonly acceptedAt: number;
  /** Only of a call that could not start at once. */
  timer: Timer | undefined;
  left: boolean;
}

interface Running {
  readonly uniqId: string;
  cancel(): void;
  /** Has an effect only while the batcher still holds the call. */
  failUnsent(error: SwitchyardError): void;
}

export class CallQueue implements Turn {
  readonly #waiting: Waiting[] = [];
  #running: Running | undefined;
  #onIdle: (() => void)[] = [];

  constructor(private readonly options: CallQueueOptions) {}

  push(call: QueuedCall): void {
    const waiting: Waiting = { call, acceptedAt: this.options.clock.now(), timer: undefined, left: false };
    this.#waiting.push(waiting);
    this.pump();
    if (!waiting.left) this.#limitWait(waiting);
  }

  /** Starts the next call if it may start now. */
  pump(): void {
    for (;;) {
      const next = this.#waiting[0];
      if (!next || this.#running || !this.options.mayStart()) return;
      const refusal = this.#refusalOf(next.call);
      if (!refusal) return this.options.slot.slot ? this.#start(next) : this.options.slot.need();
      this.#settleWaiting(next, refusal);
    }
  }

  /** Waits for a call that runs already, given to its runner by an earlier server; nothing else starts meanwhile. */
  follow(uniqId: string, resume: (settle: () => void) => { cancel(): void }): void {
    const running = resume(() => {
      this.over();
      this.pump();
    });
    this.#running = { uniqId, cancel: () => running.cancel(), failUnsent: () => undefined };
  }

  /** Resolves when no call runs; those that wait may wait on. */
  idle(): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** Only the call that needed the slot fails; the next one tries again. */
  failHead(error: SwitchyardError): void {
    const [head] = this.#waiting;
    if (head) this.#settleWaiting(head, failedOutcome(error.meaning.callStatus, error.message));
    this.pump();
  }

  /** Also what the batcher has not sent yet: by the time it would, the slot may be another trajectory's. */
  failQueued(error: SwitchyardError): void {
    this.#running?.failUnsent(error);
    for (const waiting of [...this.#waiting]) {
      this.#settleWaiting(waiting, failedOutcome(error.meaning.callStatus, error.message));
    }
  }

  /** Harmless for a call that is not here. */
  cancel(uniqId: string): void {
    if (this.#running?.uniqId === uniqId) return this.#running.cancel();
    const waiting = this.#waiting.find(({ call }) => call.uniqId === uniqId);
    if (waiting) this.#settleWaiting(waiting, failedOutcome("CANCELLED", "Cancelled"));
  }

  cancelAll(): void {
    for (const waiting of [...this.#waiting]) this.#settleWaiting(waiting, failedOutcome("CANCELLED", "Cancelled"));
    this.#running?.cancel();
  }

  #limitWait(waiting: Waiting): void {
    const { queueTimeoutS } = waiting.call;
    waiting.timer = this.options.clock.after(queueTimeoutS * 1000, () => {
      const held = this.options.slot.whyWaiting;
      const why = `not started within the queue timeout of ${queueTimeoutS} s${held ? `; ${held}` : ""}`;
      this.#settleWaiting(waiting, failedOutcome("NOT_STARTED", `Failed to acquire slot: ${why}`));
    });
  }

  #settleWaiting(waiting: Waiting, outcome: Outcome): void {
    const at = this.#waiting.indexOf(waiting);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    waiting.left = true;
    waiting.timer?.cancel();
    waiting.call.settle({ ...outcome, queueMs: this.options.clock.now() - waiting.acceptedAt });
    if (this.#waiting.length === 0) this.options.slot.withdraw();
  }

  /** What no slot that it could have now would change. */
  #refusalOf({ slotGeneration, plan }: QueuedCall): Outcome | undefined {
    const { slot, generation, nextGeneration } = this.options.slot;
    if (slotGeneration !== undefined && slotGeneration !== (slot ? generation : nextGeneration)) {
      const why = `the call asked for slot generation ${slotGeneration}, the trajectory has ${generation}`;
      return failedOutcome("NOT_STARTED", why);
    }
    if (slot && plan.needsSandbox !== undefined && slot.runner.isolation === "none") {
      return failedOutcome("SANDBOX_UNAVAILABLE", plan.needsSandbox);
    }
    return undefined;
  }

  /** For the call that ran. */
  over(): void {
    this.#running = undefined;
    if (this.#onIdle.length > 0) for (const idle of this.#onIdle.splice(0)) idle();
  }

  #start(waiting: Waiting): void {
    const { slot: holder, clock, submit } = this.options;
    const { call, acceptedAt } = waiting;
    const slot = holder.slot;
    if (!slot) return;
    this.#waiting.shift();
    waiting.left = true;
    waiting.timer?.cancel();
    const started = new StartedCall(call, acceptedAt, slot, holder.generation, clock, this);
    call.trace?.submitted();
    started.submitted(submit(started));
    // With the batcher closed the call is settled before `submit` returns.
    if (!started.isSettled) this.#running = started;
  }
}
