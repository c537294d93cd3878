// Churn: a trajectory is opened, makes one call, and is released and verified clean; the next one follows at once.
import type { PaceKeeper, PaceWorld } from "./pace.js";
import type { LoadTrajectory } from "./trajectory.js";

export class ChurnPace implements PaceKeeper {
  readonly #beganMs = new Map<LoadTrajectory, number>();
  #isStopped = false;

  /** `onCycle` hears when a trajectory that is over now had begun. */
  constructor(
    private readonly world: PaceWorld,
    private readonly onCycle: (beganMs: number) => void,
  ) {}

  begin(trajectories: readonly LoadTrajectory[]): void {
    for (const trajectory of trajectories) trajectory.open();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** It has no preparation, so it is idle when it is opened, and again when its call was answered. */
  onIdle(trajectory: LoadTrajectory): void {
    if (trajectory.calls > 0) return trajectory.release();
    if (this.#isStopped) {
      trajectory.leave();
      return;
    }
    const nowMs = this.world.now();
    this.#beganMs.set(trajectory, nowMs);
    trajectory.call(this.world.draw(), nowMs);
  }

  onReleased(trajectory: LoadTrajectory): void {
    const beganMs = this.#beganMs.get(trajectory);
    this.#beganMs.delete(trajectory);
    if (beganMs !== undefined) this.onCycle(beganMs);
    if (this.#isStopped || !this.world.isWanted(trajectory)) trajectory.leave();
    else trajectory.open();
  }

  waiting(): readonly number[] {
    return [];
  }
}
