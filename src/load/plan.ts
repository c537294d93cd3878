// What one run is to do, as plain data: the command makes it of its flags, the coordinator hands it to every client process, and
// the report repeats it.
import type { MixItem } from "./mix.js";
import type { Stage } from "./timeline.js";

/** A server, and how to reach it. Files are read by whoever connects; no secret is in a plan. */
export interface Target {
  readonly address: string;
  readonly tls: boolean;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly serverName?: string;
  readonly tokenFile?: string;
  /** Whether the token is in TOKEN_VARIABLE, which client processes inherit. */
  readonly tokenFromEnv: boolean;
}

export const TOKEN_VARIABLE = "SWITCHYARD_CLIENT_TOKEN";

/** The time between a result and the next call of its trajectory. */
export interface Think {
  readonly meanMs: number;
  readonly exponential: boolean;
}

/**
 * closed: a trajectory makes its next call when it has thought about the last result; latency counts from sending.
 * open: calls arrive whatever the server does; latency counts from when a call was meant to start.
 * churn: a trajectory is opened, makes one call, is released and verified clean, and the next one follows.
 */
export type Pace = "closed" | "open" | "churn";

export interface LoadPlan {
  readonly target: Target;
  readonly pace: Pace;
  readonly think: Think;
  readonly stages: readonly Stage[];
  /** Trajectories at once, at most. */
  readonly streams: number;
  readonly connections: number;
  /** Client processes. */
  readonly clients: number;
  readonly mix: readonly MixItem[];
  /** Share of the shell calls that end with exit code 3. */
  readonly failureRate: number;
  /** Share of the calls that are cancelled, and how long after they were sent. */
  readonly cancelRate: number;
  readonly cancelAfterMs: number;
  readonly streamOutput: boolean;
  /** Undefined: the server's. */
  readonly timeoutS?: number;
  /** How many results one acknowledgement names. */
  readonly ackEvery: number;
  readonly pool: string;
  readonly group: string;
  readonly seed: number;
  /** How long trajectories may take to get ready. */
  readonly openWithinMs: number;
  /** How long results may take once the last call was sent. */
  readonly drainMs: number;
  /** Against the null target: an answer need only have the right id. */
  readonly lenient: boolean;
}

/** Streams that one connection carries; the server lets further ones wait in silence. */
export const STREAMS_PER_CONNECTION_MAX = 500;
