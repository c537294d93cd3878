// `npm run bench:scale [-- --only=NAME,NAME]`: what a call costs as streams, slots, containers, messages and the queue grow. Prints a
// table with the exponent of each growth; a whole run also writes docs/performance/scale.md and its plots. Exit 1 when one
// grows faster than it may. It needs Docker.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { packageFile } from "../../src/backend/package-files.js";
import { countText, latencyText, rateText } from "../../src/load/text.js";
import { DockerBench } from "./bench.js";
import { table } from "./figures.js";
import { machineText, thisMachine } from "./machine.js";
import { chargedUs, type Dimension, type Point } from "./scale/dimension.js";
import { DIMENSIONS } from "./scale/dimensions.js";
import { exponentOf } from "./scale/fit.js";
import { plotOf, sizeText } from "./scale/plot.js";

/** Over the exponent that a cost may have: 256 times as many may make a call 3 times as dear, as machines swing. */
const MARGIN = 0.2;
const FOLDER = packageFile("docs", "performance");
const SECONDS = 4;

interface Growth {
  readonly dimension: Dimension;
  readonly points: readonly Point[];
  readonly exponent: number;
  readonly isWithin: boolean;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: "string", default: "" } } });
  const wanted = wantedDimensions(values.only);
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => stop.abort(new Error(`got ${name}`)));
  const [beganAt, machine] = [new Date().toISOString(), await thisMachine()];
  const folder = mkdtempSync(join(tmpdir(), "switchyard-scale-"));
  const bench = new DockerBench({ rounds: 1, seconds: SECONDS, folder, signal: stop.signal });
  try {
    const growths: Growth[] = [];
    for (const dimension of wanted) {
      bench.say(dimension.name);
      growths.push(growthOf(dimension, await dimension.measured(bench)));
    }
    process.stdout.write(growths.map(({ dimension, ...growth }) => text(dimension, growth)).join("\n"));
    if (wanted === DIMENSIONS) writePages(growths, `Measured ${beganAt}: ${machineText(machine)}.`);
    return growths.every(({ isWithin }) => isWithin) ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function wantedDimensions(only: string): readonly Dimension[] {
  if (only === "") return DIMENSIONS;
  const names = only.split(",");
  const known = DIMENSIONS.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`--only: no ${unknown.join(", ")}; there are ${known.join(", ")}`);
  return DIMENSIONS.filter(({ name }) => names.includes(name));
}

function growthOf(dimension: Dimension, points: readonly Point[]): Growth {
  // On a machine that is more than busy the harness may not get to look at all processes in time.
  const known = points.map((point) => [point.at, chargedUs(dimension, point)] as const).filter(([, us]) => us > 0);
  const exponent = exponentOf(known);
  return { dimension, points, exponent, isWithin: exponent <= dimension.exponent + MARGIN };
}

function text(dimension: Dimension, { points, exponent, isWithin }: Omit<Growth, "dimension">): string {
  return `${dimension.title}\n${table(lines(dimension, points))}${verdict(dimension, exponent, isWithin)}\n`;
}

/** With their head. */
function lines({ axis, unit, shown }: Dimension, points: readonly Point[]): string[][] {
  const size = unit === "bytes" ? sizeText : countText;
  const us = (value: number | undefined) => (value === undefined ? "" : latencyText(value / 1000));
  const rows = points.map(({ at, cpuUs, p50, rate, serverBytes }) => [
    size(at),
    `${rateText(rate)}/s`,
    latencyText(p50),
    ...shown.map((name) => us(cpuUs[name])),
    `${Math.round(serverBytes / 1e6)} MB`,
  ]);
  return [[axis, "results", "p50", ...shown, "server's memory"], ...rows];
}

function verdict({ charged, exponent: allowed }: Dimension, exponent: number, isWithin: boolean): string {
  const whose = charged.map((name) => (name === "server" ? "the server" : `the ${name}`)).join(" and ");
  const word = isWithin ? "within" : "OVER";
  return `A call costs ${whose} N^${exponent.toFixed(2)}: ${word} N^${allowed} and its margin of ${MARGIN}.`;
}

function writePages(growths: readonly Growth[], run: string): void {
  mkdirSync(FOLDER, { recursive: true });
  const parts = growths.map(({ dimension, points, exponent, isWithin }) => {
    const { name, title } = dimension;
    writeFileSync(join(FOLDER, `${name}.svg`), plotOf(dimension, points));
    const [head = [], ...rows] = lines(dimension, points);
    const markdown = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
    return `## ${title}\n\n![${name}](${name}.svg)\n\n${markdown}\n\n${verdict(dimension, exponent, isWithin)}\n`;
  });
  writeFileSync(join(FOLDER, "scale.md"), `${INTRODUCTION}\n${run}\n\n${parts.join("\n")}`);
}

const INTRODUCTION = `# How cost grows

Written by \`npm run bench:scale\`. Processor time is for each result: of the client, the server, its runners, and what runs in
the slots. The exponent is the slope of the line that fits the logarithms best; where a call itself does not grow it should be 0,
which means that all calls together cost in proportion to their number.
`;

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`bench:scale: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
process.exit();
