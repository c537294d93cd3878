// The output of runs that have ended, which something in the slot still holds open.
import type { OutputPipe } from "./output-pipe.js";

/** The oldest beyond so many is cut off. */
const LINGERING_MAX = 64;

/** Each costs two descriptors of the runner's, which all slots share. */
export class Lingering {
  /** By the names of their FIFOs. */
  readonly #outputs = new Map<string, readonly OutputPipe[]>();

  add(set: string, output: readonly OutputPipe[]): void {
    this.end(set);
    this.#outputs.set(set, output);
    for (const pipe of output) {
      void pipe.ended().then(() => {
        if (this.#outputs.get(set) === output && output.every(({ isAtEnd }) => isAtEnd)) this.#outputs.delete(set);
      });
    }
    const [oldest] = this.#outputs.keys();
    if (this.#outputs.size > LINGERING_MAX && oldest !== undefined) this.end(oldest);
  }

  /** Nobody is left who could write: a FIFO that never had a writer says nothing of that by itself. */
  endAll(): void {
    for (const set of [...this.#outputs.keys()]) this.end(set);
  }

  /** Nobody holds these FIFOs open any more, and nothing is left in them. */
  end(set: string): void {
    const output = this.#outputs.get(set);
    this.#outputs.delete(set);
    for (const pipe of output ?? []) pipe.cutOff();
  }
}
