// What a run came to: figures by stage and over all, the course of it second by second, whether the client was the bottleneck, and
// whether the objectives were met. This is what `--json` writes, and what the terminal and the HTML page show.

import { type ClientHealth, healthOf, saturationOf } from "./client-health.js";
import type { Gathered } from "./coordinator.js";
import { type CurvePoint, Latencies, type LatencySummary, merged } from "./histogram.js";
import type { MixItem } from "./mix.js";
import { type Judged, judge, type Objective } from "./objective.js";
import type { LoadPlan } from "./plan.js";
import type { Row } from "./row.js";
import { type ErrorCounts, errorSum } from "./run-error.js";
import type { ServerFacts } from "./server-watch.js";
import type { StageTally } from "./tally.js";
import type { Stage } from "./timeline.js";

export interface Figures {
  /** Counted time, in seconds. */
  readonly seconds: number;
  /** Results (churn: cycles) that arrived in it. */
  readonly results: number;
  /** Per second. */
  readonly rate: number;
  /** Of calls that were meant to start in it; milliseconds. Churn: from opening to the verified release. */
  readonly latency: LatencySummary;
  readonly queue: LatencySummary;
  readonly exec: LatencySummary;
  readonly lag: LatencySummary;
  readonly cancel: LatencySummary;
  readonly first: LatencySummary;
  readonly curves: Readonly<Record<"latency" | "queue" | "exec", readonly CurvePoint[]>>;
  readonly items: readonly { readonly label: string; readonly latency: LatencySummary }[];
  /** By `STATUS/FAULT`. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly cancelled: number;
  readonly unsent: number;
  readonly unfinished: number;
  /** Rate as a share of what a server without any delay would give; where that can be known. */
  readonly ideal?: number;
  /** HdrHistogram's text of the latencies. */
  readonly histogram: string;
}

export interface StageFigures extends Figures {
  readonly stage: Stage;
}

export interface Report {
  readonly kind: "switchyard-bench";
  readonly version: string;
  readonly beganAt: string;
  readonly interrupted: boolean;
  readonly plan: LoadPlan;
  readonly server: ServerFacts | undefined;
  readonly total: Figures;
  readonly stages: readonly StageFigures[];
  readonly rows: readonly Row[];
  readonly errors: ErrorCounts;
  readonly errorSum: number;
  readonly clients: readonly ClientHealth[];
  /** Why the figures are not to be relied on: the client was a bottleneck. Empty: it was not. */
  readonly saturation: readonly string[];
  /** Processor time per result over the counted seconds, in microseconds. */
  readonly cpuPerResultUs: Readonly<Partial<Record<"client" | "server" | "runners" | "slots", number>>>;
  /** The same trajectories against the null target. */
  readonly ceiling?: Ceiling;
  readonly objectives: readonly Judged[];
}

export interface Ceiling {
  readonly rate: number;
  readonly latency: LatencySummary;
  readonly clientCpuPerResultUs: number;
}

export function reportOf(
  version: string,
  plan: LoadPlan,
  gathered: Gathered,
  objectives: readonly Objective[],
  ceiling?: Ceiling,
): Report {
  const counted = countedSeconds(plan.stages, gathered.elapsedMs);
  const byStage = plan.stages.map((stage, index) => {
    const tallies = gathered.finals.flatMap(({ stages }) => stages[index] ?? []);
    return {
      stage,
      ...figuresOf(plan, tallies, counted[index] ?? 0, stage.from === stage.to ? stage.from : undefined),
    };
  });
  const all = gathered.finals.flatMap(({ stages }) => stages);
  const [only] = plan.stages;
  const level = plan.stages.length === 1 && only?.from === only?.to ? only?.from : undefined;
  const seconds = counted.reduce((sum, each) => sum + each, 0);
  const total = figuresOf(plan, all, seconds, level);
  const clients = gathered.health.map((health) => healthOf(health, gathered.rows));
  const errors = errorSum(gathered.errors);
  return {
    kind: "switchyard-bench",
    version,
    beganAt: new Date(gathered.beganUnixMs).toISOString(),
    interrupted: gathered.interrupted,
    plan,
    server: gathered.server,
    total,
    stages: byStage,
    rows: gathered.rows,
    errors: gathered.errors,
    errorSum: errors,
    clients,
    saturation: saturationOf(clients, total.lag),
    cpuPerResultUs: cpuPerResult(gathered.rows),
    ...(ceiling !== undefined && { ceiling }),
    objectives: judge(objectives, (metric) => metricOf(metric, total, all, gathered.errors, clients)),
  };
}

/** How long each stage was counted, when the stages went on for so long. */
function countedSeconds(stages: readonly Stage[], elapsedMs: number): number[] {
  let leftMs = elapsedMs;
  return stages.map(({ warmUpMs, durationMs }) => {
    const countedMs = Math.min(durationMs, Math.max(0, leftMs - warmUpMs));
    leftMs -= warmUpMs + durationMs;
    return countedMs / 1000;
  });
}

function figuresOf(
  plan: LoadPlan,
  tallies: readonly StageTally[],
  seconds: number,
  level: number | undefined,
): Figures {
  const sum = (of: (tally: StageTally) => number) => tallies.reduce((total, tally) => total + of(tally), 0);
  const all = (of: (tally: StageTally) => string | undefined) =>
    merged(tallies.flatMap((tally) => of(tally) ?? []).map((text) => Latencies.decode(text)));
  const [latency, queue, exec] = [all((it) => it.latency), all((it) => it.queue), all((it) => it.exec)];
  const results = sum((it) => it.results);
  const rate = seconds > 0 ? results / seconds : 0;
  const ideal = level === undefined ? undefined : idealRate(plan, level);
  return {
    seconds,
    results,
    rate,
    latency: latency.summary(),
    queue: queue.summary(),
    exec: exec.summary(),
    lag: all((it) => it.lag).summary(),
    cancel: all((it) => it.cancel).summary(),
    first: all((it) => it.first).summary(),
    curves: { latency: latency.curve(), queue: queue.curve(), exec: exec.curve() },
    items: plan.mix.map(({ label }, index) => ({ label, latency: all((it) => it.items[index]).summary() })),
    statuses: addedUp(tallies.map(({ statuses }) => statuses)),
    cancelled: sum((it) => it.cancelled),
    unsent: sum((it) => it.unsent),
    unfinished: sum((it) => it.unfinished),
    ...(ideal !== undefined && { ideal: rate / ideal }),
    histogram: latency.encode(),
  };
}

/** Calls a second when the server adds nothing to thinking and to what the commands themselves take. */
function idealRate({ pace, think, mix, cancelRate }: LoadPlan, level: number): number | undefined {
  if (pace !== "closed" || cancelRate > 0) return undefined;
  const nominal = mix.map((item: MixItem) => ("nominalMs" in item ? item.nominalMs : undefined));
  let [weights, cycleMs] = [0, 0];
  for (const [index, { weight }] of mix.entries()) {
    const ownMs = nominal[index];
    if (ownMs === undefined) return undefined;
    weights += weight;
    cycleMs += weight * (ownMs + think.meanMs);
  }
  return cycleMs > 0 ? (level * 1000 * weights) / cycleMs : undefined;
}

function addedUp(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum = new Map<string, number>();
  for (const [key, count] of counts.flatMap((each) => Object.entries(each))) sum.set(key, (sum.get(key) ?? 0) + count);
  return Object.fromEntries([...sum].sort(([, a], [, b]) => b - a));
}

function cpuPerResult(rows: readonly Row[]): Report["cpuPerResultUs"] {
  const counted = rows.filter((row) => row.counted);
  const results = counted.reduce((sum, row) => sum + row.results, 0);
  const per = (name: "client" | "server" | "runners" | "slots", of: (row: Row) => number | undefined) => {
    const values = counted.flatMap((row) => of(row) ?? []);
    if (results === 0 || values.length === 0) return {};
    return { [name]: (values.reduce((sum, value) => sum + value, 0) / results) * 1e6 };
  };
  return {
    ...per("client", ({ clientCpu }) => clientCpu),
    ...per("server", ({ processes }) => processes?.serverCpu),
    ...per("runners", ({ processes }) => processes?.runnersCpu),
    ...per("slots", ({ processes }) => processes?.slotsCpu),
  };
}

const PREFIXED = /^(queue|exec|first|cancel|lag)_(.+)$/;

function metricOf(
  metric: string,
  total: Figures,
  tallies: readonly StageTally[],
  errors: ErrorCounts,
  clients: readonly ClientHealth[],
): number | undefined {
  if (metric === "rate" || metric === "results" || metric === "unsent" || metric === "ideal") return total[metric];
  if (metric === "errors") return errorSum(errors);
  if (metric === "missing") return errors.missing?.count ?? 0;
  if (metric === "utilisation") return Math.max(0, ...clients.map(({ utilisation }) => utilisation));
  if (/^[A-Z_]+$/.test(metric)) {
    const entries = Object.entries(total.statuses).filter(([key]) => key.startsWith(`${metric}/`));
    return entries.reduce((sum, [, count]) => sum + count, 0);
  }
  const [, kind = "latency", figure = metric] = PREFIXED.exec(metric) ?? [];
  const latencies = merged(tallies.flatMap((tally) => latencyText(tally, kind)).map((text) => Latencies.decode(text)));
  if (latencies.count === 0) return undefined;
  if (figure === "max") return latencies.percentile(100);
  return figure === "mean" ? latencies.summary().mean : latencies.percentile(Number(figure.slice(1)));
}

function latencyText(tally: StageTally, kind: string): string[] {
  switch (kind) {
    case "queue":
    case "exec":
    case "first":
    case "cancel":
    case "lag":
    case "latency":
      return [tally[kind]];
    default:
      return [];
  }
}
