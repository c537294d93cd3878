// How fast calls may begin: a token bucket that holds one second's worth, and at least one call. The rate may change at any
// time, and counts from the next question on.
import type { Clock } from "../core/clock.js";

export class CallRate {
  /** Calls that may begin at once, as of `#atMs`; undefined: a full bucket. */
  #left: number | undefined;
  #atMs = 0;

  constructor(
    private readonly clock: Pick<Clock, "now">,
    /** Calls a second; 0: any number. */
    private readonly perS: () => number,
  ) {}

  /** Milliseconds until a call may begin; 0: now. */
  waitMs(): number {
    const perS = this.perS();
    if (perS === 0) {
      this.#left = undefined;
      return 0;
    }
    const nowMs = this.clock.now();
    const full = Math.max(1, perS);
    const earned = ((nowMs - this.#atMs) / 1000) * perS;
    this.#left = this.#left === undefined ? full : Math.min(full, this.#left + earned);
    this.#atMs = nowMs;
    return this.#left >= 1 ? 0 : Math.ceil(((1 - this.#left) / perS) * 1000);
  }

  /** Counts a call that begins. */
  take(): void {
    if (this.#left !== undefined) this.#left -= 1;
  }
}
