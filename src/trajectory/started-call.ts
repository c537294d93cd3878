// A sandbox call on its way from its queue to the batcher and back: what the batcher is handed, and what its outcome becomes. One
// object for all of that, since it is made for every call. Invariant: it is settled once, by the batcher.
import type { Runner } from "../backend/backend.js";
import type { Clock } from "../core/clock.js";
import type { SwitchyardError } from "../core/errors.js";
import type { SlotOperation } from "../core/operation.js";
import { failedOutcome, type Outcome } from "../core/outcome.js";
import type { OutputSink } from "../core/output.js";
import type { CallTrace } from "../core/trace.js";
import { completeOutcome, type SandboxPlan } from "../tools/catalogue.js";
import { contextOf } from "./call-context.js";
import type { HeldSlot } from "./slot-holder.js";

export interface QueuedCall {
  readonly uniqId: string;
  readonly digest: string;
  readonly forStream: boolean;
  readonly plan: SandboxPlan;
  readonly queueTimeoutS: number;
  readonly noOutputTimeoutS?: number | undefined;
  /** Run only in that life of the slot. */
  readonly slotGeneration?: number | undefined;
  /** Who takes what it writes, as it is written. */
  readonly output?: OutputSink | undefined;
  readonly trace?: CallTrace | undefined;
  onStarted(): void;
  settle(outcome: Outcome): void;
}

/** The queue that it comes from. */
export interface Turn {
  /** The call is settled in a moment. */
  over(): void;
  /** It is settled: the next one may start. */
  pump(): void;
}

export class StartedCall {
  readonly operation: SlotOperation;
  #startedAt: number | undefined;
  #isSettled = false;
  #unsentError: SwitchyardError | undefined;
  #submitted: { cancel(): void } | undefined;

  constructor(
    private readonly call: QueuedCall,
    private readonly acceptedAt: number,
    private readonly slot: HeldSlot,
    private readonly slotGeneration: number,
    private readonly clock: Clock,
    private readonly turn: Turn,
  ) {
    const { uniqId, digest, forStream, plan, noOutputTimeoutS, output } = call;
    const operation: { -readonly [Field in keyof SlotOperation]: SlotOperation[Field] } = {
      slot: slot.index,
      uniqId,
      digest,
      forStream,
      context: contextOf({ metadata: plan.metadata, queueMs: clock.now() - acceptedAt }),
      operation: plan.operation,
    };
    if (noOutputTimeoutS !== undefined) operation.noOutputTimeoutS = noOutputTimeoutS;
    if (output !== undefined) operation.output = output;
    this.operation = operation;
  }

  get uniqId(): string {
    return this.call.uniqId;
  }

  get runner(): Runner {
    return this.slot.runner;
  }

  get timeoutS(): number {
    return this.call.plan.timeoutS;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** The batcher has it, and can be asked for its end. */
  submitted(submitted: { cancel(): void }): void {
    this.#submitted = submitted;
  }

  cancel(): void {
    this.#submitted?.cancel();
  }

  /** Has an effect only while the batcher still holds the call. */
  failUnsent(error: SwitchyardError): void {
    if (this.#startedAt !== undefined) return;
    this.#unsentError = error;
    this.cancel();
  }

  // As what the batcher is handed.

  onStarted(batchSize: number): void {
    this.#startedAt = this.clock.now();
    this.call.trace?.started(batchSize, this.slot.runner.id);
    this.call.onStarted();
  }

  settle(outcome: Outcome): void {
    this.#isSettled = true;
    this.turn.over();
    this.call.settle(this.#complete(outcome));
    this.turn.pump();
  }

  #complete(outcome: Outcome): Outcome {
    const queueMs = (this.#startedAt ?? this.clock.now()) - this.acceptedAt;
    const error = this.#unsentError;
    if (error) return { ...failedOutcome(error.meaning.callStatus, error.message), queueMs };
    const { slot, slotGeneration, call } = this;
    return completeOutcome(outcome, call.plan.metadata, slot.runner, { queueMs, slotGeneration });
  }
}
