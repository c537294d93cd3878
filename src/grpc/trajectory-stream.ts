// One RunTrajectory stream: decodes frames, drives the trajectory's Attachment with them, and is the EventSink that the
// trajectory writes to. unopened → open → ended. Invariants: an Attachment that did not
// end its stream is detached, once; no exception leaves a handler (in a stream's `data` handler it would end the process).
import type { StatusObject } from "@grpc/grpc-js";
import type { Clock, Timer } from "../core/clock.js";
import { SwitchyardError } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import type { CallStatus } from "../core/outcome.js";
import type { Principal } from "../core/principal.js";
import type { TraceParent } from "../core/trace.js";
import type { Attachment, Directory, EventSink, TrajectoryEvent } from "../trajectory/session.js";
import { type ClientFrame, decodeFrame } from "./conversion.js";
import { type FrameOwner, FrameWriter, type WritableCall } from "./frame-writer.js";
import { type Announcement, encodeFrame, type ServerFrame } from "./responses.js";
import { grpcStatusOf, type OnRefused } from "./status.js";
import { belongingTo } from "./trace-parent.js";
import type { Encoded } from "./wire.js";

/** Messages are bytes on both sides, so that decoding and encoding errors are ours to answer. */
export interface TrajectoryCall extends WritableCall {
  on(event: "data", listener: (bytes: Buffer) => void): unknown;
  on(event: "end" | "cancelled" | "close" | "error", listener: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

export interface StreamOptions {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly log: Logger;
  readonly announcement: Announcement;
  readonly heartbeatMs: number;
  /**
   * How long after a half-close a cancel still counts as one: Node's clients send a half-close before a cancel (up to
   * 21 ms before, measured), and a cut connection, too, looks like one at first.
   */
  readonly halfCloseGraceMs: number;
  /** With so many frames waiting for a slow reader, the stream reads no more until half of them are gone. */
  readonly pressureFrames: number;
  /** With so many, it ends with LIMIT_REACHED; nothing is lost, as results stay in the ledger. */
  readonly framesMax: number;
  /** Told of each call that is rejected, and why the stream ended with an error. */
  readonly onRejected?: ((status: CallStatus) => void) | undefined;
  readonly onRefused?: OnRefused | undefined;
}

export const STREAM_DEFAULTS = {
  heartbeatMs: 20_000,
  halfCloseGraceMs: 50,
  pressureFrames: 2_000,
  framesMax: 20_000,
} as const;

/** A stream as the server sees it when it closes. */
export interface LiveStream {
  readonly opened: boolean;
  /** Ends it with SHUTTING_DOWN; its trajectory is detached. */
  shutDown(): void;
}

const HEARTBEAT: ServerFrame = { kind: "heartbeat" };

/** Serves the call until its end. `traceParent` is its metadata's, for calls that name none themselves. */
export function serveTrajectory(
  call: TrajectoryCall,
  principal: Principal,
  options: StreamOptions,
  traceParent?: TraceParent,
): LiveStream {
  const stream = new TrajectoryStream(call, principal, options, traceParent);
  call.on("data", (bytes: Buffer) => stream.onMessage(bytes));
  call.on("end", () => stream.onHalfClose());
  call.on("cancelled", () => stream.onGone());
  call.on("close", () => stream.onGone());
  call.on("error", () => stream.onGone());
  return stream;
}

class TrajectoryStream implements EventSink, LiveStream, FrameOwner<ServerFrame> {
  readonly #options: StreamOptions;
  readonly #writer: FrameWriter<ServerFrame>;
  #attachment: Attachment | undefined;
  #opened = false;
  #halfClose: Timer | undefined;
  /** Nothing more goes to the attachment: the trajectory ended the stream, or was told that it is gone. */
  #over = false;
  #left = false;

  constructor(
    private readonly call: TrajectoryCall,
    private readonly principal: Principal,
    options: StreamOptions,
    private readonly traceParent: TraceParent | undefined,
  ) {
    this.#options = options;
    this.#writer = new FrameWriter<ServerFrame>(call, options, this);
  }

  // As EventSink.

  event(event: TrajectoryEvent): void {
    if (event.kind === "rejected") this.#options.onRejected?.(event.status);
    this.#writer.push(event);
    if (event.kind === "opened") this.#writer.startHeartbeat();
  }

  end(error?: SwitchyardError): void {
    this.#over = true;
    this.#halfClose?.cancel();
    this.#writer.finish(error === undefined ? undefined : this.#statusOf(error));
  }

  // As LiveStream.

  get opened(): boolean {
    return this.#opened;
  }

  shutDown(): void {
    this.#fail(new SwitchyardError("SHUTTING_DOWN", "the server is shutting down: reconnect with backoff"));
  }

  // As the owner of its frames.

  get heartbeat(): ServerFrame {
    return HEARTBEAT;
  }

  encode(frame: ServerFrame): Encoded {
    return encodeFrame(frame, this.#options.announcement);
  }

  onWritten(frame: ServerFrame): (() => void) | undefined {
    return frame.kind === "output" ? () => frame.piece.taken() : undefined;
  }

  onPressure(high: boolean): void {
    if (high) this.call.pause();
    else this.call.resume();
  }

  onOverflow(): void {
    this.#writer.abort(this.#statusOf(new SwitchyardError("LIMIT_REACHED", overflowText(this.#options.framesMax))));
    this.#leave();
  }

  onEncodeError(error: unknown, frame: ServerFrame): void {
    this.#options.log.error({ err: error, frame: frame.kind }, "frame not encoded");
  }

  // As handlers of the call.

  onMessage(bytes: Buffer): void {
    if (this.#over) return;
    try {
      this.#receive(decodeFrame(bytes));
    } catch (error) {
      this.#fail(this.#opened ? error : asFirstFrameError(error));
    }
  }

  onHalfClose(): void {
    const { clock, halfCloseGraceMs } = this.#options;
    this.#halfClose = clock.after(halfCloseGraceMs, () => {
      // A loop that was blocked meanwhile runs its timers before it reads the cancel that waits in the socket.
      this.#halfClose = clock.after(0, () => this.#takeHalfClose());
    });
  }

  onGone(): void {
    this.#writer.stop();
    this.#leave();
  }

  #takeHalfClose(): void {
    if (this.#over) return;
    if (this.#attachment === undefined) this.#fail(notOpened("the stream ended"));
    else this.#drive("halfClose", (attachment) => attachment.halfClose());
  }

  #receive(frame: ClientFrame): void {
    if (frame.kind === "open") this.#open(frame);
    else if (this.#opened) this.#act(frame);
    else throw notOpened(`the first frame was ${frame.kind === "bad_call" ? "call" : frame.kind}`);
  }

  #act(frame: Exclude<ClientFrame, { kind: "open" }>): void {
    switch (frame.kind) {
      case "call":
        this.#driveCall(frame);
        break;
      case "bad_call":
        this.#reject(frame.uniqId, frame.error);
        break;
      case "cancel":
        this.#drive("cancel", (attachment) => attachment.cancel(frame.uniqId));
        break;
      case "ack":
        this.#drive("ack", (attachment) => attachment.ack(frame.uniqIds));
        break;
      case "release":
        this.#drive("release", (attachment) => attachment.release(frame.resetWorkspace));
        break;
      default:
        frame satisfies never;
    }
  }

  #open({ request }: Extract<ClientFrame, { kind: "open" }>): void {
    if (this.#opened)
      throw new SwitchyardError("PROTOCOL_BROKEN", "a second open: a stream has one, as its first frame");
    this.#opened = true;
    this.#attachment = this.#options.directory.open(this.principal, request, this);
    // Its first events may have been too many for this stream, before there was an attachment to detach.
    if (this.#left) this.#drive("detach", (attachment) => attachment.detach());
  }

  #driveCall({ call }: Extract<ClientFrame, { kind: "call" }>): void {
    try {
      this.#attachment?.call(belongingTo(this.traceParent, call));
    } catch (error) {
      this.#reject(call.uniqId, error);
    }
  }

  #reject(uniqId: string, error: unknown): void {
    if (error instanceof SwitchyardError && error.reason !== "INTERNAL") {
      this.event({ kind: "rejected", uniqId, status: error.meaning.callStatus, error: error.message });
      return;
    }
    this.event({ kind: "rejected", uniqId, status: "LOST", error: this.#statusOf(error).details });
  }

  /** An Attachment does not throw; if it does, that is a bug, and the stream lives. */
  #drive(action: string, drive: (attachment: Attachment) => void): void {
    if (this.#attachment === undefined) return;
    try {
      drive(this.#attachment);
    } catch (error) {
      this.#options.log.error({ err: error, action }, "trajectory failed");
    }
  }

  /** Ends the stream from this side: the trajectory outlives it. */
  #fail(error: unknown): void {
    this.#writer.finish(this.#statusOf(error));
    this.#leave();
  }

  #leave(): void {
    this.#halfClose?.cancel();
    if (this.#over) return;
    this.#over = true;
    this.#left = true;
    this.#drive("detach", (attachment) => attachment.detach());
  }

  #statusOf(error: unknown): StatusObject {
    const { log, onRefused } = this.#options;
    return grpcStatusOf(error, log, onRefused);
  }
}

function notOpened(what: string): SwitchyardError {
  return new SwitchyardError("PROTOCOL_BROKEN", `${what}, and nothing was opened: send open first`);
}

/** Whatever the first frame was instead of `open`, the protocol was broken; a malformed `open` keeps its own reason. */
function asFirstFrameError(error: unknown): unknown {
  const unknownFrame = error instanceof SwitchyardError && error.reason === "NOT_BUILT";
  return unknownFrame ? notOpened("the first frame was empty or unknown") : error;
}

function overflowText(framesMax: number): string {
  return `${framesMax} frames wait to be read: read faster, then reopen the trajectory; no result is lost`;
}
