// What one trajectory's calls are doing, in numbers, and when something happened last. It also keeps the numbers of all
// trajectories together.
import type { Clock } from "../core/clock.js";
import type { CallCounters } from "./surroundings.js";

export class Activity {
  #queued = 0;
  #running = 0;
  #total = 0;
  #lastMs: number;

  constructor(
    private readonly clock: Clock,
    private readonly counters: CallCounters,
  ) {
    this.#lastMs = clock.now();
  }

  /** Accepted, and not handed to a runner or an external server yet. */
  get queued(): number {
    return this.#queued;
  }

  get running(): number {
    return this.#running;
  }

  /** Accepted ever. */
  get total(): number {
    return this.#total;
  }

  /** Whether any is unfinished. */
  get isBusy(): boolean {
    return this.#queued + this.#running > 0;
  }

  /** Of the clock. */
  get lastMs(): number {
    return this.#lastMs;
  }

  get idleMs(): number {
    return this.clock.now() - this.#lastMs;
  }

  /** Its client did something. */
  touch(): void {
    this.#lastMs = this.clock.now();
  }

  accepted(): void {
    this.#total += 1;
    this.counters.total += 1;
    this.#countQueued(1);
    this.touch();
  }

  started(): void {
    this.#running += 1;
    this.#countQueued(-1);
  }

  /** A call that an earlier server accepted. */
  restored(running: boolean): void {
    this.#total += 1;
    if (running) this.#running += 1;
  }

  ended(wasQueued: boolean): void {
    if (wasQueued) this.#countQueued(-1);
    else this.#running -= 1;
    this.touch();
  }

  #countQueued(more: number): void {
    this.#queued += more;
    this.counters.queued += more;
  }
}
