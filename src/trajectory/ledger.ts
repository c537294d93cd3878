// What one trajectory's calls have come to, by uniq_id: accepted, running, finished, acknowledged.
// Invariants: a uniq_id is accepted once in the life of the trajectory; an outcome is kept until it is acknowledged
// (calls of a stream) or pushed out of a bounded window (calls of Execute); digests are kept for the whole life.
import type { AdoptedCall } from "../backend/backend.js";
import { type Call, callDigest } from "../core/call.js";
import { SwitchyardError } from "../core/errors.js";
import type { CallStatus, Outcome } from "../core/outcome.js";
import { contextOf } from "./call-context.js";
import type { CallState } from "./session.js";

export interface LedgerLimits {
  /** Calls that are queued, running or finished and not acknowledged. */
  readonly callsMax: number;
  /** Bytes of outcomes kept; at it no new call starts. */
  readonly bytesMax: number;
}

/** Digests of one trajectory; at it new calls are refused. */
const DIGESTS_MAX = 100_000;
/** Outcomes of Execute that are kept for a repeated request. */
const EXECUTE_WINDOW = 64;
/** They come to the same however often they are tried, and no runner can have them. */
const NEVER_RAN: ReadonlySet<CallStatus> = new Set(["INVALID", "UNKNOWN_TOOL", "EXTERNAL_FAILED"]);
/** Of an outcome beside its texts. */
const OUTCOME_BYTES = 512;

export interface Entry {
  readonly uniqId: string;
  readonly digest: string;
  /** Of the call, while it is unfinished. */
  readonly bytes: number;
  state: CallState;
  outcome: Outcome | undefined;
  /** Whether a stream is owed the result; else only callers of Execute asked. */
  forStream: boolean;
  /** Callers of Execute who wait for the end. */
  readonly waiting: ((outcome: Outcome) => void)[];
}

export type Admission =
  | { readonly kind: "new"; readonly entry: Entry }
  /** The same call came before: its end is, or will be, the answer. */
  | { readonly kind: "known"; readonly entry: Entry };

export class Ledger {
  readonly #digests = new Map<string, string>();
  readonly #entries = new Map<string, Entry>();
  #unfinished = 0;
  #bytes = 0;

  constructor(
    private readonly limits: LedgerLimits,
    /** Told which outcomes are no longer kept. */
    private readonly onForgotten: (uniqIds: readonly string[]) => void,
  ) {}

  /** Throws CALL_CONFLICT or LIMIT_REACHED: then the call was never accepted. */
  admit(call: Call, forStream: boolean): Admission {
    const digest = callDigest(call);
    const before = this.#digests.get(call.uniqId);
    if (before !== undefined) return { kind: "known", entry: this.#known(call.uniqId, before === digest, forStream) };
    if (this.#digests.size >= DIGESTS_MAX)
      throw limit(`this trajectory has had its ${DIGESTS_MAX} calls; begin another`);
    if (this.#entries.size >= this.limits.callsMax) this.#dropWindow(1);
    if (this.#entries.size >= this.limits.callsMax) {
      throw limit(`this trajectory has ${this.#entries.size} calls unfinished or unacknowledged; acknowledge results`);
    }
    const { uniqId, bytes } = call;
    const entry = this.#enter({ uniqId, digest, bytes, forStream, state: "queued" });
    return { kind: "new", entry };
  }

  /** A call that an earlier server accepted. Undefined when its result was acknowledged. */
  restore(call: Pick<AdoptedCall, "uniqId" | "digest" | "forStream" | "state">): Entry | undefined {
    const { state, ...identity } = call;
    if (state !== "acknowledged") return this.#enter({ ...identity, bytes: 0, state: "running" });
    this.#digests.set(call.uniqId, call.digest);
    return undefined;
  }

  /** Whether a call of that name was ever accepted. */
  has(uniqId: string): boolean {
    return this.#digests.has(uniqId);
  }

  /** What the runner of a new slot is to know of the calls before it: those that no server may run again. */
  recall(): AdoptedCall[] {
    const calls: AdoptedCall[] = [];
    for (const [uniqId, digest] of this.#digests) {
      const entry = this.#entries.get(uniqId);
      if (!entry)
        calls.push({ uniqId, digest, forStream: true, streamOutput: false, state: "acknowledged", context: "" });
      else if (entry.outcome && !NEVER_RAN.has(entry.outcome.status)) {
        const { outcome, forStream } = entry;
        const known = { uniqId, digest, forStream, streamOutput: false, context: contextOf(outcome) };
        calls.push({ ...known, state: "finished", outcome });
      }
    }
    return calls;
  }

  get(uniqId: string): Entry | undefined {
    return this.#entries.get(uniqId);
  }

  /** Calls that are queued or running. */
  get unfinished(): number {
    return this.#unfinished;
  }

  /** Of the outcomes that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  get isFull(): boolean {
    return this.#bytes >= this.limits.bytesMax;
  }

  finish(entry: Entry, outcome: Outcome): void {
    entry.state = "finished";
    entry.outcome = outcome;
    this.#unfinished -= 1;
    this.#bytes += sizeOf(outcome);
    if (entry.waiting.length > 0) for (const settle of entry.waiting.splice(0)) settle(outcome);
    if (!entry.forStream || this.isFull) this.#trimWindow();
  }

  /** Forgets the outcomes that a stream's client has. Unknown ids and unfinished calls are left alone. */
  acknowledge(uniqIds: readonly string[]): void {
    const acknowledged: Entry[] = [];
    for (const uniqId of uniqIds) {
      const entry = this.#entries.get(uniqId);
      if (entry?.state === "finished" && entry.forStream) acknowledged.push(entry);
    }
    this.#forget(acknowledged);
  }

  /** What a stream is owed or has not acknowledged, oldest first. */
  forStream(): Entry[] {
    return [...this.#entries.values()].filter((entry) => entry.forStream);
  }

  #known(uniqId: string, same: boolean, forStream: boolean): Entry {
    if (!same) throw conflict(`uniq_id ${uniqId} was used before for another call; choose a new one`);
    const entry = this.#entries.get(uniqId);
    if (!entry) throw conflict(`uniq_id ${uniqId} was used before, and its result is no longer kept; choose a new one`);
    if (forStream) entry.forStream = true;
    return entry;
  }

  /** The newest stays, for a repeated request. */
  #trimWindow(): void {
    this.#dropWindow(this.#window().length - EXECUTE_WINDOW);
    while (this.isFull && this.#window().length > 1) this.#dropWindow(1);
  }

  /** Nobody acknowledges the results of Execute, so they must not keep new calls out. */
  #dropWindow(count: number): void {
    this.#forget(this.#window().slice(0, Math.max(0, count)));
  }

  /** Finished calls of Execute, oldest first. */
  #window(): Entry[] {
    return [...this.#entries.values()].filter(({ forStream, state }) => !forStream && state === "finished");
  }

  #enter(call: Pick<Entry, "uniqId" | "digest" | "bytes" | "forStream" | "state">): Entry {
    const { uniqId, digest, bytes, forStream, state } = call;
    const entry: Entry = { uniqId, digest, bytes, forStream, state, outcome: undefined, waiting: [] };
    this.#digests.set(entry.uniqId, entry.digest);
    this.#entries.set(entry.uniqId, entry);
    this.#unfinished += 1;
    return entry;
  }

  #forget(entries: readonly Entry[]): void {
    for (const { uniqId, outcome } of entries) {
      if (this.#entries.delete(uniqId) && outcome) this.#bytes -= sizeOf(outcome);
    }
    if (entries.length > 0) this.onForgotten(entries.map(({ uniqId }) => uniqId));
  }
}

function sizeOf({ output, error }: Outcome): number {
  return OUTCOME_BYTES + 2 * (output.length + error.length);
}

function conflict(message: string): SwitchyardError {
  return new SwitchyardError("CALL_CONFLICT", message);
}

function limit(message: string): SwitchyardError {
  return new SwitchyardError("LIMIT_REACHED", message);
}
