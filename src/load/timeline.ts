// The stages of a run, one after another: each has a warm-up, which is not counted, and then a time that is. A level is trajectories
// (closed loop, churn) or calls a second (open loop); it may rise or fall along the counted time of a stage.

export interface Stage {
  /** The level during the warm-up, and at the beginning of what is counted. */
  readonly from: number;
  /** The level at the end. */
  readonly to: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

export interface Moment {
  /** Index of the stage. */
  readonly stage: number;
  readonly level: number;
  /** False in a warm-up. */
  readonly counted: boolean;
}

export class Timeline {
  readonly totalMs: number;
  readonly levelMax: number;

  constructor(readonly stages: readonly Stage[]) {
    this.totalMs = stages.reduce((sum, { warmUpMs, durationMs }) => sum + warmUpMs + durationMs, 0);
    this.levelMax = Math.max(...stages.flatMap(({ from, to }) => [from, to]));
  }

  /** At so many milliseconds from the beginning; undefined after the end. */
  at(ms: number): Moment | undefined {
    let beganMs = 0;
    for (const [stage, { from, to, warmUpMs, durationMs }] of this.stages.entries()) {
      const countedMs = ms - beganMs - warmUpMs;
      if (countedMs < durationMs) {
        const level = from + ((to - from) * Math.max(0, countedMs)) / durationMs;
        return { stage, level, counted: countedMs >= 0 };
      }
      beganMs += warmUpMs + durationMs;
    }
    return undefined;
  }
}

/** What the client number `index` of `clients` has of a whole number of trajectories. */
export function shareOf(level: number, index: number, clients: number): number {
  return Math.floor((level + clients - 1 - index) / clients);
}
