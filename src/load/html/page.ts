// The report as one HTML page that needs nothing else: figures, charts and tables, in light and in dark.
import type { Report } from "../report.js";
import { countText, digits, latencyText, rateText } from "../text.js";
import {
  errorLines,
  figureText,
  ITEM_HEAD,
  itemRows,
  planText,
  remarks,
  SATURATION_RULE,
  stageTable,
} from "../words.js";
import { escapeHtml } from "./chart.js";
import { charts } from "./charts.js";
import { STYLE } from "./style.js";

export function reportPage(report: Report): string {
  const items = itemRows(report);
  const statuses = Object.entries(report.total.statuses).map(([key, count]) => [key, countText(count)]);
  const parts = [
    head(report),
    tiles(report),
    objectives(report),
    `<section class="charts">${charts(report)}</section>`,
    '<p class="note">Shaded seconds are warm-up or drain, and not counted. Point at a line to read a value.</p>',
    stages(report),
    items.length > 0 ? table("Calls", ITEM_HEAD, items) : "",
    table("Results", ["status / fault", "count"], statuses),
    clients(report),
    errors(report),
    `<h2>Plan</h2><pre>${escapeHtml(JSON.stringify(report.plan, undefined, 1))}</pre>`,
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>switchyard bench, ${escapeHtml(report.beganAt)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body><main>
${parts.filter((part) => part !== "").join("\n")}
</main></body>
</html>
`;
}

function head(report: Report): string {
  const { version, beganAt, plan, server, saturation } = report;
  const pools = server?.pools.map(
    ({ name, backend, isolation }) => `${name} (${backend}, ${isolation || "no container"})`,
  );
  const about = [`Switchyard ${version}`, `began ${beganAt}`, ...(pools?.length ? [`pools ${pools.join(", ")}`] : [])];
  const notes = remarks(report).map((text) => {
    const isWarning = text.startsWith("UNRELIABLE") && saturation.length > 0;
    return `<p class="${isWarning ? "warning" : "note"}">${escapeHtml(text)}</p>`;
  });
  return `<h1>switchyard bench</h1>
<p>${escapeHtml(planText(plan))}</p>
<p class="lead">${escapeHtml(about.join(" · "))}</p>
${notes.join("\n")}`;
}

function tiles({ total, errorSum, saturation }: Report): string {
  const { rate, results, latency, ideal } = total;
  const tile = (text: string, label: string, isBad = false) =>
    `<div class="tile${isBad ? " bad" : ""}"><b>${escapeHtml(text)}</b><span>${label}</span></div>`;
  return `<section class="tiles">${[
    tile(rateText(rate), "results per second"),
    tile(latencyText(latency.p50), "p50"),
    tile(latencyText(latency.p90), "p90"),
    tile(latencyText(latency.p99), "p99"),
    tile(latencyText(latency.p999), "p99.9"),
    tile(latencyText(latency.max), "max"),
    tile(countText(results), "results"),
    ...(ideal === undefined ? [] : [tile(digits(ideal), "of the ideal rate")]),
    tile(countText(errorSum), "errors", errorSum > 0),
    tile(saturation.length > 0 ? "yes" : "no", "client a bottleneck", saturation.length > 0),
  ].join("")}</section>`;
}

function objectives({ objectives: judged }: Report): string {
  if (judged.length === 0) return "";
  const rows = judged.map((each) => {
    const { text, met } = each;
    const cells = [text, figureText(each)].map((cell) => `<td>${escapeHtml(cell)}</td>`);
    return `<tr>${cells.join("")}<td class="${met ? "good" : "bad"}">${met ? "met" : "missed"}</td></tr>`;
  });
  return `<h2>Objectives</h2><div class="wide"><table><tr><th>objective</th><th>was</th><th></th></tr>${rows.join("")}</table></div><h2>Course</h2>`;
}

function stages(report: Report): string {
  const [columns = [], ...rows] = stageTable(report);
  return table("Stages", columns, rows);
}

function clients({ clients: healths }: Report): string {
  const rows = healths.map(({ utilisation, utilisationMax, lagMaxMs, cpu, strainedSeconds, seconds }, index) => [
    `client ${index + 1}`,
    `${Math.round(utilisation * 100)}%`,
    `${Math.round(utilisationMax * 100)}%`,
    latencyText(lagMaxMs),
    digits(cpu),
    `${strainedSeconds} of ${seconds}`,
  ]);
  const columns = ["process", "loop busy, mean", "loop busy, max", "timer late, max", "processors", "strained seconds"];
  return `${table("Client", columns, rows)}<p class="note">${SATURATION_RULE}</p>`;
}

function errors(report: Report): string {
  const lines = errorLines(report);
  return lines.length === 0 ? "" : `<h2 class="bad">Errors</h2><pre>${escapeHtml(lines.join("\n"))}</pre>`;
}

function table(title: string, columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[], tag: string) =>
    row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join("");
  const body = rows.map((row) => `<tr>${cells(row, "td")}</tr>`).join("");
  return `<h2>${title}</h2><div class="wide"><table><tr>${cells(columns, "th")}</tr>${body}</table></div>`;
}
