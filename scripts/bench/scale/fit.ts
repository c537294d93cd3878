// How a cost grows: the slope of the straight line through its logarithms, which is the exponent of a power of what grows.

/** Least squares over points of positive numbers; NaN for fewer than two. */
export function exponentOf(points: readonly (readonly [x: number, y: number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const mean = (of: (log: readonly [number, number]) => number) =>
    logs.reduce((sum, log) => sum + of(log), 0) / logs.length;
  const [middleX, middleY] = [mean(([x]) => x), mean(([, y]) => y)];
  const spread = mean(([x]) => (x - middleX) ** 2);
  return mean(([x, y]) => (x - middleX) * (y - middleY)) / spread;
}
