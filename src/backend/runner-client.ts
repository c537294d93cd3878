// The server's end of a link: drives one runner, and believes nothing it says. A frame is valid only for a slot and a
// call that this runner was given; a violation loses the runner, and its container with it. When the link begins anew, the
// runner's inventory tells what of its requests and answers got lost, and they are sent again.
import { EventEmitter } from "node:events";
import { messageOf, SwitchyardError } from "../core/errors.js";
import type { SlotOperation } from "../core/operation.js";
import type { Outcome } from "../core/outcome.js";
import type { OutputPosition, OutputSink } from "../core/output.js";
import type {
  CallFinished,
  Init,
  Ready,
  RunCall,
  RunnerFrame,
  ServerFrame,
} from "../gen/switchyard/runner/v1/runner.js";
import type { AdoptedSlot, Isolation, Runner, RunningBatch, SlotBinding } from "./backend.js";
import type { RunnerInventory } from "./inventory.js";
import { isIsolation } from "./isolation.js";
import { type SealedLease, sealLease, unsealLease } from "./lease-seal.js";
import type { LinkKeeper } from "./link-keeper.js";
import { OutputIntakes } from "./output-intakes.js";
import { PendingCalls } from "./pending-calls.js";
import { partsThatFit, runCall } from "./run-frames.js";
import { outcomeOfFrame } from "./runner-outcome.js";
import { SlotRequests } from "./slot-requests.js";

export interface RunnerClientOptions {
  readonly id: string;
  readonly keeper: LinkKeeper;
  readonly init: Init;
  /** Seals leases. */
  readonly key: Buffer;
  /** Whether the container itself reaches any network. */
  readonly containerHasNetwork: boolean;
}

export class RunnerClient implements Runner {
  isolation: Isolation = "none";
  isolationReason = "";
  readonly id: string;
  readonly slots: number;
  readonly lost: Promise<SwitchyardError>;
  #lose: (error: SwitchyardError) => void = () => undefined;
  #lostError: SwitchyardError | undefined;
  #ready: { resolve(ready: Ready): void; reject(error: SwitchyardError): void } | undefined;
  #onFirst: ((inventory: RunnerInventory) => void) | undefined;
  readonly #calls = new PendingCalls();
  readonly #outputs = new OutputIntakes((frame) => this.#send(frame));
  readonly #opening = new SlotRequests("openSlot", (frame) => this.#send(frame));
  readonly #closing = new SlotRequests("closeSlot", (frame) => this.#send(frame));
  readonly #leases = new Map<number, SealedLease>();
  /** Results that were delivered and not acknowledged, by slot. */
  readonly #delivered = new Map<number, Set<string>>();
  /** Slots that were asked to open since they last failed. */
  readonly #mayFail = new Set<number>();
  readonly #events = new EventEmitter<{ slotFailed: [slot: number, error: SwitchyardError] }>();

  constructor(private readonly options: RunnerClientOptions) {
    this.id = options.id;
    this.slots = options.init.slots;
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
    const { keeper } = options;
    keeper.on("inventory", (inventory) => this.#linkBegan(inventory));
    keeper.on("frame", (frame) => this.#receive(frame));
    keeper.on("lost", (error) => this.#fail(error));
  }

  get networkIsolated(): boolean {
    const { containerHasNetwork, init } = this.options;
    return !containerHasNetwork || (this.isolation === "namespace" && !init.allowNetwork);
  }

  /** Hands a new runner its settings; resolves when it has proven its sandbox by running a command in it. */
  async start(signal: AbortSignal): Promise<void> {
    const ready = new Promise<Ready>((resolve, reject) => {
      this.#ready = { resolve, reject };
    });
    // It may be lost before anyone waits for this.
    ready.catch(() => undefined);
    await this.#untilAborted(signal, async () => {
      const { ready: before } = await this.#firstInventory();
      if (!before) this.#send({ $case: "init", value: this.options.init });
      this.#take(before ?? (await ready));
    });
  }

  /** Takes over a runner that an earlier server started; resolves with what it remembers. */
  async adopt(signal: AbortSignal): Promise<readonly AdoptedSlot[]> {
    return this.#untilAborted(signal, async () => {
      const { ready, slots } = await this.#firstInventory();
      if (!ready) throw new SwitchyardError("RUNNER_LOST", "it was never made ready");
      this.#take(ready);
      return slots.map(({ open, calls, ...lease }, index) => {
        if (open) this.#mayFail.add(index);
        if (lease.record.length === 0) return { open };
        const binding = unsealLease(lease, this.options.key);
        if (!binding) throw this.#violation(`a lease of slot ${index} that no server has given`);
        this.#leases.set(index, { record: Buffer.from(lease.record), seal: Buffer.from(lease.seal) });
        const known = [...calls.values()];
        for (const { uniqId, state } of known) if (state === "running") this.#calls.expect(index, uniqId);
        this.#delivered.set(index, new Set(known.filter((it) => it.state === "finished").map((it) => it.uniqId)));
        return { open, lease: { binding, calls: known } };
      });
    });
  }

  openSlot(slot: number): Promise<void> {
    this.#mayFail.add(slot);
    return this.#lostError ? Promise.reject(this.#lostError) : this.#opening.ask(slot);
  }

  leaseSlot(slot: number, binding: SlotBinding): void {
    const lease = sealLease(binding, this.options.key);
    this.#leases.set(slot, lease);
    this.#send({ $case: "leaseSlot", value: { slot, ...lease } });
  }

  closeSlot(slot: number): Promise<void> {
    this.#leases.delete(slot);
    this.#delivered.delete(slot);
    return this.#lostError ? Promise.reject(this.#lostError) : this.#closing.ask(slot);
  }

  onSlotFailed(listener: (slot: number, error: SwitchyardError) => void): void {
    this.#events.on("slotFailed", listener);
  }

  runBatch(
    operations: readonly SlotOperation[],
    timeoutS: number,
    onFinished: (index: number, outcome: Outcome) => void,
  ): RunningBatch {
    if (this.#lostError) throw new SwitchyardError("SLOT_CHANGED", this.#lostError.message);
    const frames = operations.map(runCall);
    const pending = frames.map((frame) => ({ slot: frame.slot, uniqId: frame.uniqId, timeoutS, frame }));
    const done = this.#calls.add(pending, onFinished);
    for (const { slot, uniqId, output } of operations) this.#outputs.begin(slot, uniqId, output);
    this.#sendCalls(frames, timeoutS);
    return {
      done,
      cancel: (index) => {
        const call = operations[index];
        if (call) this.#cancel(call.slot, call.uniqId);
      },
    };
  }

  resumeCall(slot: number, uniqId: string, onFinished: (outcome: Outcome) => void, output?: OutputSink): RunningBatch {
    if (this.#lostError) return { done: Promise.reject(this.#lostError), cancel: () => undefined };
    this.#outputs.begin(slot, uniqId, output);
    const done = this.#calls.add([{ slot, uniqId, timeoutS: 0 }], (_, outcome) => onFinished(outcome));
    return { done, cancel: () => this.#cancel(slot, uniqId) };
  }

  replayOutput(slot: number, uniqId: string, from: OutputPosition): void {
    this.#outputs.restart(slot, uniqId, from);
  }

  acknowledge(slot: number, uniqIds: readonly string[]): void {
    const delivered = this.#delivered.get(slot);
    const known = uniqIds.filter((uniqId) => delivered?.delete(uniqId));
    if (known.length > 0) this.#send({ $case: "acknowledge", value: { slot, uniqIds: known } });
  }

  /** Asks the runner to kill everything and end. */
  shutdown(): void {
    this.#send({ $case: "shutdown", value: {} });
  }

  #firstInventory(): Promise<RunnerInventory> {
    if (this.#lostError) return Promise.reject(this.#lostError);
    return new Promise((resolve) => {
      this.#onFirst = resolve;
    });
  }

  /** Loses the runner when `signal` aborts before the work is done. */
  async #untilAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const abort = () =>
      this.options.keeper.lose("RUNNER_LOST", `runner was not ready in time: ${messageOf(signal.reason)}`);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    try {
      return await Promise.race([work(), this.lost.then((error) => Promise.reject(error))]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #take({ isolation, isolationReason }: Ready): void {
    if (!isIsolation(isolation)) throw new SwitchyardError("SANDBOX_UNAVAILABLE", isolationReason || "no isolation");
    this.isolation = isolation;
    this.isolationReason = isolationReason;
  }

  #linkBegan(inventory: RunnerInventory): void {
    const first = this.#onFirst;
    this.#onFirst = undefined;
    if (first) return first(inventory);
    if (!inventory.ready) return void this.#violation("an inventory without what it was told");
    this.#closing.sendAgain();
    this.#opening.sendAgain();
    for (const [slot, lease] of this.#leases) this.#send({ $case: "leaseSlot", value: { slot, ...lease } });
    for (const [timeoutS, calls] of this.#calls.unknownTo(inventory)) this.#sendCalls(calls, timeoutS);
    this.#outputs.relink();
    for (const [slot, { open, calls }] of inventory.slots.entries()) {
      for (const { uniqId, outcome } of calls.values()) if (outcome) this.#comeAgain(slot, uniqId, outcome);
      const isChanging = this.#opening.has(slot) || this.#closing.has(slot);
      if (!open && !isChanging && this.#mayFail.has(slot)) this.#slotFailed(slot, "it died while the link was broken");
    }
    for (const { slot, uniqId } of this.#calls.cancelled) this.#cancel(slot, uniqId);
  }

  /** A result that an inventory holds: one that got lost on its way, or whose acknowledgement did, or an old one. */
  #comeAgain(slot: number, uniqId: string, outcome: Outcome): void {
    if (this.#calls.has(slot, uniqId)) this.#deliver(slot, uniqId, outcome);
    else if (this.#leases.has(slot) && !this.#delivered.get(slot)?.has(uniqId)) {
      this.#send({ $case: "acknowledge", value: { slot, uniqIds: [uniqId] } });
    }
  }

  #receive(frame: NonNullable<RunnerFrame["frame"]>): void {
    switch (frame.$case) {
      case "ready":
        if (!this.#ready) return void this.#violation("that it is ready, unasked");
        this.#ready.resolve(frame.value);
        this.#ready = undefined;
        break;
      case "slotOpened":
        if (!this.#opening.answer(frame.value)) this.#violation("an answer that nobody asked for");
        break;
      case "slotClosed":
        if (!this.#closing.answer(frame.value)) this.#violation("an answer that nobody asked for");
        break;
      case "callFinished":
        this.#finish(frame.value);
        break;
      case "output":
        if (!this.#outputs.take(frame.value)) this.#violation("output that nobody asked for");
        break;
      case "slotFailed":
        this.#slotFailed(frame.value.slot, frame.value.error);
        break;
      default:
        this.#violation(`a ${frame.$case} out of place`);
    }
  }

  #finish(frame: CallFinished): void {
    const { slot, uniqId } = frame;
    if (!this.#calls.has(slot, uniqId)) return void this.#violation("a result for a call that it does not have");
    const outcome = outcomeOfFrame(frame, this.options.init);
    if (!outcome) return void this.#violation("a result that no call can have");
    this.#deliver(slot, uniqId, outcome);
  }

  #deliver(slot: number, uniqId: string, outcome: Outcome): void {
    const delivered = this.#delivered.get(slot) ?? new Set();
    // A slot that is being closed takes its results with it.
    if (this.#leases.has(slot)) this.#delivered.set(slot, delivered.add(uniqId));
    this.#outputs.end(slot, uniqId);
    this.#calls.finish(slot, uniqId, outcome);
  }

  #slotFailed(slot: number, error: string): void {
    if (!this.#mayFail.delete(slot)) return void this.#violation(`word of slot ${slot}, which cannot have failed`);
    this.#events.emit("slotFailed", slot, new SwitchyardError("RUNNER_LOST", error.slice(0, 1000)));
  }

  #sendCalls(calls: readonly RunCall[], timeoutS: number): void {
    for (const part of partsThatFit(calls)) this.#send({ $case: "runBatch", value: { timeoutS, calls: part } });
  }

  #cancel(slot: number, uniqId: string): void {
    if (this.#calls.cancel(slot, uniqId)) this.#send({ $case: "cancelCall", value: { slot, uniqId } });
  }

  #violation(what: string): SwitchyardError {
    this.options.keeper.violation(what);
    return this.#lostError ?? new SwitchyardError("RUNNER_VIOLATION", what);
  }

  #fail(error: SwitchyardError): void {
    this.#lostError = error;
    this.#ready?.reject(error);
    this.#opening.failAll(error);
    this.#closing.failAll(error);
    this.#calls.failAll(error);
    this.#outputs.clear();
    this.#lose(error);
  }

  #send(frame: NonNullable<ServerFrame["frame"]>): void {
    this.options.keeper.send(frame);
  }
}
