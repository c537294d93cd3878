// How long a trajectory outlives its last stream: a timer that can say what is left of it.
import type { Clock, Timer } from "../core/clock.js";

export class Lease {
  #timer: Timer | undefined;
  #endsMs = 0;

  constructor(
    private readonly clock: Clock,
    private readonly onOver: () => void,
  ) {}

  /** Undefined while it does not run. */
  get leftMs(): number | undefined {
    return this.#timer && Math.max(0, this.#endsMs - this.clock.now());
  }

  /** Begins it anew. */
  run(ms: number): void {
    this.stop();
    this.#endsMs = this.clock.now() + ms;
    this.#timer = this.clock.after(ms, this.onOver);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
