// The seam between grpc/ and trajectory/: a stream is an EventSink that the trajectory writes to, and an Attachment that
// the stream drives. Neither side knows the other's kind, so a test can drive a trajectory without a socket.
import type { Transfer, TransferRequest } from "../core/artifacts.js";
import type { Call } from "../core/call.js";
import type { SwitchyardError } from "../core/errors.js";
import type { CallStatus, Outcome } from "../core/outcome.js";
import type { OutputPiece, OutputPosition } from "../core/output.js";
import type { Principal } from "../core/principal.js";

export interface OpenRequest {
  readonly trajectoryId: string;
  /** Whoever presents it owns the trajectory; empty protects nothing. */
  readonly resumeToken: string;
  /** Fair-queue group; empty is a group like any other. */
  readonly group: string;
  /** Empty: `default`. */
  readonly pool: string;
  readonly env: Readonly<Record<string, string>>;
  /** Acquire a slot now instead of at the first sandbox call. */
  readonly acquireSlot: boolean;
  /** Fail with TRAJECTORY_UNKNOWN rather than start anew. */
  readonly requireResume: boolean;
  /** Seconds; absent: `lease.default_s`; clamped to `lease.max_s`. */
  readonly leaseS?: number;
  /** What the client has of running calls' output, by uniq_id; what is not named is sent from its beginning. */
  readonly outputPositions?: ReadonlyMap<string, OutputPosition>;
}

export type CallState = "queued" | "running" | "finished";

export type TrajectoryEvent =
  | {
      readonly kind: "opened";
      readonly trajectoryId: string;
      readonly resumed: boolean;
      readonly incarnation: string;
      readonly epoch: number;
      /** 0 while the trajectory has no slot. */
      readonly slotGeneration: number;
      readonly leaseS: number;
      /** Calls whose result has not been acknowledged, oldest first, at most KNOWN_MAX. */
      readonly known: readonly { readonly uniqId: string; readonly state: CallState }[];
      readonly knownTruncated: boolean;
    }
  | { readonly kind: "output"; readonly uniqId: string; readonly piece: OutputPiece }
  | { readonly kind: "result"; readonly uniqId: string; readonly outcome: Outcome }
  | {
      readonly kind: "rejected";
      readonly uniqId: string;
      readonly status: CallStatus;
      readonly error: string;
    }
  | { readonly kind: "slot_lost"; readonly slotGeneration: number; readonly reason: string }
  | { readonly kind: "released"; readonly wiped: boolean }
  | { readonly kind: "go_away"; readonly reason: string; readonly reconnectAfterS: number };

/** What a trajectory writes to. Calls never throw. It tells an output's piece when it was `taken`. */
export interface EventSink {
  event(event: TrajectoryEvent): void;
  /** Nothing follows. With an error the stream ends with its code, else OK. */
  end(error?: SwitchyardError): void;
}

/** What a stream drives once `open` has succeeded. Bad calls are answered by `rejected`; nothing here throws. */
export interface Attachment {
  call(call: Call): void;
  /** Harmless for a call that is unknown or finished. */
  cancel(uniqId: string): void;
  ack(uniqIds: readonly string[]): void;
  release(resetWorkspace: boolean): void;
  /** The client has no more calls: accepted ones finish, then the slot is freed and the sink ends OK. */
  halfClose(): void;
  /** The connection broke: calls run on, and the lease decides how long the trajectory outlives it. */
  detach(): void;
}

export interface ExecuteRequest {
  readonly trajectoryId: string;
  readonly resumeToken: string;
  readonly group: string;
  readonly pool: string;
  readonly call: Call;
}

export interface ReleaseRequest {
  /** Exactly one of the two. */
  readonly target: { readonly trajectoryId: string } | { readonly group: string };
  readonly resumeToken: string;
  /** Wait for the verified wipe before answering. */
  readonly resetWorkspace: boolean;
}

/** Names a trajectory that lives, and proves that it is the caller's. */
export interface TrajectoryKey {
  readonly trajectoryId: string;
  readonly resumeToken: string;
}

/** One trajectory at a glance. */
export interface TrajectoryOverview {
  readonly trajectoryId: string;
  readonly pool: string;
  readonly group: string;
  /** Whether a stream, an Execute or a transfer holds it; else its lease does. */
  readonly attached: boolean;
  readonly callsQueued: number;
  readonly callsRunning: number;
  /** Accepted in this life. */
  readonly callsTotal: number;
  /** 0 without a slot. */
  readonly slotGeneration: number;
  readonly ageMs: number;
  readonly leaseLeftMs: number | undefined;
  readonly idleMs: number;
}

/**
 * All trajectories of one server, as grpc/ uses them. A principal sees none but its own: another's are TRAJECTORY_UNKNOWN.
 * Methods throw or reject with SwitchyardError.
 */
export interface Directory {
  /** Sends `opened` to the sink first, then replays what is unacknowledged. */
  open(principal: Principal, request: OpenRequest, sink: EventSink): Attachment;
  /** One call without a stream. A repeated uniq_id with the same content attaches to it or gets its result again. */
  execute(principal: Principal, request: ExecuteRequest): Promise<Outcome>;
  /** Moves files between the trajectory's slot and the caller. Throws TRAJECTORY_UNKNOWN, NO_SLOT, LIMIT_REACHED. */
  transfer(principal: Principal, key: TrajectoryKey, request: TransferRequest): Transfer;
  /** Resolves with the number of trajectories released; TRAJECTORY_UNKNOWN when a named one does not exist. */
  release(
    principal: Principal,
    request: ReleaseRequest,
  ): Promise<{ readonly released: number; readonly wiped: boolean }>;
  /** The `max` most active ones of a principal's, and how many it has. */
  list(principal: Principal, max: number): { readonly total: number; readonly shown: readonly TrajectoryOverview[] };
}
