// Suites that come in two sizes: small in `npm test`, whole with SUITE_SIZE=whole.

export const isWhole = process.env.SUITE_SIZE === "whole";

/** For what the small suite does shorter than the whole one. */
export function bySize<T>(small: T, whole: T): T {
  return isWhole ? whole : small;
}
