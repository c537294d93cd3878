// A backend of pure state on a fake clock, for the unit tests of batch/ and pool/ alone. Commands are `sleep MS`.
// It asserts what the server owes a runner: calls only in leased slots and one at a time, leases only of clean slots,
// never more containers than allowed. `violations` lists what it saw broken.
import type {
  AdoptedCall,
  AdoptedContainer,
  Backend,
  Container,
  Runner,
  RunningBatch,
  SlotBinding,
} from "../../src/backend/backend.js";
import { Transfers } from "../../src/backend/transfers.js";
import type { Transfer, TransferRequest } from "../../src/core/artifacts.js";
import { SwitchyardError } from "../../src/core/errors.js";
import type { Logger } from "../../src/core/log.js";
import type { SlotOperation } from "../../src/core/operation.js";
import { failedOutcome, type Outcome } from "../../src/core/outcome.js";
import type { OutputPosition } from "../../src/core/output.js";
import type { ServerFrame } from "../../src/gen/switchyard/runner/v1/runner.js";
import type { FakeClock } from "./fake-clock.js";
import { okOutcome } from "./outcomes.js";

export interface FakeBehaviour {
  slots: number;
  startMs: number;
  openMs: number;
  closeMs: number;
  destroyMs: number;
  /** Whether a container opens and closes its slots one after another. */
  crowded: boolean;
  /** Whether an aborted start rejects; else it comes up all the same. */
  heedsAbort: boolean;
  /** Whether a start that fails leaves a container that could not be destroyed at once. */
  leaves: boolean;
  /** Whether a container can be left to the next server. */
  outlives: boolean;
  /** Throw to make the step fail. */
  onStart(): void;
  onOpen(container: FakeContainer, slot: number): void;
  onClose(container: FakeContainer, slot: number): void;
  onDestroy(container: FakeContainer): void;
}

const CALM: FakeBehaviour = {
  slots: 10,
  startMs: 500,
  openMs: 5,
  closeMs: 5,
  destroyMs: 100,
  crowded: false,
  heedsAbort: true,
  leaves: false,
  outlives: true,
  onStart: () => undefined,
  onOpen: () => undefined,
  onClose: () => undefined,
  onDestroy: () => undefined,
};

export class FakeBackend implements Backend {
  readonly name = "process";
  readonly behaviour: FakeBehaviour;
  readonly violations: string[] = [];
  /** Up and not yet gone. */
  readonly containers = new Set<FakeContainer>();
  starts = 0;
  /** Containers at once, those that start included. */
  peak = 0;
  #starting = 0;

  constructor(
    readonly clock: FakeClock,
    behaviour: Partial<FakeBehaviour> = {},
  ) {
    this.behaviour = { ...CALM, ...behaviour };
  }

  async start(): Promise<void> {}
  async adopt(): Promise<readonly AdoptedContainer[]> {
    return [];
  }
  async close(): Promise<void> {}

  async startContainer(
    _pool: string,
    signal: AbortSignal,
    onLeft: (container: Container) => void,
  ): Promise<FakeContainer> {
    this.starts += 1;
    this.#starting += 1;
    this.peak = Math.max(this.peak, this.#starting + this.containers.size);
    const id = `c${this.starts}`;
    try {
      await this.#sleepUnlessAborted(this.behaviour.startMs, signal);
      const container = new FakeContainer(id, this);
      try {
        this.behaviour.onStart();
      } catch (error) {
        if (this.behaviour.leaves) {
          this.containers.add(container);
          onLeft(container);
        }
        throw error;
      }
      this.containers.add(container);
      return container;
    } finally {
      this.#starting -= 1;
    }
  }

  /** One that an earlier server of the instance started, with its slots as that server left them. */
  found(id: string, states: readonly FakeSlot[]): FakeContainer {
    const container = new FakeContainer(id, this);
    container.states.splice(0, container.slots, ...states);
    this.containers.add(container);
    return container;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(ms, resolve));
  }

  #sleepUnlessAborted(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.clock.after(ms, resolve);
      signal.addEventListener("abort", () => {
        if (!this.behaviour.heedsAbort) return;
        timer.cancel();
        reject(signal.reason);
      });
    });
  }
}

export type FakeSlot = "closed" | "clean" | "leased" | "busy" | "closing";

interface FakeCall {
  readonly ended: Promise<void>;
  end(outcome: Outcome): void;
}

export class FakeContainer implements Container, Runner {
  readonly address: string;
  readonly runner = this;
  readonly slots: number;
  readonly isolation = "none";
  readonly networkIsolated = false;
  readonly lost: Promise<SwitchyardError>;
  readonly states: FakeSlot[];
  /** Every binding of its slots, in order. */
  readonly leases: SlotBinding[] = [];
  readonly acknowledged: string[] = [];
  readonly replayed: string[] = [];
  left = false;
  readonly #holders = new Map<number, string>();
  readonly #calls = new Map<number, FakeCall>();
  #lastWork: Promise<void> = Promise.resolve();
  #lose: (why: SwitchyardError) => void = () => undefined;
  #dead: SwitchyardError | undefined;
  #slotFailed: (slot: number, error: SwitchyardError) => void = () => undefined;
  /** Told when the container dies. */
  readonly #mourners = new Set<(why: SwitchyardError) => void>();

  constructor(
    readonly id: string,
    readonly backend: FakeBackend,
  ) {
    this.address = `process:${id}`;
    this.slots = backend.behaviour.slots;
    this.states = Array.from({ length: this.slots }, () => "closed");
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
  }

  /** What it was told of transfers. */
  readonly transferFrames: NonNullable<ServerFrame["frame"]>[] = [];
  readonly transfers = new Transfers((frame) => this.transferFrames.push(frame));

  transfer(slot: number, request: TransferRequest): Transfer {
    return this.transfers.begin(slot, request);
  }

  /** What it was told to remember, by slot. */
  readonly remembered = new Map<number, readonly AdoptedCall[]>();

  remember(slot: number, recall: () => readonly AdoptedCall[]): void {
    this.remembered.set(slot, recall());
  }

  onSlotFailed(listener: (slot: number, error: SwitchyardError) => void): void {
    this.#slotFailed = listener;
  }

  /** What code does that kills its own sandbox. */
  failSlot(slot: number): void {
    this.#endCall(slot);
    this.#slotFailed(slot, new SwitchyardError("RUNNER_LOST", "sandbox died"));
  }

  /** What `docker kill` does. */
  kill(message = "container died"): void {
    if (this.#dead) return;
    this.#dead = new SwitchyardError("RUNNER_LOST", message);
    this.#lose(this.#dead);
    for (const mourner of [...this.#mourners]) mourner(this.#dead);
  }

  async destroy(): Promise<void> {
    if (this.left) this.backend.violations.push(`${this.id} was destroyed after it was left to the next server`);
    this.backend.behaviour.onDestroy(this);
    this.kill("destroyed");
    await this.backend.sleep(this.backend.behaviour.destroyMs);
    this.backend.containers.delete(this);
  }

  async openSlot(slot: number): Promise<void> {
    this.#expect(slot, "closed", "opened");
    await this.#work(this.backend.behaviour.openMs);
    this.backend.behaviour.onOpen(this, slot);
    this.states[slot] = "clean";
  }

  leaseSlot(slot: number, lease: SlotBinding): void {
    this.leases.push(lease);
    const holder = this.#holders.get(slot);
    this.#holders.set(slot, lease.trajectoryId);
    // What is known of its trajectory may change while it has the slot.
    if (holder === lease.trajectoryId) return;
    this.#expect(slot, "clean", "leased");
    this.states[slot] = "leased";
  }

  async closeSlot(slot: number): Promise<void> {
    this.#endCall(slot);
    this.states[slot] = "closing";
    this.#holders.delete(slot);
    await this.#work(this.backend.behaviour.closeMs);
    this.backend.behaviour.onClose(this, slot);
    this.states[slot] = "closed";
  }

  runBatch(
    operations: readonly SlotOperation[],
    _timeoutS: number,
    onFinished: (index: number, outcome: Outcome) => void,
  ): RunningBatch {
    if (this.#dead) throw this.#dead;
    const calls = operations.map((operation, index) =>
      this.#startCall(operation, (outcome) => onFinished(index, outcome)),
    );
    const done = new Promise<void>((resolve, reject) => {
      this.#mourners.add(reject);
      void Promise.all(calls.map(({ ended }) => ended)).then(() => {
        this.#mourners.delete(reject);
        resolve();
      });
    });
    return { done, cancel: (index) => calls[index]?.end(failedOutcome("CANCELLED", "Cancelled")) };
  }

  resumeCall(slot: number, uniqId: string, onFinished: (outcome: Outcome) => void): RunningBatch {
    return this.runBatch([{ slot, uniqId, ...RESUMED }], 0, (_, outcome) => onFinished(outcome));
  }

  replayOutput(slot: number, uniqId: string, from: OutputPosition): void {
    this.replayed.push(`${slot} ${uniqId} ${from.stdout} ${from.stderr}`);
  }

  acknowledge(slot: number, uniqIds: readonly string[]): void {
    this.acknowledged.push(...uniqIds.map((uniqId) => `${slot} ${uniqId}`));
  }

  leave(): boolean {
    this.left = this.backend.behaviour.outlives;
    return this.left;
  }

  #startCall({ slot, operation }: SlotOperation, finish: (outcome: Outcome) => void): FakeCall {
    this.#expect(slot, "leased", "given a call");
    this.states[slot] = "busy";
    let end: FakeCall["end"] = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = (outcome) => {
        end = () => undefined;
        timer.cancel();
        if (this.#dead) return;
        this.#calls.delete(slot);
        this.states[slot] = "leased";
        finish(outcome);
        resolve();
      };
      const timer = this.backend.clock.after(sleepMs(operation), () => end(okOutcome()));
    });
    const call = { ended, end: (outcome: Outcome) => end(outcome) };
    this.#calls.set(slot, call);
    return call;
  }

  #endCall(slot: number): void {
    this.#calls.get(slot)?.end(failedOutcome("LOST", "slot closed"));
  }

  async #work(ms: number): Promise<void> {
    if (this.#dead) throw this.#dead;
    const before = this.backend.behaviour.crowded ? this.#lastWork : Promise.resolve();
    this.#lastWork = before.then(() => this.backend.sleep(ms));
    await this.#lastWork;
    if (this.#dead) throw this.#dead;
  }

  #expect(slot: number, state: FakeSlot, act: string): void {
    if (this.#dead || this.states[slot] === state) return;
    this.backend.violations.push(`slot ${slot} of ${this.id} was ${act} while ${this.states[slot]}`);
  }
}

/** What is left of a call to do, as far as this runner is concerned: nothing. */
const RESUMED = {
  digest: "",
  forStream: true,
  context: "{}",
  operation: { kind: "bash", command: "sleep 0" },
} as const;

function sleepMs(operation: SlotOperation["operation"]): number {
  const match = operation.kind === "bash" ? /^sleep (\d+)$/.exec(operation.command) : null;
  return match ? Number(match[1]) : 0;
}

export const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => SILENT,
};
