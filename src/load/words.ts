// A report in words and tables: what the terminal prints at the end, and the page repeats.
import { LAG_MS_MAX, STRAINED_SHARE_MAX, UTILISATION_MAX } from "./client-health.js";
import type { LatencySummary } from "./histogram.js";
import type { Judged } from "./objective.js";
import type { LoadPlan } from "./plan.js";
import type { Figures, Report } from "./report.js";
import { entriesOf } from "./run-error.js";
import { countText, digits, latencyText, percentText, rateText, tableText } from "./text.js";

/** What latencies count from, and to. */
export function latencyMeaning({ pace }: LoadPlan): string {
  if (pace === "open") return "from when a call was meant to start until its result";
  return pace === "closed"
    ? "from sending a call until its result"
    : "from opening a trajectory until it is verified clean";
}

export function planText({ pace, streams, connections, clients, stages, think, target, seed }: LoadPlan): string {
  const [first, last] = [stages[0], stages.at(-1)];
  const levels = stages.map(({ from, to }) => (from === to ? `${from}` : `${from}…${to}`)).join(", ");
  const thinks =
    think.meanMs === 0 ? "" : `, thinking ${latencyText(think.meanMs)}${think.exponential ? " on average" : ""}`;
  const what = {
    closed: `closed loop of ${levels} trajectories${thinks}`,
    open: `open loop of ${levels} calls/s over ${streams} trajectories`,
    churn: `churn of ${levels} trajectories at once`,
  }[pace];
  const counted = latencyText(first?.durationMs ?? 0);
  const each = stages.length > 1 ? `${counted} each` : counted;
  const over = `${clients} client${clients > 1 ? "s" : ""}, ${connections} connection${connections > 1 ? "s" : ""}`;
  const warmUp = latencyText(last?.warmUpMs ?? 0);
  return `${what}; ${each} after ${warmUp} of warm-up; ${over}; ${target.address}; seed ${seed}`;
}

/** With its head. */
export function stageTable({ stages, total }: Report): string[][] {
  const hasIdeal = stages.some(({ ideal }) => ideal !== undefined);
  const head = ["stage", "results", "per s", "p50", "p90", "p99", "p99.9", "max", "queue p50", "exec p50"];
  const row = (label: string, { results, rate, latency, queue, exec, ideal }: Figures) => [
    label,
    countText(results),
    rateText(rate),
    ...[latency.p50, latency.p90, latency.p99, latency.p999, latency.max, queue.p50, exec.p50].map(latencyText),
    ...(hasIdeal ? [ideal === undefined ? "" : digits(ideal)] : []),
  ];
  const rows = stages.map((each) => {
    const { from, to } = each.stage;
    return row(from === to ? `${from}` : `${from}…${to}`, each);
  });
  return [[...head, ...(hasIdeal ? ["of ideal"] : [])], ...rows, ...(stages.length > 1 ? [row("all", total)] : [])];
}

export const ITEM_HEAD = ["call", "count", "p50", "p90", "p99", "p99.9", "max"];

/** Nothing when the mix has but one item. */
export function itemRows({ total, plan }: Report): string[][] {
  const rows = total.items.map(({ label, latency }) => latencyRow(label, latency));
  const extra: [string, LatencySummary][] = [
    ["cancel until its result", total.cancel],
    ["until the first result", total.first],
    ["sent later than meant", total.lag],
  ];
  const more = extra.flatMap(([label, latency]) => (latency.count > 0 ? [latencyRow(label, latency)] : []));
  return plan.mix.length > 1 ? [...rows, ...more] : more;
}

function latencyRow(label: string, { count, p50, p90, p99, p999, max }: LatencySummary): string[] {
  return [label, countText(count), ...[p50, p90, p99, p999, max].map(latencyText)];
}

/** One line for each thing that a reader must know before the figures are believed. */
export function remarks(report: Report): string[] {
  const { total, saturation, ceiling, interrupted, cpuPerResultUs } = report;
  const shares = Object.entries(cpuPerResultUs).map(([name, us]) => `${name} ${Math.round(us)} µs`);
  return [
    ...(interrupted ? ["The run was cut short."] : []),
    ...(saturation.length > 0 ? [`UNRELIABLE: the client was a bottleneck: ${saturation.join("; ")}.`] : []),
    ...(total.unsent > 0
      ? [
          `${countText(total.unsent)} calls were never sent; they count with the time that they had waited, so the truth is worse.`,
        ]
      : []),
    ...(total.unfinished > 0
      ? [`${countText(total.unfinished)} calls were under way at the end and are not counted.`]
      : []),
    ...(shares.length > 0 ? [`Processor time per result: ${shares.join(", ")}.`] : []),
    ...(ceiling === undefined
      ? []
      : [ceilingText(total, ceiling.rate, ceiling.latency.p50, ceiling.clientCpuPerResultUs)]),
  ];
}

function ceilingText({ rate }: Figures, ceiling: number, p50: number, cpuUs: number): string {
  const own = `${rateText(ceiling)}/s, p50 ${latencyText(p50)}, ${Math.round(cpuUs)} µs of the client per result`;
  return `Against the null target the harness made ${own}; this run reached ${percentText(rate / Math.max(ceiling, 1e-9))} of that rate.`;
}

export const SATURATION_RULE =
  `A client is a bottleneck when over ${percentText(STRAINED_SHARE_MAX)} of its counted seconds were strained: ` +
  `loop busy for over ${percentText(UTILISATION_MAX)}, or a timer over ${LAG_MS_MAX} ms late.`;

export function errorLines({ errors }: Report): string[] {
  return entriesOf(errors).flatMap(([kind, { count, samples }]) => [
    `${kind}: ${countText(count)}`,
    ...samples.map((sample) => `  ${sample}`),
  ]);
}

export function objectiveLines({ objectives }: Report): string[] {
  return objectives.map((judged) => `${judged.met ? "met   " : "MISSED"}  ${judged.text} (${figureText(judged)})`);
}

export function figureText({ value, isLatency }: Judged): string {
  if (value === undefined) return "this run has no such figure";
  return isLatency ? latencyText(value) : digits(value);
}

export function summaryText(report: Report): string {
  const { plan, total, server } = report;
  const statuses = Object.entries(total.statuses).map(([key, count]) => `${key} ${countText(count)}`);
  const items = itemRows(report);
  const pools = server?.pools.map(
    ({ name, backend, isolation }) => `${name} (${backend}, ${isolation || "no container"})`,
  );
  const errors = errorLines(report);
  return [
    planText(plan),
    ...(server === undefined ? [] : [`server ${server.version}${pools?.length ? `, pools ${pools.join(", ")}` : ""}`]),
    "",
    tableText(stageTable(report)),
    ...(items.length > 0 ? [tableText([ITEM_HEAD, ...items])] : []),
    `Latencies are ${latencyMeaning(plan)}.`,
    ...(statuses.length > 0 ? [`Results: ${statuses.join(", ")}.`] : []),
    ...remarks(report),
    ...(errors.length > 0 ? ["", "ERRORS", ...errors] : ["No errors."]),
    ...(report.objectives.length > 0 ? ["", ...objectiveLines(report)] : []),
    "",
  ].join("\n");
}
