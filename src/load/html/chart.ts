// A line chart as SVG text. Colours come from the page's style, by the number of a series.
import type { Scale } from "./scale.js";

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** As lines of what was asked for are drawn. */
  readonly dashed?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly note?: string;
  readonly x: Scale;
  readonly y: Scale;
  readonly series: readonly Series[];
  /** Stretches of the x axis that are not counted. */
  readonly shaded?: readonly (readonly [from: number, to: number])[];
  readonly textOf: (x: number, y: number) => string;
}

const WIDTH = 620;
const HEIGHT = 250;
const LEFT = 64;
const RIGHT = 24;
const TOP = 10;
const BOTTOM = 26;
/** More points than these would only make the file larger. */
const POINTS_MAX = 500;
/** Points that may be pointed at to read their value. */
const DOTS_MAX = 150;

export function chartHtml(chart: Chart): string {
  const drawn = chart.series.filter(({ points }) => points.length > 0);
  const legend = drawn.map(
    ({ name, dashed }, index) =>
      `<li><span class="key s${index + 1}${dashed ? " dashed" : ""}"></span>${escapeHtml(name)}</li>`,
  );
  const note = chart.note === undefined ? "" : `<p class="note">${escapeHtml(chart.note)}</p>`;
  const body = drawn.length === 0 ? `<p class="empty">no data</p>` : chartSvg(chart, drawn);
  const key = drawn.length > 1 ? `<ul class="legend">${legend.join("")}</ul>` : "";
  return `<figure><figcaption>${escapeHtml(chart.title)}</figcaption>${note}${key}${body}</figure>`;
}

/** Without a look: classes tell what is what. */
export function chartSvg(chart: Chart, drawn: readonly Series[]): string {
  const x = (value: number) => round(LEFT + chart.x.at(value) * (WIDTH - LEFT - RIGHT));
  const y = (value: number) => round(HEIGHT - BOTTOM - chart.y.at(value) * (HEIGHT - TOP - BOTTOM));
  const floor = HEIGHT - BOTTOM;
  const shades = (chart.shaded ?? []).map(([from, to]) => {
    return `<rect class="shade" x="${x(from)}" y="${TOP}" width="${round(x(to) - x(from))}" height="${floor - TOP}"/>`;
  });
  const rows = chart.y.ticks.map(({ value, text }) => {
    const line = `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}"/>`;
    return `${line}<text class="tick" x="${LEFT - 8}" y="${y(value) + 4}" text-anchor="end">${escapeHtml(text)}</text>`;
  });
  const columns = chart.x.ticks.map(({ value, text }) => {
    const line = `<line class="grid" x1="${x(value)}" x2="${x(value)}" y1="${TOP}" y2="${floor}"/>`;
    return `${line}<text class="tick" x="${x(value)}" y="${HEIGHT - 8}" text-anchor="middle">${escapeHtml(text)}</text>`;
  });
  const lines = drawn.map(({ points, dashed }, index) => {
    const kept = thinned(points);
    const path = kept.map(([px, py], at) => `${at === 0 ? "M" : "L"}${x(px)} ${y(py)}`).join("");
    return `<path class="line s${index + 1}${dashed ? " dashed" : ""}" d="${path}"/>`;
  });
  // Above all lines, so that none hides another's.
  const dots = drawn.map(({ name, points, dashed }, index) => {
    const kept = thinned(points);
    if (dashed || kept.length > DOTS_MAX) return "";
    const all = kept.map(([px, py]) => {
      const title = `${name}: ${chart.textOf(px, py)}`;
      return `<circle class="dot s${index + 1}" cx="${x(px)}" cy="${y(py)}" r="4"><title>${escapeHtml(title)}</title></circle>`;
    });
    return all.join("");
  });
  const content = [...shades, ...rows, ...columns, ...lines, ...dots].join("");
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(chart.title)}">${content}</svg>`;
}

/** Of neighbours that would fall together the highest stays. */
function thinned(points: Series["points"]): Series["points"] {
  const size = Math.ceil(points.length / POINTS_MAX);
  if (size <= 1) return points;
  const kept: (readonly [number, number])[] = [];
  for (let at = 0; at < points.length; at += size) {
    const group = points.slice(at, at + size);
    const highest = group.reduce((best, point) => (point[1] > best[1] ? point : best), group[0] ?? [0, 0]);
    kept.push(highest);
  }
  return kept;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
