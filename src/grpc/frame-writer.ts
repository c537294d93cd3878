// The way down of one stream: a queue of frames in front of a gRPC call that honours its backpressure. Frames are encoded
// only when they can be written, so what waits costs no more than the ledger that holds it anyway. Sends a heartbeat
// after a silence. Invariant: the status goes out after every frame that was pushed before it, and nothing after.
import type { StatusObject } from "@grpc/grpc-js";
import type { Clock, Timer } from "../core/clock.js";
import type { Encoded } from "./wire.js";

/** Taken frames that the queue keeps at its front before it is copied. */
const COMPACT_FRAMES = 1024;

/** The same for all streams. */
export interface FrameWriterOptions {
  readonly clock: Clock;
  readonly heartbeatMs: number;
  /** With so many frames waiting, `onPressure(true)`; with half of them, `onPressure(false)`. */
  readonly pressureFrames: number;
  /** With so many frames waiting, `onOverflow`, once. */
  readonly framesMax: number;
}

/** The stream that the frames are of. */
export interface FrameOwner<Frame> {
  readonly heartbeat: Frame;
  encode(frame: Frame): Encoded;
  onPressure(high: boolean): void;
  onOverflow(): void;
  /** What to call when the frame has left the process, as far as it can be told; never for one that was not written. */
  onWritten(frame: Frame): (() => void) | undefined;
  /** A frame could not be encoded; it is lost. */
  onEncodeError(error: unknown, frame: Frame): void;
}

/** What it needs of a gRPC call. `emit("error", status)` is how grpc-js is told to end with a status. */
export interface WritableCall {
  write(message: Encoded, onWritten?: (error?: Error | null) => void): boolean;
  end(): unknown;
  emit(event: "error", status: StatusObject): boolean;
  once(event: "drain", listener: () => void): unknown;
}

export class FrameWriter<Frame> {
  #queue: Frame[] = [];
  #head = 0;
  #state: "open" | "finishing" | "ended" = "open";
  #status: StatusObject | undefined;
  #blocked = false;
  #pressed = false;
  #lastWriteMs: number;
  #heartbeat: Timer | undefined;

  constructor(
    private readonly call: WritableCall,
    private readonly options: FrameWriterOptions,
    private readonly owner: FrameOwner<Frame>,
  ) {
    this.#lastWriteMs = options.clock.now();
  }

  push(frame: Frame): void {
    if (this.#state !== "open") return;
    this.#queue.push(frame);
    this.#pump();
    this.#checkPressure();
  }

  startHeartbeat(): void {
    if (this.#heartbeat === undefined && this.#state === "open") this.#armHeartbeat(this.options.heartbeatMs);
  }

  /** Ends the call after what was pushed: OK without a status. */
  finish(status?: StatusObject): void {
    if (this.#state !== "open") return;
    this.#state = "finishing";
    this.#status = status;
    this.#heartbeat?.cancel();
    this.#pump();
  }

  /** Ends the call without what waits. */
  abort(status: StatusObject): void {
    if (this.#state !== "open") return;
    this.#forget();
    this.finish(status);
  }

  /** The call is gone: forgets what waits. */
  stop(): void {
    this.#state = "ended";
    this.#forget();
    this.#heartbeat?.cancel();
  }

  get waiting(): number {
    return this.#queue.length - this.#head;
  }

  #forget(): void {
    this.#queue = [];
    this.#head = 0;
  }

  #pump(): void {
    while (!this.#blocked && this.waiting > 0) this.#writeNext();
    if (this.#state !== "finishing" || this.waiting > 0) return;
    this.#state = "ended";
    if (this.#status === undefined) this.call.end();
    else this.call.emit("error", this.#status);
  }

  #writeNext(): void {
    const frame = this.#queue[this.#head];
    this.#head += 1;
    if (this.#head === this.#queue.length) this.#forget();
    else if (this.#head >= COMPACT_FRAMES) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    if (frame === undefined) return;
    const bytes = this.#encoded(frame);
    if (bytes === undefined) return;
    this.#lastWriteMs = this.options.clock.now();
    const onWritten = this.owner.onWritten(frame);
    const takes = onWritten
      ? this.call.write(bytes, (error) => {
          if (!error) onWritten();
        })
      : this.call.write(bytes);
    if (takes) return;
    this.#blocked = true;
    // `drain` never comes after a cancel; then `stop` has forgotten everything that waits for it.
    this.call.once("drain", () => {
      this.#blocked = false;
      this.#pump();
      this.#checkPressure();
    });
  }

  #encoded(frame: Frame): Encoded | undefined {
    try {
      return this.owner.encode(frame);
    } catch (error) {
      this.owner.onEncodeError(error, frame);
      return undefined;
    }
  }

  #checkPressure(): void {
    if (this.#state !== "open") return;
    const { pressureFrames, framesMax } = this.options;
    if (this.waiting >= framesMax) {
      this.owner.onOverflow();
      return;
    }
    const pressed = this.#pressed ? this.waiting > pressureFrames / 2 : this.waiting >= pressureFrames;
    if (pressed === this.#pressed) return;
    this.#pressed = pressed;
    this.owner.onPressure(pressed);
  }

  #armHeartbeat(delayMs: number): void {
    this.#heartbeat = this.options.clock.after(delayMs, () => {
      const { clock, heartbeatMs } = this.options;
      const silentMs = clock.now() - this.#lastWriteMs;
      // A stream that waits for its reader is not silent for want of frames.
      if (silentMs >= heartbeatMs && !this.#blocked) this.push(this.owner.heartbeat);
      if (this.#state === "open") this.#armHeartbeat(silentMs < heartbeatMs ? heartbeatMs - silentMs : heartbeatMs);
    });
  }
}
