// The transfers of one runner, as its server drives them. Invariants: in each direction at most a window
// (link/transfer-window.ts) is on its way, and a runner that sends more, or for a transfer that it was not given, breaks the
// rules; each transfer ends once, for whoever began it, whatever becomes of the runner or of its link.
import { setImmediate as turn } from "node:timers/promises";
import type { PutRecord, SlotRecord, Transfer, TransferRequest, TransferWork } from "../core/artifacts.js";
import { type Clock, systemClock, type Timer } from "../core/clock.js";
import { SwitchyardError } from "../core/errors.js";
import type { BeginTransfer, RunnerFrame, ServerFrame, TransferEnded } from "../gen/switchyard/runner/v1/runner.js";
import {
  bytesWithin,
  TRANSFER_CHUNK_BYTES,
  TRANSFER_CREDIT,
  TRANSFER_WINDOW,
  transferCost,
} from "../link/transfer-window.js";
import { encodePutRecord, RecordReader } from "./transfer-records.js";

type Frame = NonNullable<RunnerFrame["frame"]>;
type Send = (frame: NonNullable<ServerFrame["frame"]>) => void;

/** Of one runner: 2 windows each are 16 MiB. */
const TRANSFERS_MAX = 16;
/** So long nothing may move. */
const STALL_MS_MAX = 60_000;
/** Of one transfer, however it goes on. */
const TRANSFER_MS_MAX = 3_600_000;
/** Small records to a slot go together. */
const GATHER_BYTES = 32 * 1024;
const ERROR_CHARS_MAX = 1_000;

export class Transfers {
  #live = new Map<bigint, RunnerTransfer>();
  /** Those that ended with the link before: one that the runner began over this one still tells its end. */
  #forgotten = new Map<bigint, RunnerTransfer>();
  #lastId = 0n;
  #lost: SwitchyardError | undefined;

  constructor(
    private readonly send: Send,
    private readonly clock: Clock = systemClock,
  ) {}

  /** Throws LIMIT_REACHED, or why the runner is lost. */
  begin(slot: number, request: TransferRequest): Transfer {
    if (this.#lost) throw this.#lost;
    if (this.#live.size >= TRANSFERS_MAX) {
      const text = `the trajectory's container has ${TRANSFERS_MAX} transfers under way: try again later`;
      throw new SwitchyardError("LIMIT_REACHED", text);
    }
    this.#lastId += 1n;
    const id = this.#lastId;
    const transfer = new RunnerTransfer(id, request.work, this.send, this.clock);
    this.#live.set(id, transfer);
    this.send({ $case: "beginTransfer", value: beginFrame(id, slot, request) });
    return transfer;
  }

  /** False when no honest runner would send it. */
  take(frame: Extract<Frame, { $case: "transferData" | "transferCredit" | "transferEnded" }>): boolean {
    const transfer = this.#live.get(frame.value.id) ?? this.#forgotten.get(frame.value.id);
    if (!transfer) return false;
    switch (frame.$case) {
      case "transferData":
        return transfer.takeData(frame.value.data);
      case "transferCredit":
        return transfer.takeCredit(frame.value.credit);
      case "transferEnded":
        this.#live.delete(frame.value.id);
        this.#forgotten.delete(frame.value.id);
        transfer.takeEnd(frame.value);
        return true;
      default:
        return frame satisfies never;
    }
  }

  /** The link that they belonged to is no more, and the runner has ended them. */
  endAll(why: SwitchyardError): void {
    this.#forgotten = this.#live;
    this.#live = new Map();
    for (const transfer of this.#forgotten.values()) transfer.end(why);
  }

  /** The runner is lost. */
  fail(why: SwitchyardError): void {
    this.#lost = why;
    this.endAll(why);
  }
}

class RunnerTransfer implements Transfer {
  readonly over: Promise<SwitchyardError>;
  #onOver: (why: SwitchyardError) => void = () => undefined;
  #isOver = false;
  #why: SwitchyardError | undefined;
  /** Its process has ended, and all that it said is here. */
  #isComplete = false;
  readonly #received: Buffer[] = [];
  /** What the runner may still send, and what it has not been told of that. */
  #window = TRANSFER_WINDOW;
  #due = 0;
  #sendWindow = TRANSFER_WINDOW;
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  /** Tells who waits for bytes, for room or for the end. */
  readonly #waiting = new Set<() => void>();
  #moved: number;
  readonly #began: number;
  #watch: Timer | undefined;

  constructor(
    private readonly id: bigint,
    private readonly work: TransferWork,
    private readonly tell: Send,
    private readonly clock: Clock,
  ) {
    this.over = new Promise((resolve) => {
      this.#onOver = resolve;
    });
    this.#began = clock.now();
    this.#moved = this.#began;
    this.#watchAgain(STALL_MS_MAX);
  }

  async *records(): AsyncGenerator<SlotRecord, void, undefined> {
    const reader = new RecordReader(this.work);
    for (;;) {
      const chunk = await this.#next();
      for (const record of reader.push(chunk)) {
        // What came before it ended is of no use to anybody.
        this.#checkLive();
        yield record;
        if (record.kind === "end") return;
      }
      this.#giveBack(transferCost(chunk.length));
      // However fast a slot talks, others have their turn.
      await turn();
    }
  }

  async send(record: PutRecord): Promise<void> {
    this.#checkLive();
    this.#moved = this.clock.now();
    const bytes = encodePutRecord(record);
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes < GATHER_BYTES && record.kind !== "end") return;
    let rest: Buffer = Buffer.concat(this.#gathered.splice(0));
    this.#gatheredBytes = 0;
    while (rest.length > 0) {
      const room = bytesWithin(this.#sendWindow);
      if (room < Math.min(rest.length, TRANSFER_CHUNK_BYTES)) await this.#change();
      else rest = this.#sendPiece(rest, room);
      this.#checkLive();
    }
  }

  end(why = new SwitchyardError("TRAJECTORY_ENDED", "the transfer was ended")): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#why = why;
    this.#watch?.cancel();
    this.#received.length = 0;
    this.#gathered = [];
    this.tell({ $case: "endTransfer", value: { id: this.id } });
    this.#wake();
    this.#onOver(why);
  }

  // As the runner's peer.

  takeData(data: Buffer): boolean {
    this.#window -= transferCost(data.length);
    if (data.length === 0 || data.length > TRANSFER_CHUNK_BYTES || this.#window < 0) return false;
    // What was on its way when it ended here is dropped.
    if (this.#isOver) return true;
    this.#moved = this.clock.now();
    // Copied: a frame is a view of the chunk that it came in.
    this.#received.push(Buffer.from(data));
    this.#wake();
    return true;
  }

  takeCredit(credit: number): boolean {
    this.#sendWindow += credit;
    if (credit === 0 || this.#sendWindow > TRANSFER_WINDOW) return false;
    this.#moved = this.clock.now();
    this.#wake();
    return true;
  }

  takeEnd({ error, noRoom }: TransferEnded): void {
    const text = error.slice(0, ERROR_CHARS_MAX);
    if (noRoom) this.end(new SwitchyardError("LIMIT_REACHED", text));
    else if (error) this.end(new SwitchyardError("RUNNER_LOST", `${text}; repeat the request`));
    this.#isComplete = true;
    this.#wake();
  }

  #sendPiece(bytes: Buffer, room: number): Buffer {
    const data = bytes.subarray(0, room);
    this.#sendWindow -= transferCost(data.length);
    this.tell({ $case: "transferData", value: { id: this.id, data } });
    return bytes.subarray(data.length);
  }

  async #next(): Promise<Buffer> {
    for (;;) {
      this.#checkLive();
      const chunk = this.#received.shift();
      if (chunk) return chunk;
      if (this.#isComplete)
        throw new SwitchyardError("TRANSFER_BROKEN", "its process in the slot was killed; repeat it");
      await this.#change();
    }
  }

  /** It was taken out of here. */
  #giveBack(cost: number): void {
    this.#moved = this.clock.now();
    this.#due += cost;
    if (this.#due < TRANSFER_CREDIT || this.#isOver) return;
    this.#window += this.#due;
    this.tell({ $case: "transferCredit", value: { id: this.id, credit: this.#due } });
    this.#due = 0;
  }

  #checkLive(): void {
    if (this.#why) throw this.#why;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const go of waiting) go();
  }

  #watchAgain(afterMs: number): void {
    this.#watch = this.clock.after(afterMs, () => {
      const now = this.clock.now();
      const leftMs = Math.min(this.#moved + STALL_MS_MAX, this.#began + TRANSFER_MS_MAX) - now;
      if (leftMs > 0) return this.#watchAgain(leftMs);
      const what =
        now - this.#began >= TRANSFER_MS_MAX ? "took over an hour" : `stood still for ${STALL_MS_MAX / 1000} s`;
      this.end(new SwitchyardError("TRANSFER_BROKEN", `the transfer ${what}`));
    });
  }
}

function beginFrame(id: bigint, slot: number, { path, work }: TransferRequest): BeginTransfer {
  const common = { id, slot, path };
  switch (work.kind) {
    case "read": {
      const value = { offset: BigInt(work.offset), bytesMax: BigInt(work.bytesMax) };
      return { ...common, work: { $case: "read", value } };
    }
    case "list":
      return { ...common, work: { $case: "list", value: { recursive: work.recursive, entriesMax: work.entriesMax } } };
    case "pack": {
      const value = { entriesMax: work.entriesMax, bytesMax: BigInt(work.bytesMax) };
      return { ...common, work: { $case: "pack", value } };
    }
    case "put":
      return { ...common, work: { $case: "put", value: { single: work.single } } };
    default:
      return work satisfies never;
  }
}
