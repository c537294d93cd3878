// What several rows are made of is measured once in a run of the bench.

/** `measure`, but each time with what came of the first call for the same bench. */
export function once<Of extends object, T>(measure: (bench: Of) => Promise<T>): (bench: Of) => Promise<T> {
  const measured = new WeakMap<Of, Promise<T>>();
  return (bench) => {
    const known = measured.get(bench) ?? measure(bench);
    measured.set(bench, known);
    return known;
  };
}
