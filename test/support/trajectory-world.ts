// A directory of trajectories on a fake clock, with slots and a batcher that do only what the test says: a call is
// submitted, then it starts, then it ends, each when told to.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { AdoptedCall, SlotBinding } from "../../src/backend/backend.js";
import { type Call, callDigest } from "../../src/core/call.js";
import { SwitchyardError } from "../../src/core/errors.js";
import { failedOutcome, type Outcome } from "../../src/core/outcome.js";
import { ANYONE, type Principal } from "../../src/core/principal.js";
import { Catalogue } from "../../src/tools/catalogue.js";
import type { Submit } from "../../src/trajectory/call-queue.js";
import type { Attachment, EventSink, OpenRequest, TrajectoryEvent } from "../../src/trajectory/session.js";
import type { HeldSlot, SlotSource } from "../../src/trajectory/slot-holder.js";
import type { Follow } from "../../src/trajectory/surroundings.js";
import { type DirectoryOptions, TrajectoryDirectory } from "../../src/trajectory/trajectory-directory.js";
import { FakeBackend, FakeContainer } from "./fake-backend.js";
import { FakeClock } from "./fake-clock.js";
import { bindingOf, okOutcome } from "./outcomes.js";

export class TestSlot implements HeldSlot {
  readonly address = "process:1";
  readonly bindings: SlotBinding[] = [];
  readonly #listeners: ((why: SwitchyardError) => void)[] = [];
  bindError: SwitchyardError | undefined;

  constructor(
    readonly id: string,
    readonly index: number,
    readonly runner: FakeContainer,
  ) {}

  bind(binding: SlotBinding): void {
    if (this.bindError) throw this.bindError;
    this.bindings.push(binding);
  }

  onLost(listener: (why: SwitchyardError) => void): void {
    this.#listeners.push(listener);
  }

  lose(why = new SwitchyardError("RUNNER_LOST", "container died")): void {
    for (const listener of this.#listeners) listener(why);
  }
}

export interface Acquire {
  readonly principal: Principal;
  readonly group: string;
  readonly signal: AbortSignal;
  grant(): TestSlot;
  refuse(error: unknown): void;
}

/** Grants at once while `free` is above 0; else the test answers each acquire. */
export class TestSlots implements SlotSource<TestSlot> {
  free = Number.POSITIVE_INFINITY;
  readonly acquires: Acquire[] = [];
  readonly granted: TestSlot[] = [];
  readonly released: TestSlot[] = [];
  /** What a release resolves with. */
  wiped: Promise<boolean> = Promise.resolve(true);
  readonly runner: FakeContainer;

  constructor(clock: FakeClock) {
    this.runner = new FakeContainer("c1", new FakeBackend(clock));
  }

  acquire({
    principal = ANYONE,
    group,
    signal,
  }: {
    principal?: Principal;
    group: string;
    signal: AbortSignal;
  }): Promise<TestSlot> {
    return new Promise((resolve, reject) => {
      const grant = () => {
        const slot = this.held();
        resolve(slot);
        return slot;
      };
      signal.addEventListener("abort", () => reject(signal.reason));
      this.acquires.push({ principal, group, signal, grant, refuse: reject });
      if (this.free <= 0) return;
      this.free -= 1;
      grant();
    });
  }

  /** One that nobody asked for: a trajectory has it from an earlier server. */
  held(): TestSlot {
    const index = this.granted.length;
    const slot = new TestSlot(`c1:${index}`, index, this.runner);
    this.granted.push(slot);
    return slot;
  }

  release(slot: TestSlot): Promise<boolean> {
    this.released.push(slot);
    return this.wiped;
  }

  get last(): TestSlot {
    const slot = this.granted.at(-1);
    assert(slot, "no slot was granted yet");
    return slot;
  }
}

type Entry = Parameters<Submit>[0];

/** A call in the hands of the batcher. */
export class Flight {
  started = false;
  cancelled = false;
  settled = false;

  constructor(readonly entry: Entry) {}

  get command(): string {
    const { operation } = this.entry.operation;
    return operation.kind === "bash" ? operation.command : operation.kind;
  }

  /** Handed to the runner. */
  start(): this {
    this.started = true;
    this.entry.onStarted(1);
    return this;
  }

  end(outcome: Outcome = okOutcome(this.command)): void {
    if (!this.started) this.start();
    this.#settle(outcome);
  }

  /** As the batcher does: what was not sent ends at once, what runs ends when its runner says so. */
  cancel(): void {
    this.cancelled = true;
    if (!this.started) this.#settle(failedOutcome("CANCELLED", "Cancelled"));
  }

  #settle(outcome: Outcome): void {
    assert(!this.settled, "settled twice");
    this.settled = true;
    this.entry.settle(outcome);
  }
}

/** A call that an earlier server gave to its runner, and that runs on. */
export class Followed {
  cancelled = false;
  settled = false;

  constructor(readonly entry: Parameters<Follow>[0]) {}

  end(outcome: Outcome = okOutcome(this.entry.uniqId)): void {
    assert(!this.settled, "settled twice");
    this.settled = true;
    this.entry.settle(outcome);
  }

  cancel(): void {
    this.cancelled = true;
  }
}

export class RecordingSink implements EventSink {
  readonly events: TrajectoryEvent[] = [];
  /** Set once the stream has ended; `reason` is undefined for OK. */
  ended: { readonly reason: string | undefined; readonly message: string } | undefined;

  event(event: TrajectoryEvent): void {
    assert(!this.ended, `${event.kind} after the end`);
    this.events.push(event);
  }

  end(error?: SwitchyardError): void {
    assert(!this.ended, "ended twice");
    this.ended = { reason: error?.reason, message: error?.message ?? "" };
  }

  get kinds(): string[] {
    return this.events.map(({ kind }) => kind);
  }

  of<K extends TrajectoryEvent["kind"]>(kind: K): Extract<TrajectoryEvent, { kind: K }>[] {
    return this.events.filter((event): event is Extract<TrajectoryEvent, { kind: K }> => event.kind === kind);
  }

  get opened() {
    const [opened] = this.of("opened");
    assert(opened, "not opened");
    return opened;
  }

  /** `uniq_id STATUS` of every result, in the order they came. */
  get results(): string[] {
    return this.of("result").map(({ uniqId, outcome }) => `${uniqId} ${outcome.status}`);
  }

  outcome(uniqId: string): Outcome {
    const found = this.of("result").filter((event) => event.uniqId === uniqId);
    assert.equal(found.length, 1, `${uniqId} has ${found.length} results`);
    assert(found[0]);
    return found[0].outcome;
  }
}

export function bashCall(uniqId: string, fields: Partial<Call> = {}): Call {
  return { uniqId, tool: "bash", arguments: { command: uniqId }, streamOutput: false, bytes: 1, ...fields };
}

/** What a runner remembers of `bashCall(uniqId)`. */
export function knownCall(uniqId: string, state: AdoptedCall["state"], fields: Partial<AdoptedCall> = {}): AdoptedCall {
  const digest = callDigest(bashCall(uniqId));
  const outcome = state === "finished" ? { outcome: okOutcome(uniqId) } : {};
  return { uniqId, digest, forStream: true, context: "{}", streamOutput: false, state, ...outcome, ...fields };
}

export interface TestStream {
  readonly sink: RecordingSink;
  readonly at: Attachment;
}

export class TrajectoryWorld {
  readonly clock = new FakeClock();
  readonly slots = new TestSlots(this.clock);
  readonly flights: Flight[] = [];
  readonly followed: Followed[] = [];
  readonly directory: TrajectoryDirectory;

  constructor(options: Partial<DirectoryOptions> = {}) {
    this.directory = new TrajectoryDirectory({
      clock: this.clock,
      pools: new Map([
        ["default", { slots: this.slots, timeoutDefaultS: 30 }],
        ["other", { slots: this.slots, timeoutDefaultS: 7 }],
      ]),
      submit: (entry) => {
        const flight = new Flight(entry);
        this.flights.push(flight);
        return flight;
      },
      follow: (entry) => {
        const followed = new Followed(entry);
        this.followed.push(followed);
        return followed;
      },
      catalogue: new Catalogue({ limits: { fileBytesMax: 1000 }, timeouts: { minS: 1, maxS: 600 } }),
      ledger: { callsMax: 1024, bytesMax: 1 << 24 },
      callBytes: { trajectoryMax: 10_000, serverMax: 15_000 },
      leaseDefaultS: 120,
      leaseMaxS: 3600,
      queueTimeoutS: 600,
      lifetimeS: 86_400,
      ...options,
    });
  }

  open(fields: Partial<OpenRequest> = {}, principal = ANYONE): TestStream {
    const sink = new RecordingSink();
    const at = this.directory.open(
      principal,
      {
        trajectoryId: "t",
        resumeToken: "secret",
        group: "",
        pool: "",
        env: {},
        acquireSlot: false,
        requireResume: false,
        ...fields,
      },
      sink,
    );
    return { sink, at };
  }

  /** Trajectory `t` as an earlier server left it. */
  restore(calls: readonly AdoptedCall[] = [], fields: Partial<SlotBinding> = {}, pool = "default") {
    const slot = this.slots.held();
    const binding = bindingOf("t", { tokenHash: tokenHash("secret"), generation: 3, streamEpoch: 4, ...fields });
    const restored = this.directory.restore(pool, { binding, calls }, slot);
    this.directory.startLeases();
    return { slot, binding, restored };
  }

  execute(
    call: Call,
    fields: { trajectoryId?: string; resumeToken?: string; pool?: string; group?: string } = {},
    principal = ANYONE,
  ) {
    const request = { trajectoryId: "t", resumeToken: "secret", group: "", pool: "", ...fields, call };
    return this.directory.execute(principal, request);
  }

  release(resetWorkspace = false, resumeToken = "secret", principal = ANYONE) {
    return this.directory.release(principal, { target: { trajectoryId: "t" }, resumeToken, resetWorkspace });
  }

  /** Lets everything settle, and gives the newest call that was submitted. */
  async flight(command?: string): Promise<Flight> {
    await this.clock.turn();
    const found = this.flights.findLast((flight) => command === undefined || flight.command === command);
    assert(found, `no flight of ${command ?? "any call"}`);
    return found;
  }

  /** A call on a fresh stream that is with its runner already. */
  async running(uniqId = "a", fields: Partial<OpenRequest> = {}) {
    const stream = this.open(fields);
    stream.at.call(bashCall(uniqId));
    const flight = await this.flight(uniqId);
    return { ...stream, flight: flight.start() };
  }
}

export function tokenHash(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
