// What a client and its trajectories can be told when they are made, and what holds where they are not.
import type { Backoff } from "./backoff.js";
import type { SecurityOptions } from "./security.js";
import type { CallOptions } from "./trajectory.js";

/** Times are milliseconds. */
export interface ClientOptions extends SecurityOptions {
  /** Streams and requests that share one connection: 1–500. Default: 400. More connections are opened as needed. */
  readonly streamsPerConnection?: number;
  /** Waits between attempts: random, up to a bound that doubles from `initialMs` to `maxMs`. Default: 100, 10,000. */
  readonly backoff?: Partial<Backoff>;
  /** How long `open()` keeps trying. Default: 30,000. */
  readonly openTimeoutMs?: number;
  /** How long an open trajectory, or a request, keeps trying to reach the server again. Default: 600,000. */
  readonly reconnectTimeoutMs?: number;
  /** How long one attempt may wait for `opened`. Default: 20,000. */
  readonly attemptTimeoutMs?: number;
  /** A stream on which nothing came for so long is replaced; the server sends something every 20 s. Default: 60,000. */
  readonly silenceMs?: number;
  /** An idle connection is tested so often, and given up when no answer comes in time. Default: 30,000 and 10,000. */
  readonly keepaliveMs?: number;
  readonly keepaliveTimeoutMs?: number;
}

export interface OpenOptions {
  /** Matches `[A-Za-z0-9._:-]{1,128}`. Default: a random one. One that lives is resumed. */
  readonly trajectoryId?: string;
  /** Guards the trajectory; at most 1,024 bytes. Default: a random one. */
  readonly resumeToken?: string;
  /** Groups take turns in waiting for slots. Default: empty, a group like any other. */
  readonly group?: string;
  /** Where its slot comes from. Default: the pool `default`. */
  readonly pool?: string;
  /** Environment variables of every command; at most 64 KiB. */
  readonly env?: Readonly<Record<string, string>>;
  /** Seconds that it outlives its stream; clamped to `limits.leaseMaxMs`. Default: the server's (120). */
  readonly leaseS?: number;
  /** Acquire a slot now instead of at the first call. */
  readonly acquireSlot?: boolean;
  /** Fail with `TRAJECTORY_UNKNOWN` when there is nothing to resume. */
  readonly requireResume?: boolean;
  /**
   * What to do when the server forgot the trajectory while there was no stream (its lease ended, or the server did). Calls
   * that had been sent end `LOST` either way. `restart` (default): the trajectory begins anew, in an empty workspace, and
   * calls that were never sent run there, unless they have a `slotGeneration`: then they end `NOT_STARTED`. `fail`: if
   * any call was sent before, the trajectory fails with `TRAJECTORY_UNKNOWN`.
   */
  readonly onLifeLost?: "restart" | "fail";
  /** Aborted: pending calls reject with `CLOSED`, and the trajectory is released as far as the server can be told. */
  readonly signal?: AbortSignal;
}

export interface ExecuteOptions extends Omit<CallOptions, "onOutput"> {
  readonly resumeToken?: string;
  readonly group?: string;
  readonly pool?: string;
}

export const DEFAULTS = {
  streamsPerConnection: 400,
  openTimeoutMs: 30_000,
  reconnectTimeoutMs: 600_000,
  attemptTimeoutMs: 20_000,
  silenceMs: 60_000,
  keepaliveMs: 30_000,
  keepaliveTimeoutMs: 10_000,
} as const;
export const BACKOFF: Backoff = { initialMs: 100, maxMs: 10_000 };
