// The way down of one stream: a queue of frames in front of a gRPC call that honours its backpressure. Frames are encoded
// only when they can be written, so what waits costs no more than the ledger that holds it anyway. Sends a heartbeat
// after a silence. Invariant: the status goes out after every frame that was pushed before it, and nothing after.
import type { StatusObject } from "@grpc/grpc-js";
import type { Clock, Timer } from "../core/clock.js";

/** Taken frames that the queue keeps at its front before it is copied. */
const COMPACT_FRAMES = 1024;

export interface FrameWriterOptions<Frame> {
  readonly clock: Clock;
  readonly encode: (frame: Frame) => Buffer;
  readonly heartbeat: Frame;
  readonly heartbeatMs: number;
  /** With so many frames waiting, `onPressure(true)`; with half of them, `onPressure(false)`. */
  readonly pressureFrames: number;
  /** With so many frames waiting, `onOverflow`, once. */
  readonly framesMax: number;
  readonly onPressure: (high: boolean) => void;
  readonly onOverflow: () => void;
  /** What to call when the frame has left the process, as far as it can be told; never for one that was not written. */
  readonly onWritten?: (frame: Frame) => (() => void) | undefined;
  /** A frame could not be encoded; it is lost. */
  readonly onEncodeError: (error: unknown, frame: Frame) => void;
}

/** What it needs of a gRPC call. `emit("error", status)` is how grpc-js is told to end with a status. */
export interface WritableCall {
  write(message: Buffer, onWritten?: (error?: Error | null) => void): boolean;
  end(): unknown;
  emit(event: "error", status: StatusObject): boolean;
  once(event: "drain", listener: () => void): unknown;
}

export class FrameWriter<Frame> {
  readonly #call: WritableCall;
  readonly #options: FrameWriterOptions<Frame>;
  #queue: Frame[] = [];
  #head = 0;
  #state: "open" | "finishing" | "ended" = "open";
  #status: StatusObject | undefined;
  #blocked = false;
  #pressed = false;
  #lastWriteMs: number;
  #heartbeat: Timer | undefined;

  constructor(call: WritableCall, options: FrameWriterOptions<Frame>) {
    this.#call = call;
    this.#options = options;
    this.#lastWriteMs = options.clock.now();
  }

  push(frame: Frame): void {
    if (this.#state !== "open") return;
    this.#queue.push(frame);
    this.#pump();
    this.#checkPressure();
  }

  startHeartbeat(): void {
    if (this.#heartbeat === undefined && this.#state === "open") this.#armHeartbeat(this.#options.heartbeatMs);
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
    if (this.#status === undefined) this.#call.end();
    else this.#call.emit("error", this.#status);
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
    this.#lastWriteMs = this.#options.clock.now();
    const onWritten = this.#options.onWritten?.(frame);
    const takes = onWritten
      ? this.#call.write(bytes, (error) => {
          if (!error) onWritten();
        })
      : this.#call.write(bytes);
    if (takes) return;
    this.#blocked = true;
    // `drain` never comes after a cancel; then `stop` has forgotten everything that waits for it.
    this.#call.once("drain", () => {
      this.#blocked = false;
      this.#pump();
      this.#checkPressure();
    });
  }

  #encoded(frame: Frame): Buffer | undefined {
    try {
      return this.#options.encode(frame);
    } catch (error) {
      this.#options.onEncodeError(error, frame);
      return undefined;
    }
  }

  #checkPressure(): void {
    if (this.#state !== "open") return;
    const { pressureFrames, framesMax } = this.#options;
    if (this.waiting >= framesMax) {
      this.#options.onOverflow();
      return;
    }
    const pressed = this.#pressed ? this.waiting > pressureFrames / 2 : this.waiting >= pressureFrames;
    if (pressed === this.#pressed) return;
    this.#pressed = pressed;
    this.#options.onPressure(pressed);
  }

  #armHeartbeat(delayMs: number): void {
    this.#heartbeat = this.#options.clock.after(delayMs, () => {
      const { clock, heartbeat, heartbeatMs } = this.#options;
      const silentMs = clock.now() - this.#lastWriteMs;
      // A stream that waits for its reader is not silent for want of frames.
      if (silentMs >= heartbeatMs && !this.#blocked) this.push(heartbeat);
      if (this.#state === "open") this.#armHeartbeat(silentMs < heartbeatMs ? heartbeatMs - silentMs : heartbeatMs);
    });
  }
}
