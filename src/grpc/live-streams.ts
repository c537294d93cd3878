// The RunTrajectory streams that are open, in all and of each principal.
import { SwitchyardError } from "../core/errors.js";
import type { AllowanceOf, Principal } from "../core/principal.js";
import type { LiveStream } from "./trajectory-stream.js";

export interface LiveStreamsLimits {
  readonly streamsMax: number;
  readonly allowanceOf: AllowanceOf;
}

/**
 * How many streams a principal may have open for each that it may have live. A trajectory has one live stream; beside it may
 * be one that was cut and is not known to be gone, or that has not said yet what it opens.
 */
const OPEN_FOR_EACH = 2;

export class LiveStreams {
  readonly #streams = new Set<LiveStream>();
  readonly #counts = new Map<Principal, number>();

  constructor(private readonly limits: LiveStreamsLimits) {}

  get size(): number {
    return this.#streams.size;
  }

  [Symbol.iterator](): Iterator<LiveStream> {
    return [...this.#streams].values();
  }

  /** Throws LIMIT_REACHED when a stream more is too many. */
  requireRoom(principal: Principal): void {
    const { streamsMax, allowanceOf } = this.limits;
    if (this.#streams.size >= streamsMax) {
      throw limit(`the server has ${streamsMax} streams (limits.streams_max): try again later`);
    }
    const own = allowanceOf(principal).streamsMax;
    if (own === 0 || (this.#counts.get(principal) ?? 0) < own * OPEN_FOR_EACH) return;
    throw limit(`this token has ${own * OPEN_FOR_EACH} streams open, and may have ${own} live ones (streams_max)`);
  }

  add(principal: Principal, stream: LiveStream): void {
    this.#streams.add(stream);
    this.#counts.set(principal, (this.#counts.get(principal) ?? 0) + 1);
  }

  remove(principal: Principal, stream: LiveStream): void {
    if (!this.#streams.delete(stream)) return;
    const left = (this.#counts.get(principal) ?? 1) - 1;
    if (left > 0) this.#counts.set(principal, left);
    else this.#counts.delete(principal);
  }
}

function limit(message: string): SwitchyardError {
  return new SwitchyardError("LIMIT_REACHED", message);
}
