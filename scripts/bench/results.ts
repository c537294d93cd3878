// What a run of the bench came to, as its file has it, and how it agrees with an earlier one.
import { readFileSync, writeFileSync } from "node:fs";
import { table } from "./figures.js";
import type { Machine } from "./machine.js";
import type { Aim, Measured } from "./row.js";

/** How far the values of two runs may be apart. */
export const AGREEMENT = 1.15;

export interface Run {
  readonly kind: "switchyard-performance";
  readonly beganAt: string;
  readonly tookS: number;
  readonly machine: Machine;
  /** A row of the table has one number or more. */
  readonly rows: readonly (readonly Result[])[];
  /** What the rows lean on; not counted among them. */
  readonly checks: readonly Result[];
}

export interface Result {
  readonly name: string;
  readonly measure: string;
  readonly aim: Aim;
  readonly margin?: number;
  /** Left out where it failed. */
  readonly measured?: Measured;
  readonly failure?: string;
}

export interface Agreement {
  readonly name: string;
  /** The later value as a multiple of the earlier. */
  readonly ratio: number;
  readonly agrees: boolean;
}

/** All, in the order of the table. */
export function resultsOf({ rows, checks }: Run): readonly Result[] {
  return [...rows.flat(), ...checks];
}

/** Whether all numbers of the row are what they should be. */
export function isMet(row: readonly Result[]): boolean {
  return row.every(({ aim, measured }) => measured !== undefined && reaches(aim, measured.value));
}

export function reaches(aim: Aim, value: number): boolean {
  return "atLeast" in aim ? value >= aim.atLeast : value <= aim.atMost;
}

/** Names of what a short run may not be content with. */
export function beyondMargin(run: Run): string[] {
  const beyond = ({ aim, margin, measured }: Result) => {
    if (margin === undefined || measured === undefined) return true;
    const wide: Aim = "atLeast" in aim ? { unit: aim.unit, atLeast: margin } : { unit: aim.unit, atMost: margin };
    return !reaches(wide, measured.value);
  };
  return resultsOf(run).flatMap((result) => (beyond(result) ? [result.name] : []));
}

export function failed(run: Run): readonly Result[] {
  return resultsOf(run).filter(({ measured }) => measured === undefined);
}

/** The table's numbers that both runs have. A check's is a distance from where it should be, near nothing: no ratio. */
export function agreements(earlier: Run, later: Run): readonly Agreement[] {
  const before = new Map(earlier.rows.flat().map(({ name, measured }) => [name, measured?.value]));
  return later.rows.flat().flatMap(({ name, measured }) => {
    const [from, to] = [before.get(name), measured?.value];
    if (from === undefined || to === undefined) return [];
    const ratio = to / from;
    return [{ name, ratio, agrees: ratio <= AGREEMENT && ratio >= 1 / AGREEMENT }];
  });
}

export function agreementText(earlier: Run, agreed: readonly Agreement[]): string {
  const off = agreed.filter(({ agrees }) => !agrees).length;
  const percent = Math.round((AGREEMENT - 1) * 100);
  const verdict = off === 0 ? `all ${agreed.length} agree` : `${off} of ${agreed.length} do not agree`;
  return `against the run of ${earlier.beganAt}: ${verdict} within ${percent}%`;
}

/** Head and lines of the table but for what each measures; a row's number stands on its first line. */
export function cells({ rows, checks }: Run): string[][] {
  const head = ["", "row", "aim", "value", "ours", "against", ""];
  const lines = rows.flatMap((row, index) =>
    row.map((result, part) => [part === 0 ? String(index + 1) : "", ...line(result)]),
  );
  return [head, ...lines, ...checks.map((check) => ["", ...line(check)])];
}

/** What each line of the table measures, its head first. */
export function measures(run: Run): string[] {
  return ["measure", ...resultsOf(run).map(({ measure }) => measure)];
}

function line({ name, aim, measured, failure = "" }: Result): string[] {
  if (measured === undefined) return [name, aimText(aim), "failed", "", failure, ""];
  const { value, ours, against } = measured;
  return [name, aimText(aim), valueText(aim, value), ours, against, reaches(aim, value) ? "met" : "missed"];
}

function aimText(aim: Aim): string {
  return "atLeast" in aim ? `≥ ${aim.atLeast}${aim.unit}` : `≤ ${aim.atMost}${aim.unit}`;
}

export function valueText({ unit }: Aim, value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)}${unit}`;
}

export function verdictText({ rows, tookS }: Run): string {
  return `${rows.filter(isMet).length} of ${rows.length} rows met, in ${(tookS / 60).toFixed(1)} minutes`;
}

/** As a terminal shows it: the table, then the further figures of each row. */
export function runText(run: Run): string {
  const details = resultsOf(run).flatMap(({ name, measured }) => {
    const figures = measured?.details ?? [];
    if (figures.length === 0) return [];
    return [`\n${name}\n${table(figures.map(([what, figure]) => [`  ${what}`, figure]))}`];
  });
  const what = measures(run);
  const lines = table(cells(run)).trimEnd().split("\n");
  const shown = lines.map((line, at) => `${line}  ${what[at]}\n`).join("");
  return `${shown}${details.join("")}\n${verdictText(run)}\n`;
}

export function readRun(path: string): Run {
  const run = JSON.parse(readFileSync(path, "utf8")) as Run;
  if (run.kind === "switchyard-performance") return run;
  throw new Error(`${path} is no file of npm run bench`);
}

export function writeRun(path: string, run: Run): void {
  writeFileSync(path, `${JSON.stringify(run, null, 2)}\n`);
}
