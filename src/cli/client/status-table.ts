// A server's status as lines for a terminal, for `status` and `top`.
import type { ServerStatus, StatusSample } from "../../client/index.js";
import type { Rates } from "./rates.js";
import type { Style } from "./style.js";
import { type Column, cut, table } from "./table.js";
import { durationText } from "./units.js";

const NAME_WIDTH = 24;

const POOL: readonly Column[] = [
  { head: "POOL", widthMax: NAME_WIDTH },
  { head: "BACKEND" },
  { head: "ISOLATION" },
  { head: "CONTAINERS", right: true },
  { head: "SLOTS", right: true },
  { head: "LEASED", right: true },
  { head: "READY", right: true },
  { head: "WAITING", right: true },
];

const TRAJECTORY: readonly Column[] = [
  { head: "TRAJECTORY", widthMax: 36 },
  { head: "POOL", widthMax: NAME_WIDTH },
  { head: "GROUP", widthMax: NAME_WIDTH },
  { head: "STATE" },
  { head: "SLOT", right: true },
  { head: "QUEUED", right: true },
  { head: "RUNNING", right: true },
  { head: "CALLS", right: true },
  { head: "CALLS/S", right: true },
  { head: "AGE", right: true },
  { head: "IDLE", right: true },
];

const UNKNOWN = "-";

/** The server and its counters, on three lines. Without rates, because there is one sample only, all are since its start. */
export function headLines(status: ServerStatus, server: string, rates: Rates | undefined, style: Style): string[] {
  const { version, uptimeMs, queueSize, totalRequests, totalErrors, meanBatchSize, streams, trajectories } = status;
  const counted = (name: string, perS: number | undefined, total: number) =>
    perS === undefined ? `${name} ${total}` : `${name} ${perS.toFixed(1)}/s (${total})`;
  const errors = counted("errors", rates?.errorsPerS, totalErrors);
  return [
    `${style.strong(`switchyard ${version}`)} at ${server}, up ${durationText(uptimeMs)}`,
    [
      counted("calls", rates?.callsPerS, totalRequests),
      rates && rates.errorsPerS > 0 ? style.bad(errors) : errors,
      `batch ${(rates?.batchSize ?? meanBatchSize).toFixed(1)} calls`,
      `queued ${queueSize}`,
    ].join("   "),
    `streams ${streams}   trajectories ${trajectories}`,
  ];
}

export function poolLines({ pools }: ServerStatus): string[] {
  const rows = pools.map((pool) => [
    ...[pool.name, pool.backend, pool.isolation || UNKNOWN],
    ...[pool.containers, pool.slotsTotal, pool.slotsLeased, pool.slotsReady, pool.waiting].map(String),
  ]);
  return table(POOL, rows);
}

export function trajectoryLines({ trajectories }: StatusSample, rates: Rates | undefined): string[] {
  const rows = trajectories.map((it) => [
    ...[it.trajectoryId, it.pool, it.group || UNKNOWN],
    it.leaseLeftMs === undefined ? "attached" : `lease ${durationText(it.leaseLeftMs)}`,
    it.slotGeneration === 0 ? UNKNOWN : String(it.slotGeneration),
    ...[it.callsQueued, it.callsRunning, it.callsTotal].map(String),
    rates?.trajectoryCallsPerS.get(it.trajectoryId)?.toFixed(1) ?? UNKNOWN,
    ...[durationText(it.ageMs), durationText(it.idleMs)],
  ]);
  return table(TRAJECTORY, rows);
}

export interface ScreenState {
  readonly server: string;
  readonly sample: StatusSample;
  readonly rates: Rates | undefined;
  /** Why there is nothing newer. */
  readonly trouble: string | undefined;
}

/** All of it, within a terminal of that size; the last line says what did not fit. */
export function screenLines(
  { server, sample, rates, trouble }: ScreenState,
  { columns, rows }: { readonly columns: number; readonly rows: number },
  style: Style,
): string[] {
  const fitted = (line: string) => cut(line, columns);
  const heading = (line: string) => style.head(fitted(line).padEnd(columns));
  const [poolHead = "", ...pools] = poolLines(sample.status);
  const [trajectoryHead = "", ...trajectories] = trajectoryLines(sample, rates);
  const foot = [trouble === undefined ? "" : style.bad(fitted(trouble)), style.faint(fitted("q: quit"))];
  const heads = headLines(sample.status, server, rates, style);
  const above = [...heads, "", heading(poolHead), ...pools.map(fitted), "", heading(trajectoryHead)];
  const room = Math.max(0, rows - above.length - foot.length);
  const hidden = sample.trajectoriesTotal - Math.min(trajectories.length, room);
  // The first line of the foot is free while all is well.
  if (hidden > 0 && trouble === undefined) foot[0] = style.faint(fitted(`${hidden} more trajectories`));
  const shown = trajectories.slice(0, room).map(fitted);
  const filler = Array.from({ length: room - shown.length }, () => "");
  return [...above, ...shown, ...filler, ...foot].slice(0, rows);
}
