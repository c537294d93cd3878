// One trajectory as callers hold it: promises, signals and events around a session.
import { randomUUID } from "node:crypto";
import type { PendingCall } from "./call-book.js";
import { SwitchyardClientError } from "./errors.js";
import { EventHub, type TrajectoryEvent } from "./events.js";
import { encodeCallFrame, type ToolArguments } from "./messages.js";
import { onAbort } from "./on-abort.js";
import { type OutputChunk, OutputReader } from "./output-reader.js";
import type { ServerLimits, UnclaimedState } from "./server-view.js";
import { Session, type SessionOptions } from "./session.js";
import { localResult, type ToolResult } from "./tool-result.js";

/** Of one call. Times are seconds, and may be fractions. */
export interface CallOptions {
  /** Matches `[A-Za-z0-9._:-]{1,128}`, and is unique within the trajectory. Default: a random one. */
  readonly uniqId?: string | undefined;
  /** How long it may run; the server clamps it (1–600). Default: the model's `timeout` argument, else the pool's (30). */
  readonly timeoutS?: number | undefined;
  /** How long it may wait at the server until it starts; then it ends `NOT_STARTED`. Default: the server's (600). */
  readonly queueTimeoutS?: number | undefined;
  /** Ends it `TIMED_OUT` when it printed nothing for so long. Default: no such limit. */
  readonly noOutputTimeoutS?: number | undefined;
  /**
   * Run only in this slot, else end `NOT_STARTED`: for a call that builds on files of earlier ones. Take it from a result
   * or from `trajectory.slotGeneration`.
   */
  readonly slotGeneration?: number | undefined;
  /** W3C `traceparent` of the span that the server's spans of this call go below. A malformed one is ignored. */
  readonly traceParent?: string | undefined;
  /** Aborted: the call is cancelled, and resolves as `CANCELLED` unless it ended otherwise before. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Gets what a command writes while it runs, each byte at most once and before the promise resolves. It goes on after a
   * reconnect; what could not be had is named by `missing`. What it throws becomes an uncaught exception, and what takes
   * long in it holds up the whole client. File tools write nothing.
   */
  readonly onOutput?: ((chunk: OutputChunk) => void) | undefined;
}

/** Names that trajectory to {@link SwitchyardClient}'s other methods, and to a later process. */
export interface TrajectoryKey {
  readonly trajectoryId: string;
  readonly resumeToken: string;
}

type SessionParts = Omit<SessionOptions, "emit" | "onEnded">;

interface Owner {
  began(trajectory: Trajectory): void;
  ended(trajectory: Trajectory): void;
}

/** Made by `client.open()`. */
export class Trajectory {
  readonly trajectoryId: string;
  /** Whoever has it owns the trajectory. Keep it to resume from another process. */
  readonly resumeToken: string;
  readonly #session: Session;
  readonly #hub = new EventHub();
  readonly #ended: Promise<void>;
  #unwatch = () => {};

  /** @internal */
  static async open(parts: SessionParts, signal: AbortSignal | undefined, owner: Owner): Promise<Trajectory> {
    signal?.throwIfAborted();
    const trajectory = new Trajectory(parts, owner);
    owner.began(trajectory);
    await trajectory.#start(signal);
    return trajectory;
  }

  private constructor(parts: SessionParts, owner: Owner) {
    this.trajectoryId = parts.open.trajectoryId;
    this.resumeToken = parts.open.resumeToken;
    let settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
    this.#ended = new Promise<void>((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.#ended.catch(() => {}); // Whoever waits for it gets it.
    this.#session = new Session({
      ...parts,
      emit: (event) => this.#hub.emit(event),
      onEnded: (failure) => {
        this.#unwatch();
        owner.ended(this);
        this.#hub.end(failure);
        if (failure === undefined) settle?.resolve();
        else settle?.reject(failure);
      },
    });
  }

  /** The life of the trajectory that the stream is in; a new one after the server forgot it. */
  get incarnation(): string {
    return this.#session.view.incarnation;
  }

  /** Whether the newest `opened` went on with what was there before. */
  get resumed(): boolean {
    return this.#session.view.resumed;
  }

  /** Counts the streams of this life, from 1. */
  get epoch(): number {
    return this.#session.view.epoch;
  }

  /** Which server it is; new for each start of one. */
  get serverId(): string {
    return this.#session.view.serverId;
  }

  /** The slot in use, from 1, as far as the server has said; 0 while there is none. */
  get slotGeneration(): number {
    return this.#session.view.slotGeneration;
  }

  /** Milliseconds that the trajectory outlives its stream. */
  get leaseMs(): number {
    return this.#session.view.leaseMs;
  }

  get limits(): ServerLimits {
    return this.#session.view.limits;
  }

  /**
   * Calls that an earlier client made under this `trajectoryId`, and whose results nobody acknowledged. `call()` with the
   * same `uniqId` and content gets the result; `discard()` gives it up. They count against `limits.unackedCallsMax`.
   */
  get unclaimed(): ReadonlyMap<string, UnclaimedState> {
    return this.#session.view.unclaimed;
  }

  /**
   * Runs a tool. Resolves with its result, whatever its status, once and in spite of broken connections; the result is
   * acknowledged then. Calls run one at a time in the order made; those beyond `limits.unackedCallsMax` wait here.
   *
   * Rejects with {@link CallRejectedError} when the server never accepted it, and with {@link SwitchyardClientError}:
   * `INVALID_FIELD` (an option or the arguments are malformed), `LIMIT_REACHED` (larger than a message may be),
   * `CALL_CONFLICT` (this `uniqId` is pending), `CLOSED`, or why the trajectory failed: `SUPERSEDED`, `WRONG_TOKEN`,
   * `TRAJECTORY_ENDED`, `UNREACHABLE`, …
   */
  call(name: string, args: ToolArguments = {}, options: CallOptions = {}): Promise<ToolResult> {
    const { uniqId = randomUUID(), signal, onOutput, ...fields } = options;
    return new Promise<ToolResult>((resolve, reject) => {
      const refusal = this.#session.refusal;
      if (refusal !== undefined) throw refusal;
      const streamOutput = onOutput !== undefined;
      const bytes = encodeCallFrame({ ...fields, uniqId, name, arguments: args, streamOutput });
      this.#check(uniqId, bytes.length);
      if (signal?.aborted) return resolve(localResult(uniqId, "CANCELLED", "cancelled before it was sent"));
      const forget = onAbort(signal, () => this.#session.cancel(uniqId));
      const call: PendingCall = {
        uniqId,
        bytes,
        slotGeneration: fields.slotGeneration,
        output: onOutput && new OutputReader(onOutput),
        settle: (result) => {
          forget();
          resolve(result);
          this.#hub.emit({ type: "result", result });
        },
        reject: (error) => {
          forget();
          reject(error);
        },
      };
      this.#session.call(call);
    });
  }

  /** Gives up the result of an {@link Trajectory.unclaimed} call; others are left alone. It is not cancelled. */
  discard(uniqId: string): void {
    this.#session.discard(uniqId);
  }

  /**
   * What happens from now on, until the trajectory ends; throws if it fails. Every iterator gets everything; one that
   * leaves 10,000 events unread throws `EVENTS_OVERFLOW`.
   */
  events(): AsyncIterableIterator<TrajectoryEvent> {
    return this.#hub.iterate();
  }

  /**
   * No more calls. Resolves when all of them have their results, the slot is given back, and the stream ended OK. Rejects
   * if the trajectory fails before.
   */
  close(): Promise<void> {
    this.#session.close();
    return this.#ended;
  }

  /**
   * Ends the trajectory now: pending calls end `CANCELLED`. `resetWorkspace`: resolves only when the slot has been wiped.
   * `wiped` says whether that was verified; false when it was not asked for, or cannot be known.
   */
  async release(options: { readonly resetWorkspace?: boolean } = {}): Promise<{ readonly wiped: boolean }> {
    this.#session.release(options.resetWorkspace ?? false);
    await this.#ended;
    return { wiped: this.#session.wiped };
  }

  /** @internal Cuts the stream; the server keeps the trajectory for its lease. */
  abandon(error: SwitchyardClientError): void {
    this.#session.abandon(error, false);
  }

  async #start(signal: AbortSignal | undefined): Promise<void> {
    const opened = new Promise<void>((resolve) => this.#session.start(resolve));
    this.#unwatch = onAbort(signal, () => {
      const message = "the trajectory's signal was aborted";
      this.#session.abandon(new SwitchyardClientError("CLOSED", message, { cause: signal?.reason }), true);
    });
    await Promise.race([opened, this.#ended]);
  }

  #check(uniqId: string, bytes: number): void {
    const { requestBytesMax } = this.limits;
    if (requestBytesMax > 0 && bytes > requestBytesMax) {
      const text = `the call has ${bytes} bytes; the server takes ${requestBytesMax} (limits.requestBytesMax)`;
      throw new SwitchyardClientError("LIMIT_REACHED", text);
    }
    if (!this.#session.isPending(uniqId)) return;
    throw new SwitchyardClientError("CALL_CONFLICT", `uniqId ${uniqId} has no result yet; choose another`);
  }
}
