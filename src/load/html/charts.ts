// Which charts a report has, and what they show.

import type { Report, StageFigures } from "../report.js";
import type { Row } from "../row.js";
import { digits, latencyText, rateText } from "../text.js";
import { latencyMeaning } from "../words.js";
import { type Chart, chartHtml, type Series } from "./chart.js";
import { linear, logarithmic, span, tail } from "./scale.js";

/** As many colours as there are. */
const CURVES_MAX = 6;

export function charts(report: Report): string {
  const { rows, plan } = report;
  return [
    percentiles(report),
    overTime(report, "Results per second", rateText, [
      ["results", ({ results }) => results],
      ...(plan.pace === "open" ? [["asked for", ({ level }: Row) => level] as const] : []),
    ]),
    latencyOverTime(report),
    overTime(report, "Trajectories and calls", digits, [
      ["trajectories ready", ({ streams }) => streams],
      ["calls in flight", ({ inFlight }) => inFlight],
      ...(plan.pace === "open" ? [["calls that wait for a trajectory", ({ waiting }: Row) => waiting] as const] : []),
      ["queued in the server", ({ queueSize }) => queueSize],
    ]),
    overTime(report, "Calls per batch", digits, [["mean of each second", ({ batchSize }) => batchSize]]),
    overTime(
      report,
      "Processors in use",
      digits,
      [
        ["server", ({ processes }) => processes?.serverCpu],
        ["runners", ({ processes }) => processes?.runnersCpu],
        ["slots", ({ processes }) => processes?.slotsCpu],
        ["client", ({ clientCpu }) => clientCpu],
      ],
      processesNote(rows),
    ),
    overTime(
      report,
      "Resident memory",
      (value) => `${digits(value)} MiB`,
      [
        ["server", ({ processes }) => mib(processes?.serverBytes)],
        ["runners", ({ processes }) => mib(processes?.runnersBytes)],
        ["slots", ({ processes }) => mib(processes?.slotsBytes)],
        ["client", ({ clientBytes }) => mib(clientBytes)],
      ],
      "pages that processes share count once for each",
    ),
    overTime(report, "The client's event loop", (value) => `${Math.round(value)}%`, [
      ["busy, of the busiest client", ({ clientUtilisation }) => clientUtilisation * 100],
    ]),
  ].join("\n");
}

function mib(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : bytes / 1024 / 1024;
}

function processesNote(rows: readonly Row[]): string {
  const known = rows.flatMap(({ processes }) => processes ?? []);
  if (known.length === 0) return "the server is not on this machine, or its process is not known";
  const whose = known.some(({ everywhere }) => everywhere) ? "all runners of this machine" : "the server's runners";
  return `of ${whose}, and of what ran in their slots`;
}

function percentiles({ stages, total, plan }: Report): string {
  const name = ({ stage: { from, to } }: StageFigures) => (from === to ? `level ${from}` : `level ${from} to ${to}`);
  const curves =
    stages.length > 1
      ? spread(stages).map((each) => ({ name: name(each), points: each.curves.latency }))
      : [
          { name: plan.pace === "churn" ? "whole cycle" : "latency", points: total.curves.latency },
          { name: "queued in the server", points: total.curves.queue },
          { name: "executing in the slot", points: total.curves.exec },
        ];
  const series = curves.map(({ name: label, points }) => ({
    name: label,
    points: points.filter(({ ms }) => ms > 0).map(({ percentile, ms }) => [percentile, ms] as const),
  }));
  const all = series.flatMap(({ points }) => points);
  return chartHtml({
    title: "Latency by percentile",
    note: latencyMeaning(plan),
    x: tail(all.map(([percentile]) => percentile)),
    y: logarithmic(
      all.map(([, ms]) => ms),
      latencyText,
    ),
    series,
    textOf: (percentile, ms) => `${latencyText(ms)} at p${digits(percentile)}`,
  });
}

/** Of many stages some, the first and the last among them. */
function spread(stages: readonly StageFigures[]): StageFigures[] {
  const step = Math.max(1, (stages.length - 1) / (CURVES_MAX - 1));
  const chosen = Array.from({ length: Math.min(stages.length, CURVES_MAX) }, (_, index) => Math.round(index * step));
  return chosen.flatMap((index) => stages[index] ?? []);
}

function latencyOverTime(report: Report): string {
  const series = (["max", "p99", "p90", "p50"] as const).map((name) => ({
    name,
    points: report.rows
      .filter((row) => row.results > 0 && row[name] > 0)
      .map((row) => [row.second, row[name]] as const),
  }));
  const values = series.flatMap(({ points }) => points.map(([, ms]) => ms));
  return timeChart(report, "Latency", logarithmic(values, latencyText), series, latencyText);
}

type Line = readonly [name: string, of: (row: Row) => number | undefined];

function overTime(
  report: Report,
  title: string,
  text: (value: number) => string,
  lines: readonly Line[],
  note?: string,
): string {
  const series = lines.map(([name, of]) => ({
    name,
    dashed: name === "asked for",
    points: report.rows.flatMap((row) => {
      const value = of(row);
      return value === undefined ? [] : [[row.second, value] as const];
    }),
  }));
  const values = series.flatMap(({ points }) => points.map(([, value]) => value));
  return timeChart(report, title, linear(values, text), series, text, note);
}

function timeChart(
  { rows }: Report,
  title: string,
  y: Chart["y"],
  series: readonly Series[],
  text: (value: number) => string,
  note?: string,
): string {
  const seconds = rows.map(({ second }) => second);
  const shaded = rows
    .filter(({ counted }) => !counted)
    .map(({ second }) => [Math.max(1, second - 0.5), second + 0.5] as const);
  const last = seconds.at(-1) ?? 2;
  return chartHtml({
    title,
    ...(note !== undefined && { note }),
    x: span(1, Math.max(2, last), (value) => `${digits(value)} s`),
    y,
    series,
    shaded: shaded.map(([from, to]) => [from, Math.min(to, Math.max(2, last))] as const),
    textOf: (second, value) => `${text(value)} at ${second} s`,
  });
}
