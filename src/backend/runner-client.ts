// The server's end of a link: drives one runner, and believes nothing it says. A frame is valid only for a slot and a
// call that this runner was given; a violation loses the runner, and its container with it.
import { EventEmitter } from "node:events";
import { messageOf, SwitchyardError } from "../core/errors.js";
import type { SlotOperation } from "../core/operation.js";
import type { Outcome } from "../core/outcome.js";
import type {
  CallFinished,
  Init,
  Ready,
  RunCall,
  RunnerFrame,
  ServerFrame,
} from "../gen/switchyard/runner/v1/runner.js";
import { SERVER_FRAME_BYTES_MAX } from "../link/frames.js";
import { type Link, NotAFrame } from "../link/link.js";
import type { Isolation, Runner, RunningBatch, SlotBinding } from "./backend.js";
import { outcomeOfFrame } from "./runner-outcome.js";

interface PendingCall {
  finish(outcome: Outcome): void;
}

interface Pending {
  resolve(): void;
  reject(error: SwitchyardError): void;
}

const PING_MS = 10_000;
/** So many pings in a row without a word from the runner, and it is lost. Counted, since our own loop may have slept. */
const UNANSWERED_MAX = 3;

const ISOLATIONS: readonly string[] = ["namespace", "uid", "container", "none"] satisfies Isolation[];

export class RunnerClient implements Runner {
  isolation: Isolation = "none";
  isolationReason = "";
  readonly slots: number;
  readonly lost: Promise<SwitchyardError>;
  #lose: (error: SwitchyardError) => void = () => undefined;
  #lostError: SwitchyardError | undefined;
  #nextCallId = 1n;
  #ready: { resolve(ready: Ready): void; reject(error: SwitchyardError): void } | undefined;
  readonly #calls = new Map<bigint, PendingCall>();
  /** What rejects the batches on their way, should the runner be lost. */
  readonly #batches = new Set<(error: SwitchyardError) => void>();
  readonly #opening = new Map<number, Pending>();
  readonly #closing = new Map<number, Pending>();
  readonly #events = new EventEmitter<{ slotFailed: [slot: number, error: SwitchyardError] }>();
  /** Slots that were asked to open since they last failed. */
  readonly #mayFail = new Set<number>();
  #pings: NodeJS.Timeout | undefined;
  #unanswered = 0;
  #pongsDue = 0;

  constructor(
    readonly id: string,
    private readonly link: Link<ServerFrame, RunnerFrame>,
    private readonly init: Init,
    /** Whether the container itself reaches any network. */
    private readonly containerHasNetwork: boolean,
  ) {
    this.slots = init.slots;
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
    link.on("frame", (frame) => this.#receive(frame));
    link.on("closed", (error) => this.#linkClosed(error));
  }

  get networkIsolated(): boolean {
    return !this.containerHasNetwork || (this.isolation === "namespace" && !this.init.allowNetwork);
  }

  /** Hands over the settings; resolves when the runner has proven its sandbox by running a command in it. */
  async start(signal: AbortSignal): Promise<void> {
    if (this.#lostError) throw this.#lostError;
    const ready = new Promise<Ready>((resolve, reject) => {
      this.#ready = { resolve, reject };
    });
    const abort = () => this.#fail("RUNNER_LOST", `runner was not ready in time: ${messageOf(signal.reason)}`);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    try {
      this.#send({ $case: "init", value: this.init });
      const { isolation, isolationReason } = await ready;
      if (!isIsolation(isolation)) throw new SwitchyardError("SANDBOX_UNAVAILABLE", isolationReason || "no isolation");
      this.isolation = isolation;
      this.#pings = setInterval(() => this.#ping(), PING_MS);
      this.#pings.unref();
      this.isolationReason = isolationReason;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  openSlot(slot: number): Promise<void> {
    this.#mayFail.add(slot);
    return this.#ask(this.#opening, slot, { $case: "openSlot", value: { slot } });
  }

  leaseSlot(slot: number, { trajectoryId, generation, env }: SlotBinding): void {
    this.#send({ $case: "leaseSlot", value: { slot, trajectoryId, generation, env: { ...env } } });
  }

  closeSlot(slot: number): Promise<void> {
    return this.#ask(this.#closing, slot, { $case: "closeSlot", value: { slot } });
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
    const ids: bigint[] = [];
    let left = operations.length;
    const done = new Promise<void>((resolve, reject) => {
      this.#batches.add(reject);
      for (const [index] of operations.entries()) {
        const id = this.#nextCallId++;
        ids.push(id);
        this.#calls.set(id, {
          finish: (outcome) => {
            onFinished(index, outcome);
            left -= 1;
            if (left > 0) return;
            this.#batches.delete(reject);
            resolve();
          },
        });
      }
    });
    const calls = operations.map((operation, index) => runCall(ids[index] ?? 0n, operation));
    for (const part of partsThatFit(calls)) this.#send({ $case: "runBatch", value: { timeoutS, calls: part } });
    return {
      done,
      cancel: (index) => {
        const callId = ids[index];
        if (callId !== undefined && this.#calls.has(callId)) this.#send({ $case: "cancelCall", value: { callId } });
      },
    };
  }

  /** Asks the runner to kill everything and end. */
  shutdown(): void {
    this.#send({ $case: "shutdown", value: {} });
  }

  #ask(pending: Map<number, Pending>, slot: number, frame: NonNullable<ServerFrame["frame"]>): Promise<void> {
    if (this.#lostError) return Promise.reject(this.#lostError);
    if (pending.has(slot)) return Promise.reject(new SwitchyardError("INTERNAL", `slot ${slot} was asked twice`));
    return new Promise((resolve, reject) => {
      pending.set(slot, { resolve, reject });
      this.#send(frame);
    });
  }

  #receive({ frame }: RunnerFrame): void {
    this.#unanswered = 0;
    switch (frame?.$case) {
      case "ready":
        if (!this.#ready) return this.violation("that it is ready, unasked");
        this.#ready.resolve(frame.value);
        this.#ready = undefined;
        break;
      case "slotOpened":
        this.#answer(this.#opening, frame.value.slot, frame.value.error);
        break;
      case "slotClosed":
        this.#answer(this.#closing, frame.value.slot, frame.value.error);
        break;
      case "callFinished":
        this.#finish(frame.value);
        break;
      case "slotFailed":
        this.#slotFailed(frame.value.slot, frame.value.error);
        break;
      case "pong":
        if (this.#pongsDue === 0) return this.violation("a pong that nobody asked for");
        this.#pongsDue -= 1;
        break;
      case undefined:
        this.violation("an empty frame");
        break;
      default:
        frame satisfies never;
    }
  }

  #answer(pending: Map<number, Pending>, slot: number, error: string): void {
    const waiting = pending.get(slot);
    pending.delete(slot);
    if (!waiting) return this.violation(`an answer for slot ${slot} that nobody asked for`);
    if (error) waiting.reject(new SwitchyardError("SANDBOX_UNAVAILABLE", error.slice(0, 1000)));
    else waiting.resolve();
  }

  #finish(frame: CallFinished): void {
    const pending = this.#calls.get(frame.callId);
    if (!pending) return this.violation("a result for a call that it does not have");
    const outcome = outcomeOfFrame(frame, this.init);
    if (!outcome) return this.violation("a result that no call can have");
    this.#calls.delete(frame.callId);
    pending.finish(outcome);
  }

  #slotFailed(slot: number, error: string): void {
    if (!this.#mayFail.delete(slot)) return this.violation(`word of slot ${slot}, which cannot have failed`);
    this.#events.emit("slotFailed", slot, new SwitchyardError("RUNNER_LOST", error.slice(0, 1000)));
  }

  #ping(): void {
    if (this.#unanswered >= UNANSWERED_MAX) {
      this.#fail("RUNNER_LOST", `runner has been silent for ${(UNANSWERED_MAX * PING_MS) / 1000} s`);
    } else {
      this.#unanswered += 1;
      this.#pongsDue += 1;
      this.#send({ $case: "ping", value: { seq: 0n } });
    }
  }

  #linkClosed(error: Error | undefined): void {
    if (error instanceof NotAFrame) this.violation(`bytes that are no frame: ${error.message}`);
    else this.#fail("RUNNER_LOST", error ? `link broken: ${error.message}` : "link closed");
  }

  /** It sent what no honest runner sends, and is lost. */
  violation(what: string): void {
    this.#fail("RUNNER_VIOLATION", `runner sent ${what}`);
  }

  #fail(reason: "RUNNER_LOST" | "RUNNER_VIOLATION", why: string): void {
    if (this.#lostError) return;
    const error = new SwitchyardError(reason, why);
    this.#lostError = error;
    clearInterval(this.#pings);
    this.#ready?.reject(error);
    for (const pending of [...this.#opening.values(), ...this.#closing.values()]) pending.reject(error);
    for (const reject of this.#batches) reject(error);
    this.#opening.clear();
    this.#closing.clear();
    this.#batches.clear();
    this.#calls.clear();
    this.#lose(error);
    this.link.close();
  }

  #send(frame: NonNullable<ServerFrame["frame"]>): void {
    this.link.send({ frame });
  }
}

function isIsolation(text: string): text is Isolation {
  return ISOLATIONS.includes(text);
}

/** One frame for all, unless they would outgrow it together; each alone came in one gRPC message. */
function partsThatFit(calls: readonly RunCall[]): RunCall[][] {
  const parts: RunCall[][] = [[]];
  let bytes = 0;
  for (const call of calls) {
    const size = contentBytes(call);
    if (bytes > 0 && bytes + size > SERVER_FRAME_BYTES_MAX / 2) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(call);
    bytes += size;
  }
  return parts;
}

function contentBytes({ operation }: RunCall): number {
  if (operation?.$case === "bash") return Buffer.byteLength(operation.value.command);
  return operation?.$case === "writeFile" ? operation.value.content.length : 0;
}

function runCall(callId: bigint, { slot, operation, noOutputTimeoutS = 0 }: SlotOperation): RunCall {
  const call = { callId, slot, noOutputTimeoutS };
  switch (operation.kind) {
    case "bash":
      return { ...call, operation: { $case: "bash", value: { command: operation.command } } };
    case "read_file": {
      const { path, offset, limit = 0, encoding } = operation;
      const value = { path, offset: BigInt(offset), limit: BigInt(limit), base64: encoding === "base64" };
      return { ...call, operation: { $case: "readFile", value } };
    }
    case "write_file": {
      const { path, content } = operation;
      return { ...call, operation: { $case: "writeFile", value: { path, content: Buffer.from(content) } } };
    }
    default:
      return operation satisfies never;
  }
}
