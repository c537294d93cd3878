// Open loop: calls arrive by a Poisson process, each for a trajectory drawn at random, whatever the server does. One that finds its
// trajectory busy waits, and its latency counts from its arrival: what a stalled server did not get to see is not forgotten.
import type { Arrivals } from "./arrivals.js";
import type { PaceKeeper, PaceWorld } from "./pace.js";
import type { Random } from "./random.js";
import type { LoadTrajectory } from "./trajectory.js";

/** Timers are as coarse as a millisecond: an arrival is handled up to half of one early rather than late. */
const EARLY_MS = 0.5;
/** Arrivals that wait, in this process; at more the run is given up. */
const WAITING_MAX = 1_000_000;

export class OpenPace implements PaceKeeper {
  #trajectories: readonly LoadTrajectory[] = [];
  readonly #queues = new Map<LoadTrajectory, number[]>();
  #waiting = 0;
  #isStopped = false;
  #beganMs = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `onLag` hears, for each call whose trajectory was free, when it was meant to start and how much later it was sent. */
  constructor(
    private readonly world: PaceWorld,
    private readonly arrivals: Arrivals,
    private readonly random: Random,
    private readonly onLag: (intendedMs: number, lagMs: number) => void,
  ) {}

  begin(trajectories: readonly LoadTrajectory[]): void {
    this.#trajectories = trajectories;
    for (const trajectory of trajectories) this.#queues.set(trajectory, []);
    this.#beganMs = this.world.now();
    this.#await(this.arrivals.next());
  }

  stop(): void {
    clearTimeout(this.#timer);
    for (const trajectory of this.#trajectories) if (trajectory.state === "idle") trajectory.leave();
    this.#isStopped = true;
  }

  onIdle(trajectory: LoadTrajectory): void {
    const intendedMs = this.#queues.get(trajectory)?.shift();
    if (intendedMs !== undefined) {
      this.#waiting -= 1;
      trajectory.call(this.world.draw(), intendedMs);
    } else if (this.#isStopped) {
      trajectory.leave();
    }
  }

  onReleased(): void {}

  waiting(): readonly number[] {
    return [...this.#queues.values()].flat();
  }

  #await(arrivalMs: number | undefined): void {
    if (arrivalMs === undefined) return;
    const intendedMs = this.#beganMs + arrivalMs;
    this.#timer = setTimeout(() => this.#arrived(intendedMs), Math.max(0, intendedMs - EARLY_MS - this.world.now()));
  }

  /** Hands out this one and all that are due. */
  #arrived(firstMs: number): void {
    let intendedMs = firstMs;
    for (;;) {
      this.#hand(this.random.pick(this.#trajectories), intendedMs);
      const nextMs = this.arrivals.next();
      if (nextMs === undefined || this.#isStopped) return;
      intendedMs = this.#beganMs + nextMs;
      if (intendedMs - EARLY_MS > this.world.now()) return this.#await(nextMs);
    }
  }

  #hand(trajectory: LoadTrajectory, intendedMs: number): void {
    if (trajectory.state === "idle") {
      trajectory.call(this.world.draw(), intendedMs);
      return this.onLag(intendedMs, this.world.now() - intendedMs);
    }
    this.#waiting += 1;
    if (this.#waiting >= WAITING_MAX) this.world.giveUp(`${WAITING_MAX} calls wait to be sent`);
    this.#queues.get(trajectory)?.push(intendedMs);
  }
}
