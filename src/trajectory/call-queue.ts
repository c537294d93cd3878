// The sandbox calls of one trajectory: started one at a time, in the order accepted, once there is a slot.
// Invariant: every call that is pushed is settled exactly once; at most one is with the batcher at a time.

import type { Runner } from "../backend/backend.js";
import type { Clock, Timer } from "../core/clock.js";
import type { SwitchyardError } from "../core/errors.js";
import type { SlotOperation } from "../core/operation.js";
import { failedOutcome, type Outcome } from "../core/outcome.js";
import type { OutputSink } from "../core/output.js";
import type { CallTrace } from "../core/trace.js";
import { completeOutcome, type SandboxPlan } from "../tools/catalogue.js";
import { contextOf } from "./call-context.js";
import type { SlotHolder } from "./slot-holder.js";

export interface QueuedCall {
  readonly uniqId: string;
  readonly digest: string;
  readonly forStream: boolean;
  readonly plan: SandboxPlan;
  readonly queueTimeoutS: number;
  readonly noOutputTimeoutS?: number;
  /** Run only in that life of the slot. */
  readonly slotGeneration?: number;
  /** Who takes what it writes, as it is written. */
  readonly output?: OutputSink;
  readonly trace?: CallTrace;
  onStarted(): void;
  settle(outcome: Outcome): void;
}

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
  readonly timer: Timer;
}

interface Running {
  readonly uniqId: string;
  cancel(): void;
  /** Has an effect only while the batcher still holds the call. */
  failUnsent(error: SwitchyardError): void;
}

export class CallQueue {
  readonly #waiting: Waiting[] = [];
  #running: Running | undefined;
  #onIdle: (() => void)[] = [];

  constructor(private readonly options: CallQueueOptions) {}

  push(call: QueuedCall): void {
    const { clock } = this.options;
    const timer = clock.after(call.queueTimeoutS * 1000, () => {
      const held = this.options.slot.whyWaiting;
      const why = `not started within the queue timeout of ${call.queueTimeoutS} s${held ? `; ${held}` : ""}`;
      this.#settleWaiting(waiting, failedOutcome("NOT_STARTED", `Failed to acquire slot: ${why}`));
    });
    const waiting: Waiting = { call, acceptedAt: clock.now(), timer };
    this.#waiting.push(waiting);
    this.pump();
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
      this.#running = undefined;
      this.#ended();
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

  #settleWaiting(waiting: Waiting, outcome: Outcome): void {
    const at = this.#waiting.indexOf(waiting);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    waiting.timer.cancel();
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

  #ended(): void {
    for (const idle of this.#onIdle.splice(0)) idle();
  }

  #start(waiting: Waiting): void {
    const { slot: holder, clock, submit } = this.options;
    const { call } = waiting;
    const slot = holder.slot;
    if (!slot) return;
    const slotGeneration = holder.generation;
    this.#waiting.shift();
    waiting.timer.cancel();
    let startedAt: number | undefined;
    let settled = false;
    let unsentError: SwitchyardError | undefined;
    const { operation, timeoutS, metadata } = call.plan;
    const { noOutputTimeoutS, uniqId, digest, forStream, output, trace } = call;
    trace?.submitted();
    const running = submit({
      runner: slot.runner,
      timeoutS,
      operation: {
        slot: slot.index,
        uniqId,
        digest,
        forStream,
        context: contextOf({ metadata, queueMs: clock.now() - waiting.acceptedAt }),
        operation,
        ...(noOutputTimeoutS !== undefined && { noOutputTimeoutS }),
        ...(output && { output }),
      },
      onStarted: (batchSize) => {
        startedAt = clock.now();
        trace?.started(batchSize, slot.runner.id);
        call.onStarted();
      },
      settle: (outcome) => {
        settled = true;
        this.#running = undefined;
        this.#ended();
        const queueMs = (startedAt ?? clock.now()) - waiting.acceptedAt;
        if (unsentError) {
          call.settle({ ...failedOutcome(unsentError.meaning.callStatus, unsentError.message), queueMs });
        } else {
          call.settle({ ...completeOutcome(outcome, metadata, slot.runner), queueMs, slotGeneration });
        }
        this.pump();
      },
    });
    // With the batcher closed the call is settled before `submit` returns.
    if (settled) return;
    this.#running = {
      uniqId: call.uniqId,
      cancel: () => running.cancel(),
      failUnsent: (error) => {
        if (startedAt !== undefined) return;
        unsentError = error;
        running.cancel();
      },
    };
  }
}
