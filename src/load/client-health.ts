// Whether the harness itself was the bottleneck. A second is strained when a client's event loop was busy for over 90% of it, or a timer
// was over 50 ms late; a client is saturated when over 5% of its counted seconds were strained. In an open loop it is also
// when one in a hundred calls whose trajectory was free left over 10 ms late. The figures then say as much of the
// client as of the server.
import type { HealthSecond } from "./client-process.js";
import type { LatencySummary } from "./histogram.js";
import type { Row } from "./row.js";

export const UTILISATION_MAX = 0.9;
export const LAG_MS_MAX = 50;
export const STRAINED_SHARE_MAX = 0.05;
export const SEND_LAG_P99_MS_MAX = 10;

/** Over the counted seconds. */
export interface ClientHealth {
  readonly seconds: number;
  /** Mean of the event loop's utilisation, from 0 to 1. */
  readonly utilisation: number;
  readonly utilisationMax: number;
  readonly lagMaxMs: number;
  /** Mean processor seconds per second. */
  readonly cpu: number;
  readonly rssBytesMax: number;
  readonly strainedSeconds: number;
}

export function healthOf(seconds: readonly HealthSecond[], rows: readonly Row[]): ClientHealth {
  const isCounted = new Set(rows.filter(({ counted }) => counted).map(({ second }) => second));
  const counted = seconds.filter(({ second }) => isCounted.has(second));
  const mean = (of: (second: HealthSecond) => number) =>
    counted.length === 0 ? 0 : counted.reduce((sum, second) => sum + of(second), 0) / counted.length;
  const max = (of: (second: HealthSecond) => number) => Math.max(0, ...counted.map(of));
  return {
    seconds: counted.length,
    utilisation: mean(({ utilisation }) => utilisation),
    utilisationMax: max(({ utilisation }) => utilisation),
    lagMaxMs: max(({ lagMaxMs }) => lagMaxMs),
    cpu: mean(({ cpu }) => cpu),
    rssBytesMax: max(({ rssBytes }) => rssBytes),
    strainedSeconds: counted.filter(isStrained).length,
  };
}

/** In words, why the client was a bottleneck; empty when it was not. */
export function saturationOf(clients: readonly ClientHealth[], lag: LatencySummary): string[] {
  const reasons = clients.flatMap(({ seconds, strainedSeconds, utilisationMax, lagMaxMs }, index) => {
    if (seconds === 0 || strainedSeconds / seconds <= STRAINED_SHARE_MAX) return [];
    const worst = `its loop was up to ${Math.round(utilisationMax * 100)}% busy, its timers up to ${Math.round(lagMaxMs)} ms late`;
    return [`client ${index + 1} was strained in ${strainedSeconds} of ${seconds} seconds: ${worst}`];
  });
  if (lag.count > 0 && lag.p99 > SEND_LAG_P99_MS_MAX) {
    reasons.push(`calls left late: p99 ${lag.p99.toFixed(1)} ms after they were meant to`);
  }
  return reasons;
}

function isStrained({ utilisation, lagMaxMs }: HealthSecond): boolean {
  return utilisation > UTILISATION_MAX || lagMaxMs > LAG_MS_MAX;
}
