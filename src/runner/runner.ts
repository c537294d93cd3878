// The runner: owns N slots and executes what the server asks for over the link. One per container. It outlives its
// server: whatever a link's new beginning makes the server ask again is answered as if it had been asked once.
import {
  type CloseSlot,
  type Init,
  LeaseRecord,
  type LeaseSlot,
  type OpenSlot,
  type Ready,
  type RunBatch,
  type RunnerFrame,
  type ServerFrame,
} from "../gen/switchyard/runner/v1/runner.js";
import type { Link } from "../link/link.js";
import { knownParts } from "../link/parts.js";
import { Gate } from "./gate.js";
import { operate, textOf } from "./operate.js";
import { proveIsolation } from "./proof.js";
import type { LauncherFile, SandboxKind, SlotLimits } from "./sandbox/sandbox.js";
import { patienceWithSandboxes, Slot, type SlotSettings } from "./slot.js";
import { SlotCalls } from "./slot-calls.js";
import { Transfers } from "./transfers.js";
import { Watch, type WatchedSlot } from "./watch.js";

export interface RunnerSurroundings {
  readonly slotsFolder: string;
  /** Top-level folders that no slot may see. */
  readonly hidden: readonly string[];
  readonly launcher: LauncherFile;
  /** Interpreter for scripts in slots that see the runner's own files; inside namespaces it is the image's. */
  readonly perl: readonly string[];
  /** Ends the process after everything in the slots is dead. */
  exit(code: number): void;
  /** Writes one line for the operator. */
  log(text: string): void;
}

/** A slot, its calls, and what is being done to it. */
interface Place {
  readonly slot: Slot;
  readonly calls: SlotCalls;
  opening: Promise<string> | undefined;
  closing: Promise<string> | undefined;
}

/** Until the first word of a server that may have died before it. */
const INIT_S_MAX = 300;
const OPENINGS_MAX = 8;

export class Runner {
  #places: Place[] = [];
  #init: Init | undefined;
  #ready: Ready | undefined;
  #watch: Watch | undefined;
  #grace: NodeJS.Timeout | undefined;
  /** Of a hundred slots that start at once each would be slow, and taken for dead. */
  readonly #openings = new Gate(OPENINGS_MAX);
  readonly #patience = patienceWithSandboxes();
  readonly #transfers = new Transfers((frame) => this.#send(frame));
  #ending = false;

  constructor(
    private readonly link: Link<RunnerFrame, ServerFrame>,
    private readonly surroundings: RunnerSurroundings,
  ) {
    this.#endAfter(INIT_S_MAX);
    link.on("synced", () => this.#sendInventory());
    link.on("frame", (frame) => this.#receive(frame));
    link.on("garbled", () => this.#send({ $case: "resyncRequest", value: {} }));
  }

  /** Kills everything in every slot, then exits. */
  async end(code: number): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    // What is killed now is lost, and nothing may be sent in its place: who hears nothing more gives nothing more to do.
    this.link.close();
    clearTimeout(this.#grace);
    this.#watch?.stop();
    const slots = this.#places.map(({ slot }) => slot);
    const closed = await Promise.allSettled(slots.map((slot) => slot.end()));
    for (const result of closed) if (result.status === "rejected") this.surroundings.log(String(result.reason));
    await Promise.allSettled(slots.map((slot) => slot.deleted()));
    this.surroundings.exit(code);
  }

  #sendInventory(): void {
    this.#grace?.refresh();
    for (const { calls } of this.#places) calls.unlink();
    this.#transfers.unlink();
    const slots = this.#places.map(({ slot, calls }) => calls.state(slot.isOpen));
    this.#send({ $case: "inventory", value: { ready: this.#ready, slots } });
    for (const [slot, { calls }] of this.#places.entries()) {
      for (const part of knownParts(calls.known())) this.#send({ $case: "knownCalls", value: { slot, calls: part } });
    }
    this.#send({ $case: "inventoryEnd", value: {} });
  }

  #receive({ frame }: ServerFrame): void {
    this.#grace?.refresh();
    if (this.#ending || !frame) return;
    switch (frame.$case) {
      case "init":
        if (!this.#init) void this.#prepare(frame.value);
        break;
      case "openSlot":
        void this.#openSlot(frame.value);
        break;
      case "leaseSlot":
        this.#leaseSlot(frame.value);
        break;
      case "closeSlot":
        void this.#closeSlot(frame.value);
        break;
      case "runBatch":
        this.#runBatch(frame.value);
        break;
      case "cancelCall":
        this.#places[frame.value.slot]?.calls.cancel(frame.value.uniqId);
        break;
      case "acknowledge":
        this.#places[frame.value.slot]?.calls.acknowledge(frame.value.uniqIds);
        break;
      case "remember":
        this.#places[frame.value.slot]?.calls.remember(frame.value.calls);
        break;
      case "pullOutput":
        this.#places[frame.value.slot]?.calls.pullOutput(frame.value);
        break;
      case "beginTransfer":
        this.#transfers.begin(frame.value, this.#places[frame.value.slot]?.slot);
        break;
      case "transferData":
      case "transferCredit":
      case "endTransfer":
        this.#transfers.take(frame);
        break;
      case "ping":
        this.#send({ $case: "pong", value: { seq: frame.value.seq } });
        break;
      case "shutdown":
        void this.end(0);
        break;
      default:
        frame satisfies never;
    }
  }

  async #prepare(init: Init): Promise<void> {
    this.#init = init;
    this.#endAfter(init.graceS);
    let ready: Ready;
    try {
      const { kind, reason } = await proveIsolation(init.isolation, this.#settings(init, 0));
      this.#places = Array.from({ length: init.slots }, (_, index) => this.#makePlace(init, index, kind));
      this.#watch = new Watch(
        this.#places.map((place) => watched(place)),
        slotLimits(init),
      );
      ready = { isolation: kind, isolationReason: reason };
    } catch (error) {
      ready = { isolation: "", isolationReason: textOf(error) };
    }
    this.#ready = ready;
    this.#send({ $case: "ready", value: ready });
  }

  /** Unless the server says something before. */
  #endAfter(seconds: number): void {
    clearTimeout(this.#grace);
    this.#grace = setTimeout(() => {
      this.surroundings.log(`no word from the server for ${seconds} s`);
      void this.end(1);
    }, seconds * 1000);
  }

  #settings(init: Init, index: number): Omit<SlotSettings, "kind"> {
    const { slotsFolder, hidden, launcher, perl } = this.surroundings;
    const limits = slotLimits(init);
    // A sandbox that is the whole container runs what it runs as the image's own user.
    const uid = init.uidBase > 0 && init.isolation !== "container" ? { uid: init.uidBase + index } : {};
    const { allowNetwork } = init;
    return { slotsFolder, hidden, launcher, perl, limits, allowNetwork, patience: this.#patience, ...uid };
  }

  #makePlace(init: Init, index: number, kind: SandboxKind): Place {
    const slot = new Slot(String(index), { ...this.#settings(init, index), kind }, (why) =>
      this.#send({ $case: "slotFailed", value: { slot: index, error: why } }),
    );
    const calls = new SlotCalls({
      run: (call, timeoutS, aborted, live) =>
        operate(slot, call, {
          timeoutS,
          limits: init,
          aborted,
          live,
          outOfMemorySince: (startMs) => this.#watch?.outOfMemorySince(startMs) ?? false,
        }),
      send: (frame) => this.#send(frame),
    });
    return { slot, calls, opening: undefined, closing: undefined };
  }

  /** One that is open already was opened before the link broke. */
  async #openSlot({ slot, seq }: OpenSlot): Promise<void> {
    const { epoch } = this.link;
    const place = this.#places[slot];
    if (!place) return this.#send({ $case: "slotOpened", value: { slot, seq, error: "no such slot" } });
    await place.closing;
    if (!place.slot.isOpen) {
      place.calls.forget();
      place.opening ??= outcomeOf(this.#openings.run(() => place.slot.open())).finally(() => {
        place.opening = undefined;
      });
    }
    const error = (await place.opening) ?? "";
    // A server that came meanwhile has not asked.
    if (this.link.epoch === epoch) this.#send({ $case: "slotOpened", value: { slot, seq, error } });
  }

  #leaseSlot(lease: LeaseSlot): void {
    const place = this.#places[lease.slot];
    if (!place) return;
    place.slot.lease(LeaseRecord.decode(lease.record).env);
    place.calls.lease(lease);
  }

  /** Answered after the results of all its calls. */
  async #closeSlot({ slot, seq }: CloseSlot): Promise<void> {
    const { epoch } = this.link;
    const place = this.#places[slot];
    if (!place) return this.#send({ $case: "slotClosed", value: { slot, seq, error: "no such slot" } });
    this.#transfers.endSlot(slot);
    place.closing ??= outcomeOf(close(place)).finally(() => {
      place.closing = undefined;
    });
    const error = await place.closing;
    if (this.link.epoch === epoch) this.#send({ $case: "slotClosed", value: { slot, seq, error } });
  }

  #runBatch({ calls, timeoutS }: RunBatch): void {
    for (const call of calls) this.#places[call.slot]?.calls.begin(call, timeoutS);
  }

  #send(frame: NonNullable<RunnerFrame["frame"]>): void {
    this.link.send({ frame });
  }
}

async function close({ slot, calls, opening }: Place): Promise<void> {
  await opening;
  calls.endLease();
  await slot.close();
  await calls.ended();
  calls.forget();
}

function watched({ slot, calls }: Place): WatchedSlot {
  return {
    get isLeased() {
      return slot.isLeased;
    },
    uid: slot.uid,
    folder: slot.folder,
    get weight() {
      return slot.weight;
    },
    weigh: () => slot.weigh(),
    overMemory: () => {
      if (calls.abortAll("memory").length === 0) slot.killAll();
    },
    overForGood: (why) => {
      const ended = calls.abortAll("limit");
      // In this order, or the call would count as lost with its slot.
      void Promise.all(ended).then(() => slot.fail(`${why}, over its limit`));
    },
  };
}

function slotLimits({ limits }: Init): SlotLimits {
  if (!limits) throw new Error("the server named no limits for slots");
  return {
    processes: limits.processes,
    openFiles: limits.openFiles,
    fileBytes: Number(limits.fileBytes),
    memoryBytes: Number(limits.memoryBytes),
    workspaceBytes: Number(limits.workspaceBytes),
    workspaceInMemory: limits.workspaceInMemory,
    scratchBytes: Number(limits.scratchBytes),
  };
}

async function outcomeOf(work: Promise<void>): Promise<string> {
  try {
    await work;
    return "";
  } catch (error) {
    return textOf(error) || "unknown error";
  }
}
