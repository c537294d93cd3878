// When a trajectory makes its next call: the seam between the paces (closed loop, open loop, churn) and the run of a client process.
import type { Job } from "./calls.js";
import type { LoadTrajectory } from "./trajectory.js";

export interface PaceWorld {
  /** Milliseconds on the clock of `performance.now()`. */
  now(): number;
  /** The next call of the mix. */
  draw(): Job;
  /** Whether the level asks for this trajectory now. */
  isWanted(trajectory: LoadTrajectory): boolean;
  /** Ends the run early: nothing good can come of it. */
  giveUp(why: string): void;
}

export interface PaceKeeper {
  /** From now on calls are made. `trajectories` are those that there are. */
  begin(trajectories: readonly LoadTrajectory[]): void;
  /** No call is meant to start from now on; those that were meant to start before still do. */
  stop(): void;
  onIdle(trajectory: LoadTrajectory): void;
  /** A trajectory gave its slot back, and is down. */
  onReleased(trajectory: LoadTrajectory): void;
  /** When the calls that wait for a trajectory were meant to start. */
  waiting(): readonly number[];
}
