// What a trajectory is told of itself and of the server around it.
import { randomUUID } from "node:crypto";
import type { Runner, SlotBinding } from "../backend/backend.js";
import type { Call } from "../core/call.js";
import type { Clock } from "../core/clock.js";
import type { Outcome } from "../core/outcome.js";
import type { OutputSink } from "../core/output.js";
import type { Principal } from "../core/principal.js";
import type { CallTracer } from "../core/trace.js";
import type { Plan } from "../tools/catalogue.js";
import type { Submit } from "./call-queue.js";
import type { LedgerLimits } from "./ledger.js";
import type { SlotSource } from "./slot-holder.js";

export interface TrajectoryIdentity {
  readonly principal: Principal;
  readonly trajectoryId: string;
  readonly group: string;
  readonly pool: string;
  readonly env: Readonly<Record<string, string>>;
  /** SHA-256 of its resume_token. */
  readonly tokenHash: Buffer;
}

/** What tells one life of a trajectory from the next. */
export type Life = Pick<SlotBinding, "incarnation" | "beganUnixMs" | "streamEpoch">;

export function newLife(beganUnixMs: number): Life {
  return { incarnation: randomUUID(), beganUnixMs, streamEpoch: 0 };
}

/** Follows a call that its runner has already. */
export type Follow = (call: {
  readonly runner: Runner;
  readonly slot: number;
  readonly uniqId: string;
  settle(outcome: Outcome): void;
  readonly output?: OutputSink;
}) => { cancel(): void };

/** `kind` is the call's tool in one of few words: a tool of ours, `external`, `unknown` or `taken_over`. */
export type OnFinished = (kind: string, outcome: Outcome, trajectoryId: string, uniqId: string) => void;

/** Counts over all trajectories, for GetStatus. */
export interface CallCounters {
  /** Of all calls that are queued or running. */
  bytes: number;
  /** Of live output that is with the server, because clients have not taken it. */
  outputBytes: number;
  queued: number;
  total: number;
  errors: number;
}

export interface TrajectorySurroundings {
  readonly clock: Clock;
  readonly slots: SlotSource;
  readonly submit: Submit;
  readonly follow: Follow;
  readonly plan: (call: Call) => Plan;
  readonly ledger: LedgerLimits;
  /** Of calls that are queued or running; at them new calls are refused. */
  readonly callBytes: { readonly trajectoryMax: number; readonly serverMax: number };
  /** Counts a call that begins. Throws LIMIT_REACHED when they come faster than the principal may send them. */
  readonly takeCall: () => void;
  readonly queueTimeoutS: number;
  readonly lifetimeS: number;
  readonly counters: CallCounters;
  /** Told of each call that ended. */
  readonly onFinished?: OnFinished | undefined;
  /** Absent: nobody follows calls, and nothing is spent on it. */
  readonly tracer?: CallTracer | undefined;
  /** Called once, when the trajectory is over for the directory. */
  readonly onEnded: () => void;
}
