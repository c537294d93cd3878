// What the server has said of one trajectory: its life, its slot, its limits, and the calls of earlier clients that it still
// holds. Pure bookkeeping for the session.
import { CallState, type Limits, type Opened } from "../gen/switchyard/v1/trajectory.js";
import { msOf } from "./tool-result.js";

/** What a server allows; 0 where it does not say. */
export interface ServerLimits {
  /** Bytes of the largest message that it takes. */
  readonly requestBytesMax: number;
  /** Bytes of the largest message that it sends. */
  readonly responseBytesMax: number;
  /** Calls of one trajectory without an acknowledged result. The client keeps to it: further calls wait. */
  readonly unackedCallsMax: number;
  /** Characters of `ToolResult.output`. */
  readonly outputCharsMax: number;
  readonly timeoutMinMs: number;
  readonly timeoutMaxMs: number;
  readonly leaseMaxMs: number;
}

/** Where a call is that an earlier client made. */
export type UnclaimedState = "QUEUED" | "RUNNING" | "FINISHED";

/** What became of a trajectory while there was no stream. */
export interface Reopening {
  /** Whether it has no memory of what was before; never at the first `opened`. */
  readonly newLife: boolean;
  /** The generation of a slot that was lost meanwhile. */
  readonly slotLost: number | undefined;
}

/** What the server of today allows, for one that does not say. */
const UNACKED_CALLS_MAX = 1024;

export class ServerView {
  incarnation = "";
  epoch = 0;
  resumed = false;
  serverId = "";
  leaseMs = 0;
  limits: ServerLimits = limitsOf(undefined);
  slotGeneration = 0;
  readonly #unclaimed = new Map<string, UnclaimedState>();
  /** Calls of earlier clients whose results nobody wants. */
  readonly #discarded = new Set<string>();

  /** `isOurs`: whether this client made the call, in the life that it knows. */
  opened(opened: Opened, isOurs: (uniqId: string) => boolean): Reopening {
    const newLife = this.incarnation !== "" && opened.incarnation !== this.incarnation;
    const before = newLife || opened.slotGeneration === this.slotGeneration ? 0 : this.slotGeneration;
    this.incarnation = opened.incarnation;
    this.epoch = Number(opened.epoch);
    this.resumed = opened.resumed;
    this.serverId = opened.serverId;
    this.leaseMs = msOf(opened.lease);
    this.limits = limitsOf(opened.limits);
    this.slotGeneration = opened.slotGeneration;
    this.#unclaimed.clear();
    if (newLife) this.#discarded.clear();
    for (const { uniqId, state } of opened.known) if (!isOurs(uniqId)) this.#unclaimed.set(uniqId, stateOf(state));
    return { newLife, slotLost: before === 0 ? undefined : before };
  }

  get unclaimed(): ReadonlyMap<string, UnclaimedState> {
    return this.#unclaimed;
  }

  /** Calls of this client that may be in flight. */
  get window(): number {
    return Math.max(1, (this.limits.unackedCallsMax || UNACKED_CALLS_MAX) - this.#unclaimed.size);
  }

  /** The call is this client's from now on. */
  claim(uniqId: string): void {
    this.#unclaimed.delete(uniqId);
    this.#discarded.delete(uniqId);
  }

  /** Whether its result has come, and can be acknowledged now; else it is when it comes. */
  discard(uniqId: string): boolean {
    if (this.#unclaimed.get(uniqId) === "FINISHED") return this.#unclaimed.delete(uniqId);
    if (this.#unclaimed.has(uniqId)) this.#discarded.add(uniqId);
    return false;
  }

  /** A result that is not this client's; whether it was discarded before, and is to be acknowledged. */
  unclaimedResult(uniqId: string): boolean {
    this.#unclaimed.set(uniqId, "FINISHED");
    if (!this.#discarded.delete(uniqId)) return false;
    return this.#unclaimed.delete(uniqId);
  }

  ranIn(slotGeneration: number, status: string): void {
    if (status !== "LOST") this.slotGeneration = Math.max(this.slotGeneration, slotGeneration);
  }

  lostSlot(slotGeneration: number): void {
    if (this.slotGeneration <= slotGeneration) this.slotGeneration = 0;
  }
}

function stateOf(state: CallState): UnclaimedState {
  switch (state) {
    case CallState.CALL_STATE_QUEUED:
      return "QUEUED";
    case CallState.CALL_STATE_FINISHED:
      return "FINISHED";
    default:
      return "RUNNING";
  }
}

function limitsOf(limits: Limits | undefined): ServerLimits {
  return {
    requestBytesMax: limits?.requestBytesMax ?? 0,
    responseBytesMax: limits?.responseBytesMax ?? 0,
    unackedCallsMax: limits?.unackedCallsMax ?? 0,
    outputCharsMax: limits?.outputCharsMax ?? 0,
    timeoutMinMs: msOf(limits?.timeoutMin),
    timeoutMaxMs: msOf(limits?.timeoutMax),
    leaseMaxMs: msOf(limits?.leaseMax),
  };
}
