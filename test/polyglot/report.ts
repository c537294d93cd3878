// What every cell came to, as a table for people: scenarios down, clients across.
import type { Cell } from "./play.js";

export function tableOf(cells: readonly Cell[]): string {
  const clients = unique(cells.map(({ client }) => client));
  const scenarios = unique(cells.map(({ scenario }) => scenario));
  const rows = scenarios.map((scenario) => [
    scenario,
    ...clients.map((client) => spell(cells.find((cell) => cell.client === client && cell.scenario === scenario))),
  ]);
  const lines = [["", ...clients], ...rows];
  const widths = ["", ...clients].map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  return lines
    .map((line) =>
      line
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** What failed and why, and why something does not apply. */
export function remarksOf(cells: readonly Cell[]): string {
  const remarks = cells.filter(({ verdict }) => verdict !== "ok");
  return remarks
    .map(
      ({ client, scenario, verdict, text }) =>
        `${verdict === "n/a" ? "not applicable" : verdict}: ${client}, ${scenario}: ${text}`,
    )
    .join("\n");
}

function spell(cell: Cell | undefined): string {
  if (cell === undefined) return "";
  return cell.verdict === "ok" ? `${(cell.ms / 1000).toFixed(1)} s` : cell.verdict;
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
