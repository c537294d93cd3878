// A clock that stands still until told to move. Owns the timers set on it; fires them in the order of their time, and
// lets everything that a timer set off settle (promises, microtasks) before the next one.
import type { Clock, Timer } from "../../src/core/clock.js";

interface Pending {
  readonly atMs: number;
  readonly fire: () => void;
}

export class FakeClock implements Clock {
  #nowMs = 0;
  /** Sorted by time, then by age. */
  readonly #pending: Pending[] = [];

  now(): number {
    return this.#nowMs;
  }

  unixMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, fire: () => void): Timer {
    const pending = { atMs: this.#nowMs + Math.max(0, delayMs), fire };
    let low = 0;
    let high = this.#pending.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#pending[middle]?.atMs ?? 0) <= pending.atMs) low = middle + 1;
      else high = middle;
    }
    this.#pending.splice(low, 0, pending);
    return { cancel: () => this.#remove(pending) };
  }

  get timers(): number {
    return this.#pending.length;
  }

  /** What is due now and whatever follows from it, without moving on. */
  turn(): Promise<void> {
    return this.advance(0);
  }

  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settled();
    for (let next = this.#pending[0]; next && next.atMs <= untilMs; next = this.#pending[0]) {
      this.#pending.shift();
      this.#nowMs = next.atMs;
      next.fire();
      await settled();
    }
    this.#nowMs = untilMs;
  }

  /** Moves on, timer by timer, until `done` holds; throws when it does not within `withinMs`. */
  async until(done: () => boolean, withinMs: number): Promise<void> {
    const limitMs = this.#nowMs + withinMs;
    await settled();
    while (!done()) {
      const next = this.#pending[0];
      if (!next || next.atMs > limitMs) throw new Error(`not reached within ${withinMs} ms of the fake clock: ${done}`);
      await this.advance(next.atMs - this.#nowMs);
    }
  }

  #remove(pending: Pending): void {
    const index = this.#pending.indexOf(pending);
    if (index >= 0) this.#pending.splice(index, 1);
  }
}

/** One turn of the real event loop: every promise that can settle has settled. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
