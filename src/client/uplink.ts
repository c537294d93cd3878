// One stream of a session, with its clocks: the server must say `opened` in time, and must not fall silent afterwards. Numbers
// the frames that go up. Invariant: `onEnd` comes exactly once unless the session cuts the stream itself.
import type { Clock, Timer } from "../core/clock.js";
import type { Opened } from "../gen/switchyard/v1/trajectory.js";
import { SwitchyardClientError } from "./errors.js";
import type { Failure } from "./grpc-error.js";
import type { ClientStream, Connect, Frame } from "./transport.js";

export interface UplinkLimits {
  readonly openedWithinMs: number;
  readonly silenceMs: number;
}

export interface UplinkListener {
  onOpened(opened: Opened): void;
  onFrame(frame: Exclude<Frame, { $case: "opened" }>): void;
  onDrain(): void;
  onEnd(failure: Failure | undefined): void;
}

/** A limit is over only so much later: an event loop that was blocked has yet to read what waits in its socket. */
const READ_GRACE_MS = 1_000;

export class Uplink {
  readonly #clock: Clock;
  readonly #silenceMs: number;
  readonly #listener: UplinkListener;
  readonly #stream: ClientStream;
  #timer: Timer;
  #heardMs: number;
  #writable = true;
  #over = false;
  /** Frames written. */
  frames = 0;
  /** When the server said `opened`, on the clock. */
  openedMs: number | undefined;

  constructor(connect: Connect, clock: Clock, limits: UplinkLimits, listener: UplinkListener) {
    this.#clock = clock;
    this.#silenceMs = limits.silenceMs;
    this.#listener = listener;
    this.#heardMs = clock.now();
    this.#stream = connect({
      onFrame: (frame) => this.#receive(frame),
      onDrain: () => {
        this.#writable = true;
        if (!this.#over) listener.onDrain();
      },
      onEnd: (failure) => this.#end(failure),
    });
    const late = `the server did not say opened within ${Math.round(limits.openedWithinMs)} ms`;
    this.#timer = clock.after(limits.openedWithinMs, () => {
      this.#timer = clock.after(READ_GRACE_MS, () => this.#giveUp(late));
    });
  }

  /** Whether it takes a frame now; else `onDrain` comes. */
  get writable(): boolean {
    return this.#writable && !this.#over;
  }

  write(bytes: Uint8Array): void {
    this.frames += 1;
    if (!this.#stream.write(bytes)) this.#writable = false;
  }

  halfClose(): void {
    this.#stream.halfClose();
  }

  /** `onEnd` does not come. */
  cut(): void {
    this.#finish();
    this.#stream.cut(false);
  }

  #receive(frame: Frame): void {
    if (this.#over) return;
    this.#heardMs = this.#clock.now();
    if (frame.$case !== "opened") return this.#listener.onFrame(frame);
    this.openedMs = this.#heardMs;
    this.#watch(this.#silenceMs);
    this.#listener.onOpened(frame.value);
  }

  #watch(delayMs: number, overdue = false): void {
    this.#timer.cancel();
    this.#timer = this.#clock.after(delayMs, () => {
      const leftMs = this.#heardMs + this.#silenceMs - this.#clock.now();
      if (leftMs > 0) this.#watch(leftMs);
      else if (!overdue) this.#watch(READ_GRACE_MS, true);
      else this.#giveUp(`the server was silent for ${this.#silenceMs} ms`);
    });
  }

  #giveUp(why: string): void {
    if (this.#over) return;
    this.#finish();
    this.#stream.cut(true);
    this.#listener.onEnd({ error: new SwitchyardClientError("UNKNOWN", why), retry: true });
  }

  #end(failure: Failure | undefined): void {
    if (this.#over) return;
    this.#finish();
    this.#listener.onEnd(failure);
  }

  #finish(): void {
    this.#over = true;
    this.#timer.cancel();
  }
}
