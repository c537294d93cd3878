// One thing that may grow, and what a call costs on the way. Costs are processor time, which a busy machine lengthens far less
// than latencies.
import type { Report } from "../../../src/load/report.js";
import type { Bench } from "../row.js";

export interface Dimension {
  /** A word of lower case: names it on the command line, and its plot. */
  readonly name: string;
  readonly title: string;
  /** What is counted along the axis. */
  readonly axis: string;
  /** `bytes` are shown as sizes. */
  readonly unit: "count" | "bytes";
  /**
   * The exponent with which a call's cost may grow: 0, as what all calls together cost is then in proportion to their number; 1
   * where each call itself grows.
   */
  readonly exponent: 0 | 1;
  /** Whose processor time is held against it; that of slots is mostly the commands' own. */
  readonly charged: readonly Process[];
  /** Whose is shown: with the null backend there are no runners, and what is seen of any is another server's. */
  readonly shown: readonly Process[];
  measured(bench: Bench): Promise<readonly Point[]>;
}

export type Process = "client" | "server" | "runners" | "slots";

export interface Point {
  readonly at: number;
  /** Microseconds of processor time for each result. */
  readonly cpuUs: Readonly<Partial<Record<Process, number>>>;
  /** Milliseconds. */
  readonly p50: number;
  readonly rate: number;
  /** Resident, the most of the counted seconds. */
  readonly serverBytes: number;
}

export function pointOf(at: number, { total, rows, cpuPerResultUs }: Report): Point {
  const serverBytes = Math.max(...rows.map(({ processes }) => processes?.serverBytes ?? 0));
  return { at, cpuUs: cpuPerResultUs, p50: total.latency.p50, rate: total.rate, serverBytes };
}

/** In microseconds. */
export function chargedUs({ charged }: Dimension, { cpuUs }: Point): number {
  return charged.reduce((sum, name) => sum + (cpuUs[name] ?? Number.NaN), 0);
}
