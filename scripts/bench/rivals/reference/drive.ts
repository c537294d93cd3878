// Agents of the reference: a closed loop, each makes its next call when it has its result and has thought.
import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "../../../../src/load/random.js";
import { percentile } from "../../figures.js";
import type { Arguments } from "./protocol.js";
import type { Reference } from "./reference.js";

export interface DrivenCall {
  readonly tool: string;
  readonly args: Arguments;
  /** Of a hundred calls; the draws keep to it in every hundred, so that a short run has its share of rare ones. */
  readonly weight: number;
}

export interface DriveOptions {
  readonly trajectories: number;
  readonly warmUpMs: number;
  readonly countedMs: number;
  /** Goes on until so many calls are counted, where the machine is so slow that it must. */
  readonly callsMin?: number;
  /** Mean of an exponential time; 0: none. */
  readonly thinkMs?: number;
  readonly mix: readonly DrivenCall[];
  /** Sets these agents apart from others of the same reference. */
  readonly name?: string;
}

export interface Driven {
  /** Calls a second, from the mean time from result to result, which a run of few batches tells better than a count. */
  readonly rate: number;
  /** Milliseconds, by the call's place in the mix, of the calls that ended in the counted time. */
  readonly latencies: readonly (readonly number[])[];
}

export const BASH_TRUE: readonly DrivenCall[] = [{ tool: "bash", args: { command: "true" }, weight: 100 }];

/** Resolves when every agent has its last result; throws when one is not a success. */
export async function drive(reference: Reference, options: DriveOptions): Promise<Driven> {
  const { trajectories, warmUpMs, countedMs, callsMin = 0, thinkMs = 0, mix, name = "agent" } = options;
  const random = new Random(1);
  const draw = deck(mix, random);
  const latencies: number[][] = mix.map(() => []);
  const begin = performance.now() + warmUpMs;
  const end = begin + countedMs;
  let [cycles, cyclesMs] = [0, 0];
  const isOver = (ms: number) => ms >= end && cycles >= callsMin;
  const agent = async (index: number) => {
    let last = performance.now();
    while (!isOver(last)) {
      if (thinkMs > 0) await sleep(random.exponential(thinkMs));
      const at = draw();
      const { tool, args } = mix[at] ?? { tool: "", args: {} };
      const sent = performance.now();
      const { success, error } = await reference.call(`${name}-${index}`, tool, args);
      if (!success) throw new Error(`the reference's ${tool}: ${error}`);
      const now = performance.now();
      if (now >= begin && !isOver(now)) {
        cycles += 1;
        cyclesMs += now - last;
        latencies[at]?.push(now - sent);
      }
      last = now;
    }
  };
  await Promise.all(Array.from({ length: trajectories }, (_, index) => agent(index)));
  return { rate: (trajectories * cycles * 1000) / cyclesMs, latencies };
}

/** Draws without putting back, a hundred at a time. */
function deck(mix: readonly DrivenCall[], random: Random): () => number {
  let cards: number[] = [];
  return () => {
    if (cards.length === 0) cards = mix.flatMap(({ weight }, at) => Array.from({ length: weight }, () => at));
    return cards.splice(random.whole(0, cards.length - 1), 1)[0] ?? 0;
  };
}

export function p50({ latencies }: Driven): number {
  return percentile(latencies.flat(), 0.5);
}
