// The limit for one of many things of a kind that are done side by side. On a busy machine each takes longer, yet as long
// as others get done nothing hangs: the limit is of time in which none was done. Invariant: nobody is waited for longer
// than TIMES_MAX limits, whatever the others do.
import type { Clock, Timer } from "./clock.js";

const TIMES_MAX = 10;

export class Patience {
  #doneMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly clock: Pick<Clock, "now" | "after">,
    private readonly limitMs: number,
  ) {}

  /** One of them was done. */
  done(): void {
    this.#doneMs = this.clock.now();
  }

  /** Waits for another one: calls `onOver` once when the limit is over, unless it is cancelled before. */
  begin(onOver: () => void): Timer {
    const { clock, limitMs } = this;
    const beganMs = clock.now();
    const look = () => {
      const now = clock.now();
      const left = Math.min(beganMs + TIMES_MAX * limitMs, Math.max(beganMs, this.#doneMs) + limitMs) - now;
      if (left <= 0) onOver();
      else timer = clock.after(left, look);
    };
    let timer = clock.after(limitMs, look);
    return { cancel: () => timer.cancel() };
  }
}
