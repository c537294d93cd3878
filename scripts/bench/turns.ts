// Ours and the rival in turns, and what a row makes of it.
import { mean, median } from "./figures.js";
import type { Bench, Measured } from "./row.js";

export interface Turn<Figure = number> {
  readonly ours: Figure;
  readonly against: Figure;
}

/**
 * Each turn measures every side; every other one the other way round, so that a machine which gets slower favours none. Between
 * two turns other rows have theirs.
 */
export async function inTurns<Sides extends object>(
  bench: Pick<Bench, "signal" | "giveWay">,
  count: number,
  sides: { readonly [Side in keyof Sides]: () => Promise<Sides[Side]> },
): Promise<readonly Sides[]> {
  const names = Object.keys(sides) as (keyof Sides)[];
  const turns: Sides[] = [];
  for (let at = 0; at < count; at++) {
    if (at > 0) await bench.giveWay(at / count);
    const turn: Partial<Sides> = {};
    for (const name of at % 2 === 0 ? names : names.toReversed()) {
      bench.signal.throwIfAborted();
      turn[name] = await sides[name]();
    }
    turns.push(turn as Sides);
  }
  return turns;
}

/** One turn made of each `perRound` that follow each other: the means of their sides. For what swings from one turn to the next. */
export function meanTurns(turns: readonly Turn[], perRound: number): readonly Turn[] {
  return Array.from({ length: turns.length / perRound }, (_, round) => {
    const its = turns.slice(round * perRound, (round + 1) * perRound);
    return { ours: mean(its.map(({ ours }) => ours)), against: mean(its.map(({ against }) => against)) };
  });
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
