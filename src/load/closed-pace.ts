// Closed loop: each trajectory thinks about its last result, then makes its next call. Trajectories begin by thinking, so that they
// do not march in step.
import type { PaceKeeper, PaceWorld } from "./pace.js";
import type { Think } from "./plan.js";
import type { Random } from "./random.js";
import type { LoadTrajectory } from "./trajectory.js";

export class ClosedPace implements PaceKeeper {
  readonly #thinking = new Map<LoadTrajectory, NodeJS.Timeout>();
  #phase: "before" | "running" | "stopped" = "before";

  constructor(
    private readonly world: PaceWorld,
    private readonly think: Think,
    private readonly random: Random,
  ) {}

  begin(trajectories: readonly LoadTrajectory[]): void {
    this.#phase = "running";
    for (const trajectory of trajectories) if (trajectory.state === "idle") this.onIdle(trajectory);
  }

  stop(): void {
    this.#phase = "stopped";
    for (const [trajectory, timer] of this.#thinking) {
      clearTimeout(timer);
      trajectory.leave();
    }
    this.#thinking.clear();
  }

  onIdle(trajectory: LoadTrajectory): void {
    if (this.#phase === "before") return;
    if (this.#phase === "stopped" || !this.world.isWanted(trajectory)) {
      trajectory.leave();
      return;
    }
    const { meanMs, exponential } = this.think;
    if (meanMs === 0) return this.#call(trajectory);
    // It may have broken, and be back, while it thought.
    clearTimeout(this.#thinking.get(trajectory));
    const thinkMs = exponential ? this.random.exponential(meanMs) : meanMs;
    this.#thinking.set(
      trajectory,
      setTimeout(() => {
        this.#thinking.delete(trajectory);
        if (trajectory.state === "idle") this.#call(trajectory);
      }, thinkMs),
    );
  }

  onReleased(): void {}

  waiting(): readonly number[] {
    return [];
  }

  #call(trajectory: LoadTrajectory): void {
    trajectory.call(this.world.draw(), this.world.now());
  }
}
