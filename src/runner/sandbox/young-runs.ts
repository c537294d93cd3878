// The runs that nobody follows yet, of all slots. One that lasts is followed, so that it does not stand still for long when it
// has filled its FIFO. How long that is depends on how many there are: among many each takes its time, short as it is.
import type { Output } from "./run.js";

export interface YoungRun {
  readonly stdout: Output;
  readonly stderr: Output;
}

/** For each that there is, in milliseconds: longer than a shell takes to start, as following costs the call that much again. */
const PATIENCE_MS = 12;
const LOOK_MS = 6;

class YoungRuns {
  /** When each began; the oldest first. */
  readonly #runs = new Map<YoungRun, number>();
  #looking: NodeJS.Timeout | undefined;

  get count(): number {
    return this.#runs.size;
  }

  add(run: YoungRun): void {
    this.#runs.set(run, performance.now());
    this.#looking ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  delete(run: YoungRun): void {
    this.#runs.delete(run);
  }

  #look(): void {
    const now = performance.now();
    for (const [run, since] of this.#runs) {
      if (now - since < PATIENCE_MS * this.#runs.size) break;
      this.#runs.delete(run);
      run.stdout.follow();
      run.stderr.follow();
    }
    if (this.#runs.size > 0) return;
    clearInterval(this.#looking);
    this.#looking = undefined;
  }
}

/** Of all launchers. */
export const youngRuns = new YoungRuns();
