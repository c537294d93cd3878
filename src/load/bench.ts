// `switchyard bench` but for its flags: the run, the null target, what is shown meanwhile, and the reports. Exit code 0: no
// errors and every objective met; 1: not so, or the run could not begin; 130: interrupted, and otherwise fine.
import { closeSync, openSync, writeFileSync } from "node:fs";
import { messageOf } from "../core/errors.js";
import { runLoad } from "./coordinator.js";
import { reportPage } from "./html/page.js";
import { LiveLine, type Screen } from "./live-line.js";
import { type NullTarget, startNullTarget } from "./null-target.js";
import type { Objective } from "./objective.js";
import type { LoadPlan } from "./plan.js";
import { usage } from "./quantity.js";
import { type Ceiling, type Report, reportOf } from "./report.js";
import { summaryText } from "./words.js";

export interface BenchOptions {
  readonly version: string;
  readonly plan: LoadPlan;
  readonly objectives: readonly Objective[];
  /** Against the null target instead of the plan's. */
  readonly againstNull: boolean;
  /** First measures what the harness makes of the null target. */
  readonly withCeiling: boolean;
  readonly serverPid: number | undefined;
  /** Files; `-` is stdout, and then the summary goes to stderr. */
  readonly json: string | undefined;
  readonly html: string | undefined;
  readonly signal: AbortSignal;
  readonly stdout: Screen;
  readonly stderr: Screen;
}

const CEILING_STAGE = { warmUpMs: 1_000, durationMs: 4_000 };

export async function bench(options: BenchOptions): Promise<number> {
  for (const file of [options.json, options.html]) if (file !== undefined && file !== "-") requireWritable(file);
  const report = await measured(options);
  const text = summaryText(report);
  (options.json === "-" ? options.stderr : options.stdout).write(text);
  if (options.json !== undefined) write(options.json, `${JSON.stringify(report)}\n`, options.stdout);
  if (options.html !== undefined) write(options.html, reportPage(report), options.stdout);
  const isGood = report.errorSum === 0 && report.objectives.every(({ met }) => met);
  if (!isGood) return 1;
  return report.interrupted ? 130 : 0;
}

async function measured(options: BenchOptions): Promise<Report> {
  const { againstNull, withCeiling, plan, signal } = options;
  const needed = againstNull || withCeiling ? await startNullTarget() : undefined;
  try {
    const ceiling = withCeiling && needed !== undefined ? await ceilingOf(plan, needed, signal) : undefined;
    const own = againstNull && needed !== undefined;
    const actual = own ? { ...plan, target: needed.target } : plan;
    const live = new LiveLine(actual, options.stderr);
    const serverPid = own ? needed.pid : options.serverPid;
    const gathered = await runLoad(actual, {
      ...{ serverPid, signal },
      onRow: (row) => live.show(row),
      onOpening: (up) => live.opening(up),
    });
    live.end();
    return reportOf(options.version, actual, gathered, options.objectives, ceiling);
  } finally {
    await needed?.end();
  }
}

/** The same trajectories, as fast as they go. */
async function ceilingOf(plan: LoadPlan, { target }: NullTarget, signal: AbortSignal): Promise<Ceiling> {
  const stages = [{ from: plan.streams, to: plan.streams, ...CEILING_STAGE }];
  const think = { meanMs: 0, exponential: false };
  const alone: LoadPlan = { ...plan, target, stages, think, pace: "closed", lenient: true, cancelRate: 0 };
  const gathered = await runLoad(alone, { signal, onRow: () => {} });
  const { total, cpuPerResultUs } = reportOf("", alone, gathered, []);
  return { rate: total.rate, latency: total.latency, clientCpuPerResultUs: cpuPerResultUs.client ?? 0 };
}

function write(path: string, text: string, stdout: Screen): void {
  if (path === "-") {
    stdout.write(text);
    return;
  }
  writeFileSync(path, text);
}

/** Before the run, not after it. */
function requireWritable(path: string): void {
  try {
    closeSync(openSync(path, "w"));
  } catch (error) {
    throw usage(`${path} cannot be written: ${messageOf(error)}`, error);
  }
}
