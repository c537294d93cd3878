// The output of runs that have ended, which something in the slot still holds open.
import type { Run } from "./run.js";

type Output = Pick<Run, "stdout" | "stderr">;

/** The oldest beyond so many is cut off. */
const LINGERING_MAX = 64;

/** Each costs two descriptors of the runner's, which all slots share. */
export class Lingering {
  readonly #outputs = new Set<Output>();

  add(output: Output): void {
    const streams = [output.stdout, output.stderr];
    const forget = () => {
      if (streams.every(({ closed }) => closed)) this.#outputs.delete(output);
    };
    this.#outputs.add(output);
    for (const stream of streams) stream.once("close", forget);
    forget();
    const [oldest] = this.#outputs;
    if (this.#outputs.size <= LINGERING_MAX || !oldest) return;
    this.#outputs.delete(oldest);
    oldest.stdout.destroy();
    oldest.stderr.destroy();
  }
}
