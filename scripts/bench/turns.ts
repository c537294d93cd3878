// Ours and the rival in turns, and what a row makes of it.
import { median } from "./figures.js";
import type { Bench, Measured } from "./row.js";

export interface Turn<Ours = number, Against = Ours> {
  readonly ours: Ours;
  readonly against: Against;
}

/** Each round measures both; every other one the rival first, so that a machine which gets slower favours neither. */
export async function inTurns<Ours, Against = Ours>(
  { rounds, signal }: Pick<Bench, "rounds" | "signal">,
  sides: { readonly ours: () => Promise<Ours>; readonly against: () => Promise<Against> },
): Promise<readonly Turn<Ours, Against>[]> {
  const turns: Turn<Ours, Against>[] = [];
  for (let round = 0; round < rounds; round++) {
    signal.throwIfAborted();
    if (round % 2 === 0) {
      const ours = await sides.ours();
      turns.push({ ours, against: await sides.against() });
    } else {
      const against = await sides.against();
      turns.push({ ours: await sides.ours(), against });
    }
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
