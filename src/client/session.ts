// One trajectory over as many streams as it takes. Knows no gRPC: streams come from `connect`, time from `clock`.
//
//               ┌──────────── retry: backoff, after what go_away asked for ────────────┐
//               ▼                                                                      │
//          connecting ─opened→ open ─go_away→ leaving ─┐                               │
//               └───── cut, UNAVAILABLE, silence ──────┴───────────────────→ waiting ──┘
//
//   any of them ─ final error, no connection in time, abandoned ─→ ended (failed: every pending call is rejected)
//   open, leaving ─ half-close or release, and OK ───────────────→ ended
//
// Invariants: at most one stream; nothing but `open` is written before `opened` came; once ended, no call is pending.
import type { Clock, Timer } from "../core/clock.js";
import type { Open, Opened } from "../gen/switchyard/v1/trajectory.js";
import { type Backoff, fullJitterMs } from "./backoff.js";
import type { PendingCall } from "./call-book.js";
import { SwitchyardClientError } from "./errors.js";
import type { TrajectoryEvent } from "./events.js";
import { Exchange } from "./exchange.js";
import type { Failure } from "./grpc-error.js";
import { encodeFrame } from "./messages.js";
import type { ServerView } from "./server-view.js";
import { msOf } from "./tool-result.js";
import type { Connect, Frame } from "./transport.js";
import { Uplink } from "./uplink.js";

export interface SessionTimes {
  readonly backoff: Backoff;
  /** For the first `opened`, over all attempts. */
  readonly openTimeoutMs: number;
  /** For each later one. */
  readonly reconnectTimeoutMs: number;
  /** For one attempt. */
  readonly attemptTimeoutMs: number;
  /** A stream that is silent for so long is given up. */
  readonly silenceMs: number;
}

export interface SessionOptions extends SessionTimes {
  readonly connect: Connect;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly open: Omit<Open, "requireResume" | "outputPositions">;
  /** At the first open. */
  readonly requireResume: boolean;
  readonly onLifeLost: "restart" | "fail";
  readonly emit: (event: TrajectoryEvent) => void;
  /** Once, when it has ended; after every call was settled or rejected. */
  readonly onEnded: (failure: SwitchyardClientError | undefined) => void;
}

type Ending = { readonly kind: "close" } | { readonly kind: "release"; readonly resetWorkspace: boolean };

export class Session {
  readonly #options: SessionOptions;
  readonly #exchange: Exchange;
  #state: "connecting" | "open" | "leaving" | "waiting" | "ended" = "connecting";
  #uplink: Uplink | undefined;
  #retry: Timer | undefined;
  #flushTurn: Timer | undefined;
  /** Attempts since the last stream that proved good. */
  #attempt = 0;
  #deadlineMs: number;
  #notBeforeMs = 0;
  #ending: Ending | undefined;
  /** Whether this stream was half-closed or told to release. */
  #asked = false;
  #wiped: boolean | undefined;
  #failure: SwitchyardClientError | undefined;
  #onOpened: (() => void) | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#exchange = new Exchange(options.emit);
    this.#deadlineMs = options.clock.now() + options.openTimeoutMs;
  }

  /** Once. `onOpened` comes with the first `opened`. */
  start(onOpened: () => void): void {
    this.#onOpened = onOpened;
    this.#connect();
  }

  /** Why no call is taken any more; undefined while calls are. */
  get refusal(): SwitchyardClientError | undefined {
    if (this.#failure !== undefined) return this.#failure;
    const closed = this.#ending !== undefined || this.#state === "ended";
    return closed ? new SwitchyardClientError("CLOSED", "the trajectory is closed") : undefined;
  }

  get view(): ServerView {
    return this.#exchange.view;
  }

  /** Whether a release was answered with a verified wipe. */
  get wiped(): boolean {
    return this.#wiped === true;
  }

  isPending(uniqId: string): boolean {
    return this.#exchange.book.has(uniqId);
  }

  call(call: PendingCall): void {
    this.#exchange.book.add(call);
    this.#flush();
  }

  cancel(uniqId: string): void {
    this.#exchange.book.cancel(uniqId);
    this.#flush();
  }

  discard(uniqId: string): void {
    this.#exchange.discard(uniqId);
    this.#flush();
  }

  /** No more calls. Ends when every pending one has its result. */
  close(): void {
    this.#ending ??= { kind: "close" };
    this.#flush();
  }

  /** Ends every pending call, and the trajectory. Too late once a close has half-closed the stream. */
  release(resetWorkspace: boolean): void {
    if (this.#asked || this.#state === "ended") return;
    this.#ending = { kind: "release", resetWorkspace };
    this.#exchange.book.cancelUnsent();
    this.#flush();
  }

  /** Fails at once. The trajectory is released if there is a stream to say it on, else its lease ends it. */
  abandon(error: SwitchyardClientError, release: boolean): void {
    if (this.#state === "ended") return this.#uplink?.cut();
    if (release && (this.#state === "open" || this.#state === "leaving") && !this.#asked) {
      this.#uplink?.write(encodeFrame({ $case: "release", value: { resetWorkspace: false } }));
    } else {
      this.#uplink?.cut();
    }
    this.#fail(error);
  }

  #connect(): void {
    const { clock, connect, attemptTimeoutMs, silenceMs } = this.#options;
    this.#state = "connecting";
    this.#asked = false;
    const openedWithinMs = Math.max(1, Math.min(attemptTimeoutMs, this.#deadlineMs - clock.now()));
    this.#uplink = new Uplink(
      connect,
      clock,
      { openedWithinMs, silenceMs },
      {
        onOpened: (opened) => this.#opened(opened),
        onFrame: (frame) => this.#receive(frame),
        onDrain: () => this.#flush(),
        onEnd: (failure) => this.#ended(failure),
      },
    );
    const { open } = this.#options;
    const acquireSlot = open.acquireSlot && this.#ending === undefined;
    const outputPositions = this.#exchange.book.outputPositions();
    const value: Open = { ...open, requireResume: this.#requireResume(), acquireSlot, outputPositions };
    this.#uplink.write(encodeFrame({ $case: "open", value }));
  }

  /** A life that is only to be ended is not begun anew for it; nor one with calls in it, if the caller wants no other. */
  #requireResume(): boolean {
    if (this.view.incarnation === "") return this.#options.requireResume;
    if (this.#ending?.kind === "release") return true;
    if (this.#ending !== undefined && this.#exchange.book.waiting === 0) return true;
    return this.#options.onLifeLost === "fail" && this.#exchange.hasPast;
  }

  #opened(opened: Opened): void {
    if (this.#state !== "connecting") return;
    this.#state = "open";
    this.#exchange.opened(opened);
    this.#onOpened?.();
    this.#onOpened = undefined;
    this.#flush();
  }

  #receive(frame: Exclude<Frame, { $case: "opened" }>): void {
    if (this.#state !== "open" && this.#state !== "leaving") return;
    switch (frame.$case) {
      case "result":
        if (this.#exchange.result(frame)) this.#attempt = 0;
        return this.#flushSoon();
      case "rejected":
        this.#exchange.rejected(frame);
        return this.#flushSoon();
      case "slotLost":
        return this.#exchange.slotLost(frame);
      case "goAway": {
        const reconnectAfterMs = msOf(frame.value.reconnectAfter);
        this.#state = "leaving";
        this.#notBeforeMs = this.#options.clock.now() + reconnectAfterMs;
        return this.#options.emit({ type: "go_away", reason: frame.value.reason, reconnectAfterMs });
      }
      case "released":
        this.#wiped = frame.value.wiped;
        return;
      case "output":
        return this.#exchange.book.output(frame.value);
      case "heartbeat":
        return;
      default:
        frame satisfies never;
    }
  }

  /** Once per turn, so that the results of a turn are acknowledged together, and after their callers ran. */
  #flushSoon(): void {
    this.#flushTurn ??= this.#options.clock.after(0, () => this.#flush());
  }

  /** Writes what there is to write and the stream takes. */
  #flush(): void {
    this.#flushTurn?.cancel();
    this.#flushTurn = undefined;
    const uplink = this.#uplink;
    if (uplink === undefined || (this.#state !== "open" && this.#state !== "leaving")) return;
    while (uplink.writable) {
      const bytes = this.#nextFrame(uplink.frames + 1);
      if (bytes === undefined) break;
      uplink.write(bytes);
    }
    if (this.#ending?.kind !== "close" || this.#asked || !this.#exchange.done) return;
    this.#asked = true;
    uplink.halfClose();
  }

  #nextFrame(number: number): Uint8Array | undefined {
    const release = this.#ending?.kind === "release" ? this.#ending : undefined;
    const callsToo = this.#state === "open" && release === undefined;
    const bytes = this.#exchange.nextFrame(number, callsToo);
    if (bytes !== undefined || release === undefined || this.#asked) return bytes;
    this.#asked = true;
    return encodeFrame({ $case: "release", value: { resetWorkspace: release.resetWorkspace } });
  }

  #ended(failure: Failure | undefined): void {
    if (this.#state === "ended") return;
    const { openedMs } = this.#uplink ?? {};
    const { clock, backoff } = this.#options;
    if (openedMs !== undefined && clock.now() - openedMs >= backoff.maxMs) this.#attempt = 0;
    this.#uplink = undefined;
    if (failure === undefined) return this.#endedOk();
    const { error, retry } = failure;
    const isGone = error.reason === "TRAJECTORY_UNKNOWN" || error.reason === "TRAJECTORY_ENDED";
    if (isGone && this.#ending !== undefined) return this.#finish(undefined);
    if (retry) return this.#retryAfter(error);
    if (isGone) this.#exchange.book.loseDoubtful();
    this.#fail(error);
  }

  #endedOk(): void {
    if (this.#asked) return this.#finish(undefined);
    const released = this.#wiped !== undefined;
    if (released && this.#ending !== undefined) return this.#finish(undefined);
    if (released) return this.#fail(new SwitchyardClientError("TRAJECTORY_ENDED", "the trajectory was released"));
    this.#retryAfter(new SwitchyardClientError("UNKNOWN", "the server ended the stream"));
  }

  #retryAfter(error: SwitchyardClientError): void {
    const { clock, backoff, random, reconnectTimeoutMs } = this.#options;
    const nowMs = clock.now();
    const atLeastMs = Math.max(0, this.#notBeforeMs - nowMs);
    if (this.#state !== "connecting") this.#deadlineMs = nowMs + atLeastMs + reconnectTimeoutMs;
    const retryInMs = atLeastMs + fullJitterMs(this.#attempt, backoff, random);
    this.#attempt += 1;
    if (nowMs + retryInMs >= this.#deadlineMs) {
      const message = `no connection in time; the last attempt: ${error.message}`;
      return this.#fail(new SwitchyardClientError("UNREACHABLE", message, { cause: error }));
    }
    this.#state = "waiting";
    this.#retry = clock.after(retryInMs, () => this.#connect());
    this.#options.emit({ type: "disconnected", error, retryInMs });
  }

  #fail(error: SwitchyardClientError): void {
    this.#failure = error;
    this.#finish(error);
  }

  #finish(failure: SwitchyardClientError | undefined): void {
    this.#state = "ended";
    this.#retry?.cancel();
    this.#flushTurn?.cancel();
    if (failure === undefined) this.#exchange.book.loseDoubtful();
    this.#exchange.book.rejectAll(failure ?? new SwitchyardClientError("CLOSED", "the trajectory was closed"));
    this.#options.onEnded(failure);
  }
}
