// The calls of one trajectory, from their acceptance to their outcome: the ledger that keeps them, and the queue that
// starts them. Invariant: every accepted call gets exactly one outcome, unless the trajectory is left to the next server.
import type { AdoptedCall } from "../backend/backend.js";
import type { Call } from "../core/call.js";
import { SwitchyardError } from "../core/errors.js";
import { failedOutcome, isSuccess, type Outcome } from "../core/outcome.js";
import type { OutputPiece } from "../core/output.js";
import type { CallTrace } from "../core/trace.js";
import { completeOutcome, type Plan } from "../tools/catalogue.js";
import type { Activity } from "./activity.js";
import { readContext } from "./call-context.js";
import { CallQueue } from "./call-queue.js";
import { ExternalCalls } from "./external-calls.js";
import { type Admission, type Entry, Ledger } from "./ledger.js";
import { OutputRelay } from "./output-relay.js";
import type { HeldSlot, SlotHolder } from "./slot-holder.js";
import type { TrajectoryIdentity, TrajectorySurroundings } from "./surroundings.js";

export interface TrajectoryCallsEvents {
  finished(entry: Entry, outcome: Outcome): void;
  /** Of a running call, for the stream, if there is one. */
  output(uniqId: string, piece: OutputPiece): void;
  hasStream(): boolean;
  /** No accepted call is unfinished any more. */
  idle(): void;
}

/** What becomes of calls once the server is going: they end NOT_STARTED, or are for the next server to take. */
type Going = "draining" | "handing over";

export class TrajectoryCalls {
  readonly #ledger: Ledger;
  readonly #queue: CallQueue;
  readonly output: OutputRelay;
  readonly #external: ExternalCalls;
  #going: Going | undefined;
  #ended = false;
  /** Of calls that are queued or running. */
  #bytes = 0;
  #onIdle: (() => void)[] = [];
  /** Rejects for who waits for the end of an Execute, when the trajectory is left. */
  #left: Set<(error: SwitchyardError) => void> | undefined;

  constructor(
    private readonly around: TrajectorySurroundings,
    private readonly identity: Pick<TrajectoryIdentity, "principal" | "trajectoryId" | "pool">,
    slot: SlotHolder,
    private readonly activity: Activity,
    private readonly events: TrajectoryCallsEvents,
  ) {
    this.#ledger = new Ledger(around.ledger, (uniqIds) => {
      const held = slot.slot;
      held?.runner.acknowledge(held.index, uniqIds);
    });
    this.output = new OutputRelay(around.counters, slot, events.hasStream, events.output);
    const { clock, submit } = around;
    const mayStart = () => !this.#ended && this.#going !== "handing over" && !this.#ledger.isFull;
    this.#queue = new CallQueue({ clock, slot, submit, mayStart });
    this.#external = new ExternalCalls({ identity, clock, slot, mayStart });
  }

  get unfinished(): number {
    return this.#ledger.unfinished;
  }

  /** Of the outcomes that are kept. */
  get ledgerBytes(): number {
    return this.#ledger.bytes;
  }

  /** What a stream is owed or has not acknowledged, oldest first. */
  owed(): Entry[] {
    return this.#ledger.forStream();
  }

  /** Throws CALL_CONFLICT, LIMIT_REACHED or SHUTTING_DOWN: then the call was never accepted. */
  accept(call: Call, forStream: boolean): Admission {
    const admission = this.#admit(call, forStream);
    if (admission.kind === "new") this.#begin(call, admission.entry);
    return admission;
  }

  /** Resolves with the outcome; rejects when the trajectory is left before it is known. */
  outcomeOf(entry: Entry): Promise<Outcome> {
    if (entry.outcome) return Promise.resolve(entry.outcome);
    return new Promise((resolve, reject) => {
      const left = this.#left ?? new Set();
      this.#left = left;
      left.add(reject);
      entry.waiting.push((outcome) => {
        left.delete(reject);
        resolve(outcome);
      });
    });
  }

  /** Goes on with what a runner remembers; before any other call. */
  restore(slot: HeldSlot, slotGeneration: number, calls: readonly AdoptedCall[]): void {
    for (const call of calls) {
      const entry = this.#ledger.restore(call);
      this.activity.restored(entry !== undefined);
      if (!entry) continue;
      const { metadata, ...numbers } = readContext(call.context);
      const finish = (outcome: Outcome) =>
        this.#finish(
          entry,
          TAKEN_OVER,
          completeOutcome(outcome, metadata, slot.runner, { slotGeneration, ...numbers }),
        );
      if (call.outcome) finish(call.outcome);
      else this.#followRunning(slot, call, finish);
    }
  }

  acknowledge(uniqIds: readonly string[]): void {
    this.#ledger.acknowledge(uniqIds);
    this.#queue.pump();
    this.#external.pump();
  }

  cancel(uniqId: string): void {
    this.#queue.cancel(uniqId);
    this.#external.cancel(uniqId);
  }

  slotAcquired(slot: HeldSlot): void {
    slot.runner.remember(slot.index, () => this.#ledger.recall());
    this.#queue.pump();
  }

  slotRefused(error: SwitchyardError): void {
    this.#queue.failHead(error);
  }

  slotLost(why: SwitchyardError): void {
    this.#queue.failQueued(new SwitchyardError("SLOT_CHANGED", `slot lost before the call began: ${why.message}`));
  }

  /** Resolves when no accepted call is unfinished. */
  idle(): Promise<void> {
    if (this.#ledger.unfinished === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** Nothing new starts; resolves when what is running has ended. */
  drain(): Promise<void> {
    this.#going = "draining";
    this.#queue.failQueued(shuttingDown());
    this.#external.failQueued(shuttingDown());
    return this.idle();
  }

  /** As drain, but what waits is not answered: it may be sent to the next server under the same uniq_id. */
  async handOver(): Promise<void> {
    this.#going = "handing over";
    await Promise.all([this.#queue.idle(), this.#external.idle()]);
  }

  /** Whoever waits for an outcome is told that it does not come from here. */
  leave(error: SwitchyardError): void {
    this.#ended = true;
    this.output.close();
    this.#external.leave();
    for (const reject of this.#left ?? []) reject(error);
    this.#left?.clear();
  }

  /** Cancels all that is unfinished; nothing starts any more. */
  end(): void {
    this.#ended = true;
    this.#queue.cancelAll();
    this.#external.cancelAll();
  }

  #admit(call: Call, forStream: boolean): Admission {
    if (!this.#ledger.has(call.uniqId)) this.#requireRoom(call);
    return this.#ledger.admit(call, forStream);
  }

  #requireRoom({ bytes }: Call): void {
    const { callBytes, counters, takeCall } = this.around;
    if (this.#going === "handing over") throw shuttingDown();
    if (this.#bytes + bytes > callBytes.trajectoryMax) {
      throw tooMuch(`this trajectory's calls that wait or run would have more than ${callBytes.trajectoryMax} bytes`);
    }
    if (counters.bytes + bytes > callBytes.serverMax) {
      throw tooMuch(`the calls of all trajectories that wait or run would have more than ${callBytes.serverMax} bytes`);
    }
    takeCall();
  }

  #begin(call: Call, entry: Entry): void {
    this.activity.accepted();
    this.#hold(entry.bytes);
    const planned = this.around.plan(call);
    const kind = kindOf(planned, call);
    const trace = this.#follow(call, kind, planned);
    const settle = (outcome: Outcome) => {
      trace?.ended(outcome);
      this.#finish(entry, kind, outcome);
    };
    if (this.#going === "draining") return settle(failedOutcome("NOT_STARTED", shuttingDown().message));
    if (planned.kind === "done") return settle(planned.outcome);
    const { uniqId, slotGeneration, noOutputTimeoutS, queueTimeoutS = this.around.queueTimeoutS } = call;
    const { digest, forStream } = entry;
    const onStarted = () => {
      entry.state = "running";
      this.activity.started();
    };
    if (planned.kind === "external") {
      const { plan } = planned;
      return this.#external.push({ uniqId, queueTimeoutS, slotGeneration, trace, onStarted, settle, plan });
    }
    const output = call.streamOutput && forStream ? this.output.sinkOf(uniqId) : undefined;
    this.#queue.push({
      uniqId,
      digest,
      forStream,
      plan: planned.plan,
      queueTimeoutS,
      noOutputTimeoutS,
      slotGeneration,
      output,
      trace,
      onStarted,
      settle,
    });
  }

  #follow(call: Call, tool: string, planned: Plan): CallTrace | undefined {
    if (!this.around.tracer) return undefined;
    const { uniqId, traceParent } = call;
    const { trajectoryId, pool } = this.identity;
    const waits = planned.kind !== "done";
    return this.around.tracer.begin({ trajectoryId, uniqId, pool, tool, waits, parent: traceParent });
  }

  #hold(bytes: number): void {
    this.#bytes += bytes;
    this.around.counters.bytes += bytes;
  }

  #followRunning(slot: HeldSlot, call: AdoptedCall, finish: (outcome: Outcome) => void): void {
    const { uniqId, streamOutput } = call;
    this.#queue.follow(uniqId, (ended) =>
      this.around.follow({
        runner: slot.runner,
        slot: slot.index,
        uniqId,
        settle: (outcome) => {
          finish(outcome);
          ended();
        },
        ...(streamOutput && { output: this.output.sinkOf(uniqId) }),
      }),
    );
  }

  #finish(entry: Entry, kind: string, outcome: Outcome): void {
    const { counters, onFinished } = this.around;
    this.activity.ended(entry.state === "queued");
    if (!isSuccess(outcome)) counters.errors += 1;
    onFinished?.(kind, outcome, this.identity.trajectoryId, entry.uniqId);
    this.#hold(-entry.bytes);
    this.#ledger.finish(entry, outcome);
    this.output.ended(entry.uniqId);
    this.events.finished(entry, outcome);
    if (this.#ledger.unfinished > 0) return;
    if (this.#onIdle.length > 0) for (const idle of this.#onIdle.splice(0)) idle();
    this.events.idle();
  }
}

/** Of a call that an earlier server began. */
const TAKEN_OVER = "taken_over";

/** The tool of a call as figures name it: models choose names without end, so those that are not ours share one. */
function kindOf(planned: Plan, { tool }: Call): string {
  if (planned.kind === "external") return "external";
  if (planned.kind === "sandbox") return tool;
  const { status } = planned.outcome;
  if (status === "UNKNOWN_TOOL") return "unknown";
  return status === "EXTERNAL_FAILED" ? "external" : tool;
}

function tooMuch(what: string): SwitchyardError {
  return new SwitchyardError("LIMIT_REACHED", `${what}; wait for results`);
}

function shuttingDown(): SwitchyardError {
  return new SwitchyardError("SHUTTING_DOWN", "the server is shutting down");
}
