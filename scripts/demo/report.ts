// What the demo prints: a line per step while it runs, then a table per trajectory and the totals.
import type { ServerStatus } from "../../src/client/index.js";
import type { Job, Repair, SuiteRun } from "./repair.js";

export interface Outcome {
  readonly job: Job;
  readonly repair: Repair;
  readonly wallMs: number;
  /** Undefined when the repair succeeded. */
  readonly failure: string | undefined;
}

export class Progress {
  readonly #startedAt = performance.now();

  say(text: string): void {
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(1);
    console.log(`${seconds.padStart(6)} s  ${text}`);
  }
}

export function printReport(outcomes: readonly Outcome[], status: ServerStatus | undefined): void {
  console.log(`\n${table(outcomes)}\n`);
  for (const line of totals(outcomes, status)) console.log(line);
  for (const { job, failure } of outcomes) if (failure !== undefined) console.log(`\n${job.id}: ${failure}`);
}

function table(outcomes: readonly Outcome[]): string {
  const head = ["trajectory", "file", "tests", "failed before", "failed after", "calls", "exec", "wall", ""];
  const rows = outcomes.map(({ job, repair, wallMs, failure }) => [
    job.id,
    job.fault.file,
    count(repair.after ?? repair.before, "tests"),
    count(repair.before, "failed"),
    count(repair.after, "failed"),
    String(repair.calls.length),
    seconds(sum(repair.calls.map((call) => call.execMs))),
    seconds(wallMs),
    failure === undefined ? "repaired" : "FAILED",
  ]);
  return aligned([head, ...rows]);
}

function totals(outcomes: readonly Outcome[], status: ServerStatus | undefined): readonly string[] {
  const calls = outcomes.flatMap(({ repair }) => repair.calls);
  const repaired = outcomes.filter(({ failure }) => failure === undefined);
  const perProject = new Map(repaired.map(({ job, repair }) => [job.project.name, repair.after?.tests ?? 0]));
  const runs = sum(outcomes.map(({ repair }) => (repair.before?.tests ?? 0) + (repair.after?.tests ?? 0)));
  const sandboxed = outcomes.every(({ repair }) => repair.sandboxed) ? "every command" : "NOT every command";
  const pools = (status?.pools ?? []).map((pool) => `${pool.backend}, isolation ${pool.isolation}`).join("; ");
  return [
    `repaired   ${repaired.length} of ${outcomes.length} trajectories`,
    `tests      ${sum([...perProject.values()])} in ${perProject.size} projects; ${runs} test runs in all`,
    `calls      ${calls.length} (server: ${status?.totalRequests ?? "?"})`,
    `batches    ${status?.batches ?? "?"}, mean size ${status?.meanBatchSize.toFixed(2) ?? "?"}`,
    `queue time ${percentiles(calls.map((call) => call.queueMs))}`,
    `exec time  ${percentiles(calls.map((call) => call.execMs))}`,
    `sandbox    ${sandboxed} (${pools})`,
  ];
}

function percentiles(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  return `p50 ${milliseconds(percentile(sorted, 50))}, p99 ${milliseconds(percentile(sorted, 99))}`;
}

/** Nearest rank: the smallest value that at least `percent` of all do not exceed. */
function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0;
}

function count(run: SuiteRun | undefined, field: "tests" | "failed"): string {
  return run === undefined ? "-" : String(run[field]);
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const isNumber = (column: number) => column >= 2 && column <= 7;
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
const milliseconds = (ms: number) => `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms`;
