// One trajectory: its calls in the order accepted, its slot, its streams one after another, and its end.
//
//   attached ⇄ detached ─lease ends→ ended          attached: a stream, or an Execute or transfer under way, holds it
//      ├── release / lifetime over ──→ ended        detached: only the lease does; calls run on
//      └── handed over ─────────────→ left          left: its runner keeps it for the next server, which begins detached
//
// Invariants: sandbox calls run one at a time, external ones beside them; every accepted call gets exactly one outcome;
// after `ended` nothing starts, the slot is given back, and the directory has forgotten it.
import type { AdoptedCall, SlotBinding } from "../backend/backend.js";
import type { Transfer, TransferRequest } from "../core/artifacts.js";
import type { Call } from "../core/call.js";
import type { Timer } from "../core/clock.js";
import { SwitchyardError } from "../core/errors.js";
import type { Outcome } from "../core/outcome.js";
import { waitAtMost } from "../core/wait-at-most.js";
import { Activity } from "./activity.js";
import { Lease } from "./lease.js";
import { overviewOf } from "./overview.js";
import type { Attachment, EventSink, OpenRequest, TrajectoryEvent, TrajectoryOverview } from "./session.js";
import { type HeldSlot, SlotHolder } from "./slot-holder.js";
import { type Life, newLife, type TrajectoryIdentity, type TrajectorySurroundings } from "./surroundings.js";
import { TrajectoryCalls } from "./trajectory-calls.js";
import { TrajectoryTransfers } from "./transfers.js";

interface Stream {
  readonly sink: EventSink;
  halfClosed: boolean;
}

/** `opened` names so many unacknowledged calls at most. */
const KNOWN_MAX = 1000;
/** How long cancelled calls may take to end before the slot is given back over them. */
const CANCEL_MS_MAX = 20_000;

export class Trajectory {
  readonly activity: Activity;
  readonly #life: Omit<Life, "streamEpoch">;
  readonly #slot: SlotHolder<HeldSlot>;
  readonly #calls: TrajectoryCalls;
  readonly #transfers: TrajectoryTransfers;
  #epoch = 0;
  #stream: Stream | undefined;
  #executes = 0;
  #leaseS: number;
  readonly #lease: Lease;
  readonly #lifetime: Timer;
  #ended = false;

  constructor(
    readonly identity: TrajectoryIdentity,
    leaseS: number,
    private readonly around: TrajectorySurroundings,
    { incarnation, beganUnixMs, streamEpoch }: Life = newLife(around.clock.unixMs()),
  ) {
    this.activity = new Activity(around.clock, around.counters);
    this.#leaseS = leaseS;
    this.#lease = new Lease(around.clock, () => void this.#end(undefined));
    this.#life = { incarnation, beganUnixMs };
    this.#epoch = streamEpoch;
    this.#slot = new SlotHolder(around.slots, identity.group, (generation) => this.#binding(generation), {
      acquired: (slot) => this.#calls.slotAcquired(slot),
      failed: (error) => this.#calls.slotRefused(error),
      lost: (generation, why) => {
        this.#stream?.sink.event({ kind: "slot_lost", slotGeneration: generation, reason: why.message });
        this.#calls.slotLost(why);
        this.#transfers.endAll(new SwitchyardError("RUNNER_LOST", `slot lost: ${why.message}`));
      },
    });
    this.#transfers = new TrajectoryTransfers(
      () => this.#slot.slot,
      () => this.#holdByLease(),
    );
    this.#calls = new TrajectoryCalls(around, identity, this.#slot, this.activity, {
      finished: ({ forStream, uniqId }, outcome) => {
        if (forStream) this.#stream?.sink.event({ kind: "result", uniqId, outcome });
      },
      output: (uniqId, piece) => this.#stream?.sink.event({ kind: "output", uniqId, piece }),
      hasStream: () => this.#stream !== undefined,
      idle: () => this.#finishIfDone(),
    });
    const ageMs = around.clock.unixMs() - beganUnixMs;
    this.#lifetime = around.clock.after(around.lifetimeS * 1000 - ageMs, () => {
      void this.#end(new SwitchyardError("TRAJECTORY_ENDED", `the trajectory's ${around.lifetimeS} s are over`));
    });
    this.#holdByLease();
  }

  /** Of the outcomes that it keeps. */
  get ledgerBytes(): number {
    return this.#calls.ledgerBytes;
  }

  get hasStream(): boolean {
    return this.#stream !== undefined;
  }

  overview(): TrajectoryOverview {
    const [attached, slotGeneration, leaseLeftMs] = [this.#isHeld, this.#slot.generation, this.#lease.leftMs];
    const ageMs = this.around.clock.unixMs() - this.#life.beganUnixMs;
    return overviewOf(this.identity, this.activity, { attached, slotGeneration, leaseLeftMs, ageMs });
  }

  /**
   * The newest stream wins; an older one ends SUPERSEDED. Sends `opened`, then what is unacknowledged; the output of what
   * runs follows, from the positions on.
   */
  attach(
    sink: EventSink,
    resumed: boolean,
    leaseS: number,
    outputPositions?: OpenRequest["outputPositions"],
  ): Attachment {
    this.#stream?.sink.end(new SwitchyardError("SUPERSEDED", "a newer stream of this trajectory took over"));
    const stream: Stream = { sink, halfClosed: false };
    this.#stream = stream;
    this.#leaseS = leaseS;
    this.#lease.stop();
    this.#epoch += 1;
    this.activity.touch();
    this.#slot.rebind();
    const owed = this.#calls.owed();
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
    this.#calls.output.replay(outputPositions);
    return this.#attachment(stream);
  }

  /** Goes on with what its runner remembers of it; before any stream. */
  restore(slot: HeldSlot, generation: number, calls: readonly AdoptedCall[]): void {
    this.#lease.stop();
    this.#slot.restore(slot, generation);
    this.#calls.restore(slot, generation, calls);
  }

  /** Of one that was restored: its client can come back from now on. */
  startLease(): void {
    this.#holdByLease();
  }

  acquireSlot(): void {
    this.#slot.need();
  }

  /** One call of a caller without a stream. Rejects when it could not be accepted. */
  async execute(call: Call): Promise<Outcome> {
    const { entry } = this.#calls.accept(call, false);
    this.#executes += 1;
    this.#lease.stop();
    try {
      return await this.#calls.outcomeOf(entry);
    } finally {
      this.#executes -= 1;
      this.#holdByLease();
    }
  }

  /** Moves files between the slot and whoever asks, beside the calls. Throws NO_SLOT or LIMIT_REACHED. */
  transfer(request: TransferRequest): Transfer {
    const transfer = this.#transfers.begin(request);
    this.#lease.stop();
    return transfer;
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
    this.#stream?.sink.event(goAway);
    await Promise.all([this.#calls.drain(), this.#transfers.drain()]);
  }

  /** As drain, but what waits is not answered: it may be sent to the next server under the same uniq_id. */
  async handOver(goAway: TrajectoryEvent): Promise<void> {
    // Nobody goes on with one that has no slot.
    if (!this.#slot.slot) return this.drain(goAway);
    this.#stream?.sink.event(goAway);
    await Promise.all([this.#calls.handOver(), this.#transfers.drain()]);
  }

  /** Ends whatever this server has of it. The slot stays as it is, and so does what its runner remembers. */
  leave(error: SwitchyardError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#lease.stop();
    this.#lifetime.cancel();
    this.around.onEnded();
    this.#calls.leave(error);
    this.#transfers.endAll(error);
    this.#stream?.sink.end(error);
    this.#stream = undefined;
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
        if (isCurrent()) this.#calls.cancel(uniqId);
      },
      ack: (uniqIds) => this.#calls.acknowledge(uniqIds),
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
        this.#calls.output.forget();
        this.#holdByLease();
      },
    };
  }

  #accept(call: Call, stream: Stream): void {
    try {
      const { kind, entry } = this.#calls.accept(call, true);
      // A new one's result came by itself, if it has one already.
      if (kind === "known" && entry.outcome) {
        stream.sink.event({ kind: "result", uniqId: call.uniqId, outcome: entry.outcome });
      }
    } catch (error) {
      if (!(error instanceof SwitchyardError)) throw error;
      // As what waits: its client sends it to the next server, which does not know it.
      if (error.reason === "SHUTTING_DOWN") return;
      const { callStatus } = error.meaning;
      stream.sink.event({ kind: "rejected", uniqId: call.uniqId, status: callStatus, error: error.message });
    }
  }

  #binding(generation: number): SlotBinding {
    const { pool: _, ...identity } = this.identity;
    return { ...identity, ...this.#life, streamEpoch: this.#epoch, generation, leaseS: this.#leaseS };
  }

  /** A half-closed stream ends when every accepted call has; the slot goes with it unless an Execute still needs it. */
  #finishIfDone(): void {
    const stream = this.#stream;
    if (!stream?.halfClosed || this.#calls.unfinished > 0 || this.#ended) return;
    this.#transfers.endAll(new SwitchyardError("TRAJECTORY_ENDED", "the trajectory gave its slot back"));
    void this.#slot.giveBack();
    this.#stream = undefined;
    this.#calls.output.forget();
    stream.sink.end();
    this.#holdByLease();
  }

  get #isHeld(): boolean {
    return this.#stream !== undefined || this.#executes + this.#transfers.count > 0;
  }

  #holdByLease(): void {
    this.#lease.stop();
    if (!this.#ended && !this.#isHeld) this.#lease.run(this.#leaseS * 1000);
  }

  async #end(error: SwitchyardError | undefined, waitForWipe = false): Promise<boolean> {
    if (this.#ended) return false;
    this.#ended = true;
    this.#lease.stop();
    this.#lifetime.cancel();
    this.around.onEnded();
    this.#calls.end();
    this.#transfers.endAll(error ?? new SwitchyardError("TRAJECTORY_ENDED", "the trajectory has ended"));
    // A runner that does not end a cancelled call gets its slot back all the same; closing it ends the call, or its container.
    await waitAtMost(CANCEL_MS_MAX, this.#calls.idle(), this.around.clock);
    this.#calls.output.close();
    const wiped = this.#slot.giveBack();
    if (error) this.#stream?.sink.end(error);
    return waitForWipe ? wiped : false;
  }
}
