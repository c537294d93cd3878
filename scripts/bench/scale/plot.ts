// A plot of what a call costs as something grows, as an SVG file of its own: both axes logarithmic, so that a power is a straight
// line, and no growth a level one.
import { type Chart, chartSvg, escapeHtml, type Series } from "../../../src/load/html/chart.js";
import { logarithmic } from "../../../src/load/html/scale.js";
import { countText, latencyText } from "../../../src/load/text.js";
import type { Dimension, Point } from "./dimension.js";

const WIDTH = 620;
const CHART_HEIGHT = 250;
const HEAD = 52;
const COLOURS = ["#2563c9", "#d1660c", "#2c8a4b", "#8a45b8", "#5d6b7a"];
const LEGEND_WIDTH = 112;
const STYLE = `
text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: #5c6370; }
.title { font-size: 14px; font-weight: 600; fill: #1d1f23; }
.grid { stroke: #e3e4e8; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.dashed { stroke-dasharray: 5 4; }
${COLOURS.map((colour, at) => `.line.s${at + 1} { stroke: ${colour}; } .dot.s${at + 1}, .key.s${at + 1} { fill: ${colour}; }`).join("\n")}
`;

export function plotOf(dimension: Dimension, points: readonly Point[]): string {
  const costs = dimension.shown.map((name) => lineOf(name, points, ({ cpuUs }) => (cpuUs[name] ?? 0) / 1000));
  const series = [...costs, lineOf("p50", points, ({ p50 }) => p50, true)];
  const text = dimension.unit === "bytes" ? sizeText : countText;
  const chart: Chart = {
    title: dimension.title,
    x: logarithmic(
      points.map(({ at }) => at),
      text,
    ),
    y: logarithmic(
      series.flatMap((each) => each.points.map(([, y]) => y)),
      latencyText,
    ),
    series,
    textOf: (x, y) => `${latencyText(y)} at ${text(x)}`,
  };
  const legend = series.map(({ name, dashed }, at) => {
    const x = 16 + at * LEGEND_WIDTH;
    const label = dashed === true ? `${name} (dashed)` : name;
    return `<rect class="key s${at + 1}" x="${x}" y="34" width="14" height="3"/><text x="${x + 20}" y="40">${label}</text>`;
  });
  const head = `<text class="title" x="16" y="20">${escapeHtml(dimension.title)}</text>${legend.join("")}`;
  const body = `<svg y="${HEAD}" width="${WIDTH}" height="${CHART_HEIGHT}">${chartSvg(chart, series)}</svg>`;
  const size = `viewBox="0 0 ${WIDTH} ${HEAD + CHART_HEIGHT}" width="${WIDTH}" height="${HEAD + CHART_HEIGHT}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}><style>${STYLE}</style><rect width="100%" height="100%" fill="#fff"/>${head}${body}</svg>\n`;
}

function lineOf(name: string, points: readonly Point[], of: (point: Point) => number, dashed = false): Series {
  const known = points.map((point) => [point.at, of(point)] as const).filter(([, y]) => y > 0);
  return { name, points: known, ...(dashed && { dashed }) };
}

export function sizeText(bytes: number): string {
  const [value, unit] = bytes < 1e6 ? [bytes / 1e3, "kB"] : [bytes / 1e6, "MB"];
  return `${Number(value.toPrecision(3))} ${unit}`;
}
