// The live outputs of one runner's calls, by call: from when a call is given to the runner until its result has come.
import type { OutputPosition, OutputSink } from "../core/output.js";
import type { Output, PullOutput, ServerFrame } from "../gen/switchyard/runner/v1/runner.js";
import { OutputIntake } from "./output-intake.js";

export class OutputIntakes {
  readonly #intakes = new Map<string, OutputIntake>();

  constructor(private readonly send: (frame: NonNullable<ServerFrame["frame"]>) => void) {}

  /** Without a sink the call's output is not wanted. */
  begin(slot: number, uniqId: string, sink: OutputSink | undefined): void {
    if (!sink) return;
    const pull = (value: PullOutput) => this.send({ $case: "pullOutput", value });
    this.#intakes.set(keyOf(slot, uniqId), new OutputIntake({ slot, uniqId }, sink, pull));
  }

  /** False when no honest runner would send it. */
  take(output: Output): boolean {
    return this.#intakes.get(keyOf(output.slot, output.uniqId))?.take(output) ?? false;
  }

  /** Ignores a call that has ended, or whose output is not wanted. */
  restart(slot: number, uniqId: string, from: OutputPosition): void {
    this.#intakes.get(keyOf(slot, uniqId))?.restart(from);
  }

  relink(): void {
    for (const intake of this.#intakes.values()) intake.relink();
  }

  end(slot: number, uniqId: string): void {
    this.#intakes.delete(keyOf(slot, uniqId));
  }

  clear(): void {
    this.#intakes.clear();
  }
}

function keyOf(slot: number, uniqId: string): string {
  return `${slot} ${uniqId}`;
}
