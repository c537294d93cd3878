// The calls of one trajectory that have no answer yet, in the order made. Each is waiting (to be sent on this stream) or sent,
// and knows whether the server may have accepted it. Invariant: every call is settled or rejected exactly once, and
// leaves the book with it.
import type { Output } from "../gen/switchyard/v1/call.js";
import type { OutputPosition } from "../gen/switchyard/v1/trajectory.js";
import type { SwitchyardClientError } from "./errors.js";
import type { OutputReader } from "./output-reader.js";
import { localResult, type ToolResult } from "./tool-result.js";

export interface PendingCall {
  readonly uniqId: string;
  readonly bytes: Uint8Array;
  readonly slotGeneration: number | undefined;
  /** When its output is wanted as it comes. */
  readonly output: OutputReader | undefined;
  readonly settle: (result: ToolResult) => void;
  readonly reject: (error: SwitchyardClientError) => void;
}

interface Entry extends PendingCall {
  /** Whether the server may have accepted it in this life: then it may have run. */
  doubtful: boolean;
  cancelled: boolean;
  /** Number of its frame on this stream, if that was certainly its first. */
  frame: number | undefined;
}

/** A server takes no more; only calls that run count, and they were sent first. */
const POSITIONS_MAX = 1024;
const LOST = "the server forgot the trajectory before it answered; the call may have run";
const OTHER_LIFE = "the slot that it was meant for is gone: the trajectory began anew before the call was sent";
const NOT_SENT = "cancelled before it was sent";

export class CallBook {
  #waiting = new Map<string, Entry>();
  readonly #sent = new Map<string, Entry>();
  /** Sent calls whose cancel is not written on this stream. */
  readonly #cancels = new Set<string>();

  add(call: PendingCall): void {
    this.#waiting.set(call.uniqId, { ...call, doubtful: false, cancelled: false, frame: undefined });
  }

  has(uniqId: string): boolean {
    return this.#waiting.has(uniqId) || this.#sent.has(uniqId);
  }

  get size(): number {
    return this.#waiting.size + this.#sent.size;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** The next call to write, in the frame of this number; undefined when there is none or `window` are in flight. */
  send(frame: number, window: number): PendingCall | undefined {
    const [entry] = this.#waiting.values();
    if (entry === undefined || this.#sent.size >= window) return undefined;
    this.#waiting.delete(entry.uniqId);
    this.#sent.set(entry.uniqId, entry);
    entry.frame = entry.doubtful ? undefined : frame;
    entry.doubtful = true;
    if (entry.cancelled) this.#cancels.add(entry.uniqId);
    return entry;
  }

  /** A cancel to write. */
  sendCancel(): string | undefined {
    const [uniqId] = this.#cancels;
    if (uniqId !== undefined) this.#cancels.delete(uniqId);
    return uniqId;
  }

  cancel(uniqId: string): void {
    const entry = this.#waiting.get(uniqId) ?? this.#sent.get(uniqId);
    if (entry === undefined || entry.cancelled) return;
    entry.cancelled = true;
    if (!entry.doubtful) this.#settle(entry, localResult(uniqId, "CANCELLED", NOT_SENT));
    else if (this.#sent.has(uniqId)) this.#cancels.add(uniqId);
  }

  /** Takes a call out that the server answered; undefined for one that it cannot have had from here. */
  answered(uniqId: string): Entry | undefined {
    const entry = this.#sent.get(uniqId) ?? this.#waiting.get(uniqId);
    if (!entry?.doubtful) return undefined;
    this.#remove(uniqId);
    return entry;
  }

  /** Of a call that runs; another's is nobody's. */
  output(output: Output): void {
    const entry = this.#sent.get(output.uniqId) ?? this.#waiting.get(output.uniqId);
    entry?.output?.take(output);
  }

  /** What a new stream need not send again. */
  outputPositions(): OutputPosition[] {
    const sent = [...this.#sent.values()].flatMap(({ uniqId, output }) => output?.position(uniqId) ?? []);
    return sent.slice(0, POSITIONS_MAX);
  }

  /** A new stream of the same life: sent calls that the server does not know of are to be sent again, before the others. */
  reopen(known: ReadonlySet<string>, truncated: boolean): void {
    this.#cancels.clear();
    const again: Entry[] = [];
    for (const entry of [...this.#sent.values()]) {
      entry.frame = undefined;
      if (known.has(entry.uniqId)) {
        if (entry.cancelled) this.#cancels.add(entry.uniqId);
        continue;
      }
      entry.doubtful = truncated;
      if (entry.cancelled && !truncated) this.#settle(entry, localResult(entry.uniqId, "CANCELLED", NOT_SENT));
      else again.push(entry);
    }
    for (const { uniqId } of again) this.#sent.delete(uniqId);
    this.#waiting = new Map([...again, ...this.#waiting.values()].map((entry) => [entry.uniqId, entry]));
  }

  /** A new life: what the old one may have accepted is lost. Tells which. */
  loseDoubtful(): string[] {
    const lost = [...this.#sent.values(), ...this.#waiting.values()].filter(({ doubtful }) => doubtful);
    for (const entry of lost) this.#settle(entry, localResult(entry.uniqId, "LOST", LOST));
    return lost.map(({ uniqId }) => uniqId);
  }

  /** A new life: its slot generations begin again at 1, and must not be taken for the old ones. */
  dropGuarded(): void {
    for (const entry of [...this.#waiting.values()]) {
      if (entry.slotGeneration === undefined) continue;
      this.#settle(entry, localResult(entry.uniqId, "NOT_STARTED", OTHER_LIFE));
    }
  }

  /** What no server has seen ends CANCELLED. */
  cancelUnsent(): void {
    for (const { uniqId, doubtful } of [...this.#waiting.values()]) if (!doubtful) this.cancel(uniqId);
  }

  rejectAll(error: SwitchyardClientError): void {
    for (const entry of [...this.#sent.values(), ...this.#waiting.values()]) {
      this.#remove(entry.uniqId);
      entry.reject(error);
    }
  }

  #settle(entry: Entry, result: ToolResult): void {
    this.#remove(entry.uniqId);
    entry.settle(result);
  }

  #remove(uniqId: string): void {
    this.#waiting.delete(uniqId);
    this.#sent.delete(uniqId);
    this.#cancels.delete(uniqId);
  }
}
