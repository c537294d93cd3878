// What several rows are made of is measured once in a run of the bench.
import type { Bench } from "./row.js";

/** `measure`, but each time with what came of the first call for the same bench. */
export function once<Of extends Pick<Bench, "aside">, T>(
  measure: (bench: Of) => Promise<T>,
): (bench: Of) => Promise<T> {
  const measured = new WeakMap<Of, Promise<T>>();
  return (bench) => {
    const known = measured.get(bench);
    if (known !== undefined) return bench.aside(known);
    const first = measure(bench);
    measured.set(bench, first);
    return first;
  };
}
