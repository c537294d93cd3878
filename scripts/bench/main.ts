// `npm run bench [-- --short] [-- --only=ROW,ROW]`: every published figure, ours beside its floor or rival in the same run. It
// needs Docker, and on this machine itself bubblewrap and a C compiler.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { needPrograms } from "../need-programs.js";
import { DockerBench } from "./bench.js";
import { table } from "./figures.js";
import type { Aim, Measured, Row } from "./row.js";
import { row as controlPlane } from "./rows/control-plane.js";
import { row as idleLatency } from "./rows/idle-latency.js";
import { row as manyStreams } from "./rows/many-streams.js";

const ROWS: readonly Row[] = [idleLatency, controlPlane, manyStreams];

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { short: { type: "boolean", default: false }, only: { type: "string", default: "" } },
  });
  needPrograms({ bwrap: "bubblewrap", bash: "bash", cc: "gcc libc6-dev" });
  const wanted = values.only === "" ? ROWS : ROWS.filter(({ name }) => values.only.split(",").includes(name));
  if (wanted.length === 0) throw new Error(`--only: the rows are ${ROWS.map(({ name }) => name).join(", ")}`);
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => stop.abort(new Error(`got ${name}`)));
  const folder = mkdtempSync(join(tmpdir(), "switchyard-bench-"));
  const size = values.short ? { rounds: 1, seconds: 2 } : { rounds: 5, seconds: 4 };
  const bench = new DockerBench({ ...size, folder, signal: stop.signal });
  try {
    const cells: string[][] = [["measure", "aim", "value", "ours", "against", ""]];
    for (const row of wanted) {
      bench.say(row.name);
      cells.push(cellsOf(row, await row.measured(bench)));
    }
    process.stdout.write(table(cells));
    return 0;
  } finally {
    await bench.end();
    rmSync(folder, { recursive: true });
  }
}

function cellsOf({ measure, aim }: Row, { value, ours, against }: Measured): string[] {
  return [measure, aimText(aim), `${value.toFixed(2)}${aim.unit}`, ours, against, isMet(aim, value) ? "met" : "missed"];
}

function aimText(aim: Aim): string {
  return "atLeast" in aim ? `≥ ${aim.atLeast}${aim.unit}` : `≤ ${aim.atMost}${aim.unit}`;
}

function isMet(aim: Aim, value: number): boolean {
  return "atLeast" in aim ? value >= aim.atLeast : value <= aim.atMost;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
process.exit();
