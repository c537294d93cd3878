// One trajectory: its calls in the order accepted, its slot, its streams one after another, and its end.
//
//   attached ⇄ detached ─lease ends→ ended          attached: a stream, or an Execute under way, holds it
//      ├── release / lifetime over ──→ ended        detached: only the lease does; calls run on
//      └── handed over ─────────────→ left          left: its runner keeps it for the next server, which begins detached
//
// Invariants: sandbox calls run one at a time; every accepted call gets exactly one outcome; after `ended` nothing starts,
// the slot is given back, and the directory has forgotten it.
import { randomUUID } from "node:crypto";
import type { AdoptedCall, SlotBinding } from "../backend/backend.js";
import type { Call } from "../core/call.js";
import type { Timer } from "../core/clock.js";
import { SwitchyardError } from "../core/errors.js";
import { failedOutcome, isSuccess, type Outcome } from "../core/outcome.js";
import { completeOutcome } from "../tools/catalogue.js";
import { readContext } from "./call-context.js";
import { CallQueue, type QueuedCall } from "./call-queue.js";
import { type Admission, type Entry, Ledger } from "./ledger.js";
import type { Attachment, EventSink, TrajectoryEvent } from "./session.js";
import { type HeldSlot, SlotHolder } from "./slot-holder.js";
import type { Life, TrajectoryIdentity, TrajectorySurroundings } from "./surroundings.js";

interface Stream {
  readonly sink: EventSink;
  halfClosed: boolean;
}

/** `opened` names so many unacknowledged calls at most. */
const KNOWN_MAX = 1000;
/** How long cancelled calls may take to end before the slot is given back over them. */
const CANCEL_MS_MAX = 20_000;

export class Trajectory {
  readonly #life: Omit<Life, "streamEpoch">;
  readonly #ledger: Ledger;
  readonly #slot: SlotHolder<HeldSlot>;
  readonly #queue: CallQueue;
  #epoch = 0;
  #stream: Stream | undefined;
  #executes = 0;
  #leaseS: number;
  #lease: Timer | undefined;
  readonly #lifetime: Timer;
  #ended = false;
  /** Nothing new starts: the server is going. */
  #draining = false;
  /** The next server goes on with it. */
  #handingOver = false;
  /** Rejects for who waits for the end of an Execute, when the trajectory is left. */
  readonly #left = new Set<(error: SwitchyardError) => void>();
  #onIdle: (() => void)[] = [];

  constructor(
    readonly identity: TrajectoryIdentity,
    leaseS: number,
    private readonly around: TrajectorySurroundings,
    { incarnation, beganUnixMs, streamEpoch }: Life = newLife(around.clock.unixMs()),
  ) {
    this.#leaseS = leaseS;
    this.#life = { incarnation, beganUnixMs };
    this.#epoch = streamEpoch;
    this.#ledger = new Ledger(around.ledger, (uniqIds) => {
      const { slot } = this.#slot;
      slot?.runner.acknowledge(slot.index, uniqIds);
    });
    this.#slot = new SlotHolder(around.slots, identity.group, (generation) => this.#binding(generation), {
      acquired: () => this.#queue.pump(),
      failed: (error) => this.#queue.failHead(error),
      lost: (generation, why) => this.#slotLost(generation, why),
    });
    this.#queue = new CallQueue({
      clock: around.clock,
      slot: this.#slot,
      submit: around.submit,
      mayStart: () => !this.#ended && !this.#handingOver && !this.#ledger.isFull,
    });
    const ageMs = around.clock.unixMs() - beganUnixMs;
    this.#lifetime = around.clock.after(around.lifetimeS * 1000 - ageMs, () => {
      void this.#end(new SwitchyardError("TRAJECTORY_ENDED", `the trajectory's ${around.lifetimeS} s are over`));
    });
    this.#holdByLease();
  }

  /** The newest stream wins; an older one ends SUPERSEDED. Sends `opened`, then what is unacknowledged. */
  attach(sink: EventSink, resumed: boolean, leaseS: number): Attachment {
    this.#stream?.sink.end(new SwitchyardError("SUPERSEDED", "a newer stream of this trajectory took over"));
    const stream: Stream = { sink, halfClosed: false };
    this.#stream = stream;
    this.#leaseS = leaseS;
    this.#lease?.cancel();
    this.#epoch += 1;
    this.#slot.rebind();
    const owed = this.#ledger.forStream();
    sink.event({
      kind: "opened",
      trajectoryId: this.identity.trajectoryId,
      resumed,
      incarnation: this.#life.incarnation,
      epoch: this.#epoch,
      slotGeneration: this.#slot.generation,
      leaseS,
      known: owed.slice(0, KNOWN_MAX).map(({ uniqId, state }) => ({ uniqId, state })),
      knownTruncated: owed.length > KNOWN_MAX,
    });
    for (const { uniqId, outcome } of owed) if (outcome) sink.event({ kind: "result", uniqId, outcome });
    return this.#attachment(stream);
  }

  /** Goes on with what its runner remembers of it; before any stream. */
  restore(slot: HeldSlot, generation: number, calls: readonly AdoptedCall[]): void {
    this.#slot.restore(slot, generation);
    for (const call of calls) {
      const entry = this.#ledger.restore(call);
      if (!entry) continue;
      const { metadata, queueMs } = readContext(call.context);
      const finish = (outcome: Outcome) =>
        this.#finish(entry, {
          ...completeOutcome(outcome, metadata, slot.runner),
          queueMs,
          slotGeneration: generation,
        });
      if (call.outcome) finish(call.outcome);
      else this.#followRunning(slot, call.uniqId, finish);
    }
  }

  acquireSlot(): void {
    this.#slot.need();
  }

  /** One call of a caller without a stream. Rejects when it could not be accepted. */
  async execute(call: Call): Promise<Outcome> {
    const { kind, entry } = this.#admit(call, false);
    if (kind === "known" && entry.outcome) return entry.outcome;
    this.#executes += 1;
    this.#lease?.cancel();
    let left: (error: SwitchyardError) => void = () => undefined;
    const ended = new Promise<Outcome>((resolve, reject) => {
      entry.waiting.push(resolve);
      left = reject;
      this.#left.add(left);
    });
    if (kind === "new") this.#begin(call, entry);
    try {
      return await ended;
    } finally {
      this.#left.delete(left);
      this.#executes -= 1;
      this.#holdByLease();
    }
  }

  /** Ends every call CANCELLED and the trajectory with them. Resolves when the slot's fate is known, if `resetWorkspace`. */
  async release(resetWorkspace: boolean): Promise<boolean> {
    const stream = this.#stream;
    const wiped = await this.#end(undefined, resetWorkspace);
    stream?.sink.event({ kind: "released", wiped });
    stream?.sink.end();
    return wiped;
  }

  /** Nothing new starts; resolves when what is running has ended. */
  async drain(goAway: TrajectoryEvent): Promise<void> {
    this.#draining = true;
    this.#stream?.sink.event(goAway);
    this.#queue.failQueued(shuttingDown());
    await this.#idle();
  }

  /** As drain, but what waits is not answered: it may be sent to the next server under the same uniq_id. */
  async handOver(goAway: TrajectoryEvent): Promise<void> {
    this.#handingOver = true;
    this.#stream?.sink.event(goAway);
    this.#slot.withdraw();
    await this.#queue.idle();
  }

  /** Ends whatever this server has of it. The slot stays as it is, and so does what its runner remembers. */
  leave(error: SwitchyardError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#lease?.cancel();
    this.#lifetime.cancel();
    this.around.onEnded();
    for (const reject of this.#left) reject(error);
    this.#stream?.sink.end(error);
  }

  /** Ends the trajectory because the server does; calls that still run are cancelled. */
  async shutDown(error: SwitchyardError): Promise<void> {
    await this.#end(error);
  }

  #attachment(stream: Stream): Attachment {
    const isCurrent = () => this.#stream === stream && !this.#ended;
    return {
      call: (call) => {
        if (isCurrent()) this.#accept(call, stream);
      },
      cancel: (uniqId) => {
        if (isCurrent()) this.#queue.cancel(uniqId);
      },
      ack: (uniqIds) => {
        this.#ledger.acknowledge(uniqIds);
        this.#queue.pump();
      },
      release: (resetWorkspace) => {
        if (isCurrent()) void this.release(resetWorkspace);
      },
      halfClose: () => {
        stream.halfClosed = true;
        this.#finishIfDone();
      },
      detach: () => {
        if (!isCurrent()) return;
        this.#stream = undefined;
        this.#holdByLease();
      },
    };
  }

  #accept(call: Call, stream: Stream): void {
    try {
      const { kind, entry } = this.#admit(call, true);
      if (kind === "new") this.#begin(call, entry);
      else if (entry.outcome) stream.sink.event({ kind: "result", uniqId: call.uniqId, outcome: entry.outcome });
    } catch (error) {
      if (!(error instanceof SwitchyardError)) throw error;
      const { callStatus } = error.meaning;
      stream.sink.event({ kind: "rejected", uniqId: call.uniqId, status: callStatus, error: error.message });
    }
  }

  #admit(call: Call, forStream: boolean): Admission {
    if (this.#handingOver && !this.#ledger.get(call.uniqId)) throw shuttingDown();
    return this.#ledger.admit(call, forStream);
  }

  #binding(generation: number): SlotBinding {
    const { pool: _, ...identity } = this.identity;
    return { ...identity, ...this.#life, streamEpoch: this.#epoch, generation, leaseS: this.#leaseS };
  }

  #followRunning(slot: HeldSlot, uniqId: string, finish: (outcome: Outcome) => void): void {
    this.#queue.follow(uniqId, (ended) =>
      this.around.follow({
        runner: slot.runner,
        slot: slot.index,
        uniqId,
        settle: (outcome) => {
          finish(outcome);
          ended();
        },
      }),
    );
  }

  #begin(call: Call, entry: Entry): void {
    const { counters } = this.around;
    counters.total += 1;
    counters.queued += 1;
    if (this.#draining) return this.#finish(entry, failedOutcome("NOT_STARTED", shuttingDown().message));
    const planned = this.around.plan(call);
    if (planned.kind === "done") return this.#finish(entry, planned.outcome);
    const queued: QueuedCall = {
      uniqId: call.uniqId,
      digest: entry.digest,
      forStream: entry.forStream,
      plan: planned.plan,
      queueTimeoutS: call.queueTimeoutS ?? this.around.queueTimeoutS,
      ...(call.noOutputTimeoutS !== undefined && { noOutputTimeoutS: call.noOutputTimeoutS }),
      ...(call.slotGeneration !== undefined && { slotGeneration: call.slotGeneration }),
      onStarted: () => {
        entry.state = "running";
        counters.queued -= 1;
      },
      settle: (outcome) => this.#finish(entry, outcome),
    };
    this.#queue.push(queued);
  }

  #finish(entry: Entry, outcome: Outcome): void {
    const { counters } = this.around;
    if (entry.state === "queued") counters.queued -= 1;
    if (!isSuccess(outcome)) counters.errors += 1;
    this.#ledger.finish(entry, outcome);
    if (entry.forStream) this.#stream?.sink.event({ kind: "result", uniqId: entry.uniqId, outcome });
    if (this.#ledger.unfinished > 0) return;
    for (const idle of this.#onIdle.splice(0)) idle();
    this.#finishIfDone();
  }

  /** A half-closed stream ends when every accepted call has; the slot goes with it unless an Execute still needs it. */
  #finishIfDone(): void {
    const stream = this.#stream;
    if (!stream?.halfClosed || this.#ledger.unfinished > 0 || this.#ended) return;
    void this.#slot.giveBack();
    this.#stream = undefined;
    stream.sink.end();
    this.#holdByLease();
  }

  #slotLost(generation: number, why: SwitchyardError): void {
    this.#stream?.sink.event({ kind: "slot_lost", slotGeneration: generation, reason: why.message });
    this.#queue.failQueued(new SwitchyardError("SLOT_CHANGED", `slot lost before the call began: ${why.message}`));
  }

  #holdByLease(): void {
    this.#lease?.cancel();
    if (this.#ended || this.#stream || this.#executes > 0) return;
    this.#lease = this.around.clock.after(this.#leaseS * 1000, () => void this.#end(undefined));
  }

  async #end(error: SwitchyardError | undefined, waitForWipe = false): Promise<boolean> {
    if (this.#ended) return false;
    this.#ended = true;
    this.#lease?.cancel();
    this.#lifetime.cancel();
    this.around.onEnded();
    this.#queue.cancelAll();
    // A runner that does not end a cancelled call gets its slot back all the same; closing it ends the call, or its container.
    await this.#idleWithin(CANCEL_MS_MAX);
    const wiped = this.#slot.giveBack();
    if (error) this.#stream?.sink.end(error);
    return waitForWipe ? wiped : false;
  }

  async #idleWithin(ms: number): Promise<void> {
    let late: Timer | undefined;
    const over = new Promise<void>((resolve) => {
      late = this.around.clock.after(ms, resolve);
    });
    await Promise.race([this.#idle(), over]);
    late?.cancel();
  }

  #idle(): Promise<void> {
    if (this.#ledger.unfinished === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }
}

function shuttingDown(): SwitchyardError {
  return new SwitchyardError("SHUTTING_DOWN", "the server is shutting down");
}

function newLife(beganUnixMs: number): Life {
  return { incarnation: randomUUID(), beganUnixMs, streamEpoch: 0 };
}
