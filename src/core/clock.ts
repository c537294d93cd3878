// Time as the pure modules see it: tests hand in a clock that stands still until told otherwise.

export interface Timer {
  /** Harmless when the timer has fired or was cancelled before. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds on a clock that never goes back; only differences mean anything. */
  now(): number;
  /** Milliseconds since 1970, for what another process is to understand. */
  unixMs(): number;
  /** Calls `fire` once, `delayMs` from now (0: after the current event-loop turn). */
  after(delayMs: number, fire: () => void): Timer;
}

/** A longer one of Node's timers would fire at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  unixMs: () => Date.now(),
  after(delayMs, fire) {
    if (delayMs <= 0) {
      const immediate = setImmediate(fire);
      return { cancel: () => clearImmediate(immediate) };
    }
    if (delayMs <= DELAY_MS_MAX) {
      const timeout = setTimeout(fire, delayMs);
      return { cancel: () => clearTimeout(timeout) };
    }
    let timer = this.after(DELAY_MS_MAX, () => {
      timer = this.after(delayMs - DELAY_MS_MAX, fire);
    });
    return { cancel: () => timer.cancel() };
  },
};
