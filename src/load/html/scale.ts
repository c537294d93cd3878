// Axes: where a value stands on one, and which ticks it has.

export interface Scale {
  /** From 0, the beginning of the axis, to 1, its end. */
  at(value: number): number;
  readonly ticks: readonly { readonly value: number; readonly text: string }[];
}

const TICKS = 5;

/** From 0 to a round number that holds all values. */
export function linear(values: readonly number[], text: (value: number) => string): Scale {
  const most = Math.max(...values, 0);
  const step = roundStep((most === 0 ? 1 : most) / TICKS);
  const top = Math.ceil((most === 0 ? 1 : most) / step - 1e-9) * step;
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step);
  return { at: (value) => value / top, ticks: ticks.map((value) => tick(value, text)) };
}

/** From the first value to the last, with ticks at round numbers. */
export function span(first: number, last: number, text: (value: number) => string): Scale {
  const width = last > first ? last - first : 1;
  const step = roundStep(width / TICKS);
  const ticks: number[] = [];
  for (let value = Math.ceil(first / step) * step; value <= last + step * 1e-9; value += step) ticks.push(value);
  return { at: (value) => (value - first) / width, ticks: ticks.map((value) => tick(value, text)) };
}

/** Logarithmic over whole decades, with ticks at 1, 2 and 5 where there is room. */
export function logarithmic(values: readonly number[], text: (value: number) => string): Scale {
  const positive = values.filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(...positive, Number.POSITIVE_INFINITY)));
  const high = Math.ceil(Math.log10(Math.max(...positive, 0)) + 1e-9);
  if (!Number.isFinite(low) || !Number.isFinite(high)) return logarithmic([1, 10], text);
  const decades = Math.max(1, high - low);
  const steps = decades <= 2 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let decade = low; decade < low + decades; decade += 1) ticks.push(...steps.map((step) => step * 10 ** decade));
  ticks.push(10 ** (low + decades));
  return {
    at: (value) => Math.max(0, (Math.log10(value) - low) / decades),
    ticks: ticks.map((value) => tick(value, text)),
  };
}

/** Percentiles, drawn so that each further nine takes the same room; up to the last of `percentiles`. */
export function tail(percentiles: readonly number[]): Scale {
  const depth = (percentile: number) => -Math.log10(1 - percentile / 100);
  const deepest = Math.max(1, ...percentiles.filter((percentile) => percentile < 100).map(depth));
  const ticks = [0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999].filter((value) => depth(value) <= deepest + 1e-9);
  return {
    at: (value) => depth(value) / deepest,
    ticks: ticks.map((value) => ({ value, text: value === 0 ? "0" : `p${value}` })),
  };
}

/** Without zeros that say nothing. */
function tick(value: number, text: (value: number) => string): { value: number; text: string } {
  const short = text(value)
    .replace(/\.0+(?!\d)/, "")
    .replace(/(\.\d*[1-9])0+(?!\d)/, "$1");
  return { value, text: short };
}

function roundStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 5, 10].find((each) => each * power >= raw * (1 - 1e-9)) ?? 10;
  return factor * power;
}
