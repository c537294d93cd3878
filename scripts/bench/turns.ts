// Ours and the rival in turns, and what a row makes of it.
import { median } from "./figures.js";
import type { Bench, Measured } from "./row.js";

export interface Turn {
  readonly ours: number;
  readonly against: number;
}

/** Each round measures both; every other one the rival first, so that a machine which gets slower favours neither. */
export async function inTurns(
  { rounds, signal }: Pick<Bench, "rounds" | "signal">,
  sides: { readonly ours: () => Promise<number>; readonly against: () => Promise<number> },
): Promise<readonly Turn[]> {
  const turns: Turn[] = [];
  for (let round = 0; round < rounds; round++) {
    signal.throwIfAborted();
    const rivalFirst = round % 2 === 1;
    const early = rivalFirst ? await sides.against() : Number.NaN;
    const ours = await sides.ours();
    turns.push({ ours, against: rivalFirst ? early : await sides.against() });
  }
  return turns;
}

/** The row's value is the median of the rounds' `ratio`; `text` gives a figure its unit. */
export function comparison(
  turns: readonly Turn[],
  ratio: (turn: Turn) => number,
  text: (figure: number) => string,
): Pick<Measured, "value" | "rounds" | "ours" | "against"> {
  const rounds = turns.map(ratio);
  const middle = (side: keyof Turn) => text(median(turns.map((turn) => turn[side])));
  return { value: median(rounds), rounds, ours: middle("ours"), against: middle("against") };
}

export function milliseconds(ms: number): string {
  return `${ms.toFixed(2)} ms`;
}

export function perSecond(rate: number): string {
  return `${rate.toFixed(rate < 100 ? 1 : 0)}/s`;
}
