// The parts of docs/performance.md that a run writes: what lies between `<!-- NAME -->` and `<!-- /NAME -->`. All other text is
// written by hand.
import { readFileSync, writeFileSync } from "node:fs";
import { machineText } from "./machine.js";
import { type Agreement, agreementText, cells, measures, type Run, resultsOf, verdictText } from "./results.js";

export function writePage(path: string, run: Run, compared?: { earlier: Run; agreed: readonly Agreement[] }): void {
  const parts = {
    run: `Measured ${run.beganAt}: ${machineText(run.machine)}.`,
    table: `${markdown(cells(run).map((line, at) => [...line, measures(run)[at] ?? ""]))}\n\n${verdictText(run)}.`,
    details: details(run),
    comparison: compared === undefined ? "This run was compared with no other." : comparison(compared),
  };
  const page = Object.entries(parts).reduce(
    (text, [name, content]) => filled(text, name, content),
    readFileSync(path, "utf8"),
  );
  writeFileSync(path, page);
}

function filled(page: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the page has no ${begin} … ${end}`);
  return `${page.slice(0, from + begin.length)}\n${content}\n${page.slice(to)}`;
}

function markdown(lines: readonly (readonly string[])[]): string {
  const [head = [], ...body] = lines;
  const row = (texts: readonly string[]) => `| ${texts.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`;
  return [row(head), row(head.map(() => "---")), ...body.map(row)].join("\n");
}

function details(run: Run): string {
  const lines = resultsOf(run).flatMap(({ name, measured }) =>
    (measured?.details ?? []).map(([what, figure]) => [name, what, figure]),
  );
  return markdown([["row", "figure", "value"], ...lines]);
}

function comparison({ earlier, agreed }: { earlier: Run; agreed: readonly Agreement[] }): string {
  const lines = agreed.map(({ name, ratio, agrees }) => [name, ratio.toFixed(2), agrees ? "yes" : "no"]);
  return `${agreementText(earlier, agreed)}\n\n${markdown([["row", "value / earlier value", "agrees"], ...lines])}`;
}
