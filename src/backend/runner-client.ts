// The server's end of a link: drives one runner, and believes nothing it says. A frame is valid only for a slot and a
// call that this runner was given; a violation loses the runner, and its container with it. When the link begins anew, the
// runner's inventory tells what of its requests and answers got lost, and they are sent again.
import type { Transfer, TransferRequest } from "../core/artifacts.js";
import { messageOf, SwitchyardError } from "../core/errors.js";
import type { SlotOperation } from "../core/operation.js";
import type { Outcome } from "../core/outcome.js";
import type { OutputPosition, OutputSink } from "../core/output.js";
import type { CallFinished, Ready, RunCall, RunnerFrame, ServerFrame } from "../gen/switchyard/runner/v1/runner.js";
import type { AdoptedCall, AdoptedSlot, Isolation, Runner, RunningBatch, SlotBinding } from "./backend.js";
import { FirstInventory } from "./first-inventory.js";
import type { RunnerInventory } from "./inventory.js";
import { claimedIsolation } from "./isolation.js";
import { LeaseBook } from "./lease-book.js";
import { OutputIntakes } from "./output-intakes.js";
import { PendingCalls } from "./pending-calls.js";
import { partsThatFit, runCall } from "./run-frames.js";
import { outcomeOfFrame } from "./runner-outcome.js";
import type { RunnerClientOptions } from "./runner-settings.js";
import { SlotFailures } from "./slot-failures.js";
import { SlotRequests } from "./slot-requests.js";
import { Transfers } from "./transfers.js";
import { untilAborted } from "./until-aborted.js";

export class RunnerClient implements Runner {
  isolation: Isolation = "none";
  isolationReason = "";
  readonly id: string;
  readonly slots: number;
  readonly lost: Promise<SwitchyardError>;
  #lose: (error: SwitchyardError) => void = () => undefined;
  #lostError: SwitchyardError | undefined;
  #ready: { resolve(ready: Ready): void; reject(error: SwitchyardError): void } | undefined;
  readonly #first = new FirstInventory();
  readonly #calls = new PendingCalls();
  readonly #outputs = new OutputIntakes((frame) => this.#send(frame));
  readonly #transfers = new Transfers((frame) => this.#send(frame));
  readonly #opening = new SlotRequests("openSlot", (frame) => this.#send(frame));
  readonly #closing = new SlotRequests("closeSlot", (frame) => this.#send(frame));
  readonly #leases: LeaseBook;
  /** Slots that were asked to close, and not to open since. */
  readonly #shut = new Set<number>();
  readonly #failures = new SlotFailures();

  constructor(private readonly options: RunnerClientOptions) {
    [this.id, this.slots] = [options.id, options.init.slots];
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
    const { keeper } = options;
    this.#leases = new LeaseBook(options.key, keeper);
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
    this.#first.take(({ ready: before }) => this.#initialise(before));
    await this.#untilAborted(signal, async () => this.#take(await ready));
  }

  /** Takes over a runner that an earlier server started; resolves with what it remembers. */
  async adopt(signal: AbortSignal): Promise<readonly AdoptedSlot[]> {
    const slots = new Promise<readonly AdoptedSlot[]>((resolve, reject) => {
      // At once: the next frame may be about what this one tells.
      this.#first.take((inventory) => {
        try {
          resolve(this.#adopted(inventory));
        } catch (error) {
          reject(error);
        }
      });
    });
    slots.catch(() => undefined);
    return this.#untilAborted(signal, () => slots);
  }

  openSlot(slot: number): Promise<void> {
    this.#failures.expect(slot);
    this.#shut.delete(slot);
    return this.#lostError ? Promise.reject(this.#lostError) : this.#opening.ask(slot);
  }

  leaseSlot(slot: number, binding: SlotBinding): void {
    this.#leases.lease(slot, binding);
  }

  closeSlot(slot: number): Promise<void> {
    this.#shut.add(slot);
    this.#leases.close(slot);
    return this.#lostError ? Promise.reject(this.#lostError) : this.#closing.ask(slot);
  }

  onSlotFailed(listener: (slot: number, error: SwitchyardError) => void): void {
    this.#failures.listen(listener);
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

  remember(slot: number, recall: () => readonly AdoptedCall[]): void {
    this.#leases.remember(slot, recall);
  }

  replayOutput(slot: number, uniqId: string, from: OutputPosition): void {
    this.#outputs.restart(slot, uniqId, from);
  }

  acknowledge(slot: number, uniqIds: readonly string[]): void {
    this.#leases.acknowledge(slot, uniqIds);
  }

  transfer(slot: number, request: TransferRequest): Transfer {
    return this.#transfers.begin(slot, request);
  }

  shutdown(): void {
    this.#send({ $case: "shutdown", value: {} });
  }

  /** Loses the runner when `signal` aborts before the work is done. */
  #untilAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const lost = this.lost.then((error) => Promise.reject(error));
    return untilAborted(signal, () => Promise.race([work(), lost])).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      this.options.keeper.lose("RUNNER_LOST", `runner was not ready in time: ${messageOf(signal.reason)}`);
      throw this.#lostError ?? error;
    });
  }

  /** What a runner says of itself at its beginning; it is told its settings if it has none. */
  #initialise(ready: Ready | undefined): void {
    if (!ready) return this.#send({ $case: "init", value: this.options.init });
    this.#ready?.resolve(ready);
    this.#ready = undefined;
  }

  #adopted({ ready, slots }: RunnerInventory): AdoptedSlot[] {
    if (!ready) throw new SwitchyardError("RUNNER_LOST", "it was never made ready");
    this.#take(ready);
    return slots.map((slot, index) => {
      const { open, calls, record } = slot;
      if (open) this.#failures.expect(index);
      if (record.length === 0) return { open };
      const binding = this.#leases.adopt(index, slot);
      if (!binding) throw this.#violation(`a lease of slot ${index} that no server has given`);
      const known = [...calls.values()];
      for (const { uniqId, state } of known) if (state === "running") this.#calls.expect(index, uniqId);
      return { open, lease: { binding, calls: known } };
    });
  }

  #take(ready: Ready): void {
    const { isolation: wanted } = this.options.init;
    const isolation = claimedIsolation(ready, wanted);
    if (!isolation) throw this.#violation(`${ready.isolation} where it was told ${wanted}`);
    this.isolation = isolation;
    this.isolationReason = ready.isolationReason;
  }

  #linkBegan(inventory: RunnerInventory): void {
    if (this.#first.offer(inventory)) return;
    if (this.#ready) return this.#initialise(inventory.ready);
    if (!inventory.ready) return void this.#violation("an inventory without what it was told");
    this.#closing.sendAgain();
    this.#opening.sendAgain();
    this.#leases.sendAgain(inventory);
    this.#calls.loseIn(this.#shut, inventory);
    for (const [timeoutS, calls] of this.#calls.unknownTo(inventory)) this.#sendCalls(calls, timeoutS);
    this.#outputs.relink();
    this.#transfers.endAll(new SwitchyardError("RUNNER_LOST", "the link to the container broke; repeat the request"));
    for (const [slot, { open, calls }] of inventory.slots.entries()) {
      for (const { uniqId, outcome } of calls.values()) {
        if (outcome && this.#calls.has(slot, uniqId)) this.#deliver(slot, uniqId, outcome);
        else if (outcome) this.#leases.comeAgain(slot, uniqId);
      }
      const isChanging = this.#opening.has(slot) || this.#closing.has(slot);
      if (!open && !isChanging) this.#failures.failed(slot, "it died while the link was broken");
    }
    for (const { slot, uniqId } of this.#calls.cancelled) this.#cancel(slot, uniqId);
  }

  #receive(frame: NonNullable<RunnerFrame["frame"]>): void {
    switch (frame.$case) {
      case "ready":
        if (!this.#ready) return void this.#violation("that it is ready, unasked");
        this.#initialise(frame.value);
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
      case "transferData":
      case "transferCredit":
      case "transferEnded":
        if (!this.#transfers.take(frame)) this.#violation("what no transfer asked for");
        break;
      case "slotFailed":
        if (!this.#failures.failed(frame.value.slot, frame.value.error)) {
          this.#violation(`word of slot ${frame.value.slot}, which cannot have failed`);
        }
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
    this.#leases.delivered(slot, uniqId);
    this.#outputs.end(slot, uniqId);
    this.#calls.finish(slot, uniqId, outcome);
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
    this.#transfers.fail(error);
    this.#lose(error);
  }

  #send(frame: NonNullable<ServerFrame["frame"]>): void {
    this.options.keeper.send(frame);
  }
}
