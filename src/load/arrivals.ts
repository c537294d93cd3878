// When the calls of an open loop are meant to start: a Poisson process whose rate follows the timeline, from a seed. It does not
// know how the server fares, which is the point of it.
import type { Random } from "./random.js";
import type { Timeline } from "./timeline.js";

export class Arrivals {
  readonly #meanMs: number;
  #ms = 0;

  /** `share`: the part of the timeline's rate that arrives here. */
  constructor(
    private readonly timeline: Timeline,
    share: number,
    private readonly random: Random,
  ) {
    this.#meanMs = 1000 / (timeline.levelMax * share);
  }

  /** The next arrival, in milliseconds from the beginning; undefined when the timeline has ended. */
  next(): number | undefined {
    for (;;) {
      // Thinning: drawn at the highest rate, and kept with the share that the rate has of it then.
      this.#ms += this.random.exponential(this.#meanMs);
      const moment = this.timeline.at(this.#ms);
      if (moment === undefined) return undefined;
      if (this.random.chance(moment.level / this.timeline.levelMax)) return this.#ms;
    }
  }
}
