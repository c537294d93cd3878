// `npm run bench`: every published figure, ours beside its floor or rival in the same run; docs/performance.md says more. It needs
// Docker, and on this machine itself bubblewrap and a C compiler.
//   --only=ROW,ROW   those alone
//   --short          few and short rounds, for CI: exit 1 where a row is beyond its wide margin
//   --compare=FILE   holds each value against that of an earlier run
//   --json=FILE      keeps the run there
// A whole run, of all rows, also writes docs/performance.json and the tables of docs/performance.md. Exit 1 when a row could not be
// measured.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { packageFile } from "../../src/backend/package-files.js";
import { needPrograms } from "../need-programs.js";
import { DockerBench } from "./bench.js";
import { table } from "./figures.js";
import { machineText, thisMachine } from "./machine.js";
import { writePage } from "./page.js";
import {
  agreements,
  agreementText,
  beyondMargin,
  failed,
  type Result,
  type Run,
  readRun,
  runText,
  writeRun,
} from "./results.js";
import type { Row } from "./row.js";
import { row as agentMix } from "./rows/agent-mix.js";
import { row as churn } from "./rows/churn.js";
import { row as controlPlane } from "./rows/control-plane.js";
import { row as dockerExec } from "./rows/docker-exec.js";
import { row as files } from "./rows/files.js";
import { row as idleLatency } from "./rows/idle-latency.js";
import { row as manyStreams } from "./rows/many-streams.js";
import { row as neighbours } from "./rows/neighbours.js";
import { row as output } from "./rows/output.js";
import { row as referenceFidelity } from "./rows/reference-fidelity.js";
import { row as referenceIdle } from "./rows/reference-idle.js";
import { row as referenceThroughput } from "./rows/reference-throughput.js";
import { row as slotMemory } from "./rows/slot-memory.js";
import { row as streamMemory } from "./rows/stream-memory.js";
import { row as thousandSlots } from "./rows/thousand-slots.js";
import { row as throughput } from "./rows/throughput.js";

/** Those of one table row that has several numbers stand together. */
const ROWS: readonly (Row | readonly Row[])[] = [
  idleLatency,
  throughput,
  referenceThroughput,
  referenceIdle,
  dockerExec,
  neighbours,
  agentMix,
  controlPlane,
  manyStreams,
  files,
  output,
  churn,
  [slotMemory, streamMemory],
  thousandSlots,
];

/** What the rows lean on; not counted among them. */
const CHECKS: readonly Row[] = [referenceFidelity];

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      short: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      compare: { type: "string" },
      json: { type: "string" },
    },
  });
  needPrograms({ bwrap: "bubblewrap", bash: "bash", cc: "gcc libc6-dev", docker: "docker.io" });
  const wanted = wantedRows(values.only, values.short);
  const earlier = values.compare === undefined ? undefined : readRun(values.compare);
  const run = await measuredRun(wanted, values.short);
  process.stdout.write(runText(run));
  const compared = earlier && { earlier, agreed: agreements(earlier, run) };
  if (compared !== undefined) {
    const lines = compared.agreed.map(({ name, ratio, agrees }) => [name, ratio.toFixed(2), agrees ? "" : "off"]);
    process.stdout.write(`\n${table(lines)}${agreementText(compared.earlier, compared.agreed)}\n`);
  }
  if (values.json !== undefined) writeRun(values.json, run);
  const isPublished = !values.short && values.only === "" && failed(run).length === 0;
  if (isPublished) {
    writeRun(packageFile("docs", "performance.json"), run);
    writePage(packageFile("docs", "performance.md"), run, compared);
  }
  const beyond = values.short ? beyondMargin(run) : failed(run).map(({ name }) => name);
  if (beyond.length === 0) return 0;
  process.stdout.write(`${values.short ? "beyond their margins" : "not measured"}: ${beyond.join(", ")}\n`);
  return 1;
}

interface Wanted {
  readonly rows: readonly (readonly Row[])[];
  readonly checks: readonly Row[];
}

function wantedRows(only: string, short: boolean): Wanted {
  const rows = ROWS.map((row) => ("name" in row ? [row] : row));
  const known = [...rows.flat(), ...CHECKS].map(({ name }) => name);
  const names = only === "" ? known : only.split(",");
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`--only: no row ${unknown.join(", ")}; the rows are ${known.join(", ")}`);
  const isWanted = ({ name, margin }: Row) => names.includes(name) && (!short || margin !== undefined);
  return {
    rows: rows.map((row) => row.filter(isWanted)).filter((row) => row.length > 0),
    checks: CHECKS.filter(isWanted),
  };
}

async function measuredRun({ rows, checks }: Wanted, short: boolean): Promise<Run> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => stop.abort(new Error(`got ${name}`)));
  const [beganAt, beganMs, machine] = [new Date().toISOString(), performance.now(), await thisMachine()];
  const folder = mkdtempSync(join(tmpdir(), "switchyard-bench-"));
  const bench = new DockerBench({ rounds: short ? 2 : 5, seconds: 1, folder, signal: stop.signal });
  bench.say(machineText(machine));
  try {
    const results = await resultsOf([...rows.flat(), ...checks], bench);
    const of = (row: readonly Row[]) => row.flatMap((part) => results.get(part) ?? []);
    const tookS = (performance.now() - beganMs) / 1000;
    return { kind: "switchyard-performance", beganAt, tookS, machine, rows: rows.map(of), checks: of(checks) };
  } finally {
    await bench.end();
    rmSync(folder, { recursive: true });
  }
}

/** Rows side by side, in turns; then, one after the other, those that are measured alone. */
async function resultsOf(rows: readonly Row[], bench: DockerBench): Promise<ReadonlyMap<Row, Result>> {
  const results = new Map<Row, Result>();
  const measure = async (row: Row) => {
    results.set(row, await bench.hold(() => resultOf(row, bench)));
  };
  const settled = await Promise.allSettled(rows.filter(({ isAlone }) => !isAlone).map(measure));
  for (const each of settled) if (each.status === "rejected") throw each.reason;
  for (const row of rows.filter(({ isAlone }) => isAlone)) await measure(row);
  return results;
}

/** A row that fails costs only itself. */
async function resultOf(row: Row, bench: DockerBench): Promise<Result> {
  const { name, measure, aim, margin } = row;
  const about = { name, measure, aim, ...(margin !== undefined && { margin }) };
  try {
    const measured = await row.measured(bench);
    bench.say(`${name}: ${measured.value.toFixed(2)}${aim.unit}`);
    return { ...about, measured };
  } catch (error) {
    bench.signal.throwIfAborted();
    const failure = error instanceof Error ? error.message : String(error);
    bench.say(`${name}: ${failure}`);
    return { ...about, failure };
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
process.exit();
