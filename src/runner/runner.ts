// The runner: owns N slots and executes what the server asks for over the link. One per container.
import { constants } from "node:os";
import type {
  CallFinished,
  Init,
  RunBatch,
  RunCall,
  RunnerFrame,
  ServerFrame,
} from "../gen/switchyard/runner/v1/runner.js";
import type { Link } from "../link/link.js";
import { proveIsolation } from "./proof.js";
import { CannotStart } from "./sandbox/launcher.js";
import type { SandboxKind, SlotLimits } from "./sandbox/sandbox.js";
import { Slot, type SlotSettings } from "./slot.js";
import { runBash } from "./tools/bash.js";
import { readFile, writeFile } from "./tools/files.js";
import { type Finished, finishedWith } from "./tools/finished.js";
import type { AbortReason } from "./tools/supervise.js";
import { Watch, type WatchedSlot } from "./watch.js";

export interface RunnerSurroundings {
  readonly slotsFolder: string;
  /** Top-level folders that no slot may see. */
  readonly hidden: readonly string[];
  /** Interpreter for the launchers of slots that see the runner's own files; inside namespaces it is the image's. */
  readonly perl: readonly string[];
  /** Ends the process after everything in the slots is dead. */
  exit(code: number): void;
  /** Writes one line for the operator. */
  log(text: string): void;
}

type Operation = NonNullable<RunCall["operation"]>;

export class Runner {
  #slots: Slot[] = [];
  #init: Init | undefined;
  readonly #running = new Map<bigint, { slot: number; abort: AbortController; ended: Promise<void> }>();
  #watch: Watch | undefined;
  #grace: NodeJS.Timeout | undefined;
  #ending = false;

  constructor(
    private readonly link: Link<RunnerFrame, ServerFrame>,
    private readonly surroundings: RunnerSurroundings,
  ) {
    link.on("frame", (frame) => this.#receive(frame));
  }

  /** Kills everything in every slot, then exits. */
  async end(code: number): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    clearTimeout(this.#grace);
    this.#watch?.stop();
    const closed = await Promise.allSettled(this.#slots.map((slot) => slot.close()));
    for (const result of closed) if (result.status === "rejected") this.surroundings.log(String(result.reason));
    await Promise.allSettled(this.#slots.map((slot) => slot.deleted()));
    this.surroundings.exit(code);
  }

  #receive({ frame }: ServerFrame): void {
    this.#grace?.refresh();
    if (this.#ending || !frame) return;
    switch (frame.$case) {
      case "init":
        void this.#prepare(frame.value);
        break;
      case "openSlot":
        void this.#openSlot(frame.value.slot);
        break;
      case "leaseSlot":
        this.#slots[frame.value.slot]?.lease(frame.value.env);
        break;
      case "closeSlot":
        void this.#closeSlot(frame.value.slot);
        break;
      case "runBatch":
        this.#runBatch(frame.value);
        break;
      case "cancelCall":
        this.#running.get(frame.value.callId)?.abort.abort("cancel" satisfies AbortReason);
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
    this.#grace = setTimeout(() => {
      this.surroundings.log(`no word from the server for ${init.graceS} s`);
      void this.end(1);
    }, init.graceS * 1000);
    try {
      const { kind, reason } = await proveIsolation(init.isolation, this.#settings(init, 0));
      this.#slots = Array.from({ length: init.slots }, (_, index) => this.#makeSlot(init, index, kind));
      const limits = slotLimits(init);
      this.#watch = new Watch(
        this.#slots.map((slot, index) => this.#watched(slot, index)),
        limits,
      );
      this.#send({ $case: "ready", value: { isolation: kind, isolationReason: reason, pid: process.pid } });
    } catch (error) {
      this.#send({ $case: "ready", value: { isolation: "", isolationReason: text(error), pid: process.pid } });
    }
  }

  #settings(init: Init, index: number): Omit<SlotSettings, "kind"> {
    const { slotsFolder, hidden, perl } = this.surroundings;
    const limits = slotLimits(init);
    // A sandbox that is the whole container runs what it runs as the image's own user.
    const uid = init.uidBase > 0 && init.isolation !== "container" ? { uid: init.uidBase + index } : {};
    return { slotsFolder, hidden, perl, limits, allowNetwork: init.allowNetwork, ...uid };
  }

  #makeSlot(init: Init, index: number, kind: SandboxKind): Slot {
    return new Slot(String(index), { ...this.#settings(init, index), kind }, (why) =>
      this.#send({ $case: "slotFailed", value: { slot: index, error: why } }),
    );
  }

  #watched(slot: Slot, index: number): WatchedSlot {
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
        if (this.#abortCalls(index, "memory").length === 0) slot.killAll();
      },
      overForGood: (why) => {
        const ended = this.#abortCalls(index, "limit");
        // In this order, or the call would count as lost with its slot.
        void Promise.all(ended).then(() => slot.fail(`${why}, over its limit`));
      },
    };
  }

  /** The ends of the calls that there were to abort. */
  #abortCalls(slot: number, reason: AbortReason): Promise<void>[] {
    const calls = [...this.#running.values()].filter((call) => call.slot === slot);
    for (const { abort } of calls) abort.abort(reason);
    return calls.map(({ ended }) => ended);
  }

  async #openSlot(index: number): Promise<void> {
    const error = await outcomeOf(this.#slots[index]?.open() ?? Promise.reject(new Error("no such slot")));
    this.#send({ $case: "slotOpened", value: { slot: index, error } });
  }

  async #closeSlot(index: number): Promise<void> {
    const error = await outcomeOf(this.#slots[index]?.close() ?? Promise.reject(new Error("no such slot")));
    this.#send({ $case: "slotClosed", value: { slot: index, error } });
  }

  #runBatch(batch: RunBatch): void {
    for (const call of batch.calls) {
      const abort = new AbortController();
      const ended = this.#runCall(call, batch.timeoutS, abort.signal);
      this.#running.set(call.callId, { slot: call.slot, abort, ended });
    }
  }

  async #runCall(call: RunCall, timeoutS: number, cancelled: AbortSignal): Promise<void> {
    const start = performance.now();
    let finished: Finished;
    try {
      finished = await this.#operate(call, timeoutS, cancelled);
      if (wasKilled(finished) && this.#watch?.outOfMemorySince(start)) finished = { ...finished, ...OUT_OF_MEMORY };
    } catch (error) {
      // Nothing of it ran: a run begins only once it was handed over. A slot that is full is its own code's doing.
      finished = finishedWith(error instanceof CannotStart ? "TOOL_FAILED" : "NOT_STARTED", text(error));
    }
    this.#running.delete(call.callId);
    this.#send({ $case: "callFinished", value: frameOf(call.callId, finished, performance.now() - start) });
  }

  #operate(call: RunCall, timeoutS: number, cancelled: AbortSignal): Promise<Finished> {
    const slot = this.#slots[call.slot];
    if (!slot || !this.#init || !call.operation) return Promise.reject(new Error("no such slot or operation"));
    const { outputCharsMax: charsMax, fileBytesMax } = this.#init;
    const fileLimits = { timeoutS, fileBytesMax };
    const operation: Operation = call.operation;
    switch (operation.$case) {
      case "bash": {
        const limits = { timeoutS, noOutputTimeoutS: call.noOutputTimeoutS, charsMax };
        return runBash(slot, operation.value.command, limits, cancelled);
      }
      case "readFile": {
        const { path, offset, limit, base64 } = operation.value;
        return readFile(slot, { path, offset: Number(offset), limit: Number(limit), base64 }, fileLimits, cancelled);
      }
      case "writeFile":
        return writeFile(slot, operation.value.path, operation.value.content, fileLimits, cancelled);
      default:
        return operation satisfies never;
    }
  }

  #send(frame: NonNullable<RunnerFrame["frame"]>): void {
    this.link.send({ frame });
  }
}

/** Of an error text; the server takes no longer one. */
const ERROR_CHARS_MAX = 5_000;
const OUT_OF_MEMORY = { status: "OUT_OF_MEMORY", error: "Out of memory: killed by the container's limit" } as const;

/** By SIGKILL: the main process itself, or one whose exit code a shell passed on. */
function wasKilled({ signal, exitCode }: Finished): boolean {
  return signal === "SIGKILL" || exitCode === 128 + constants.signals.SIGKILL;
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

function frameOf(callId: bigint, finished: Finished, execMs: number): CallFinished {
  return {
    callId,
    status: finished.status,
    output: finished.output,
    error: finished.error.slice(0, ERROR_CHARS_MAX),
    exitCode: finished.exitCode,
    signal: finished.signal ?? "",
    outputBytes: BigInt(finished.outputBytes),
    truncated: finished.truncated,
    execMs,
    fileSize: finished.fileSize === undefined ? undefined : BigInt(finished.fileSize),
  };
}

async function outcomeOf(work: Promise<void>): Promise<string> {
  try {
    await work;
    return "";
  } catch (error) {
    return text(error) || "unknown error";
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
