// A flame graph as one SVG file: a box a frame, as wide as its share of the samples, on top of its caller; the full name and the
// share are in its tooltip.
import type { Frame, FrameKind } from "./stacks.js";

const WIDTH = 1200;
const LINE = 16;
const LETTER = 6.2;
const MARGIN = 10;
/** Narrower boxes are not drawn. */
const SHARE_MIN = 0.0015;
const DEPTH_MAX = 48;
const COLOURS: Readonly<Record<FrameKind, string>> = {
  process: "#b8c4d6",
  kernel: "#f2b48c",
  native: "#f3da8b",
  script: "#a9d6a0",
};
const MEANING: Readonly<Record<FrameKind, string>> = {
  process: "process",
  kernel: "kernel",
  native: "native code",
  script: "JavaScript",
};

interface Box {
  readonly frame: Frame;
  readonly depth: number;
  readonly from: number;
}

export function flameGraph(root: Frame, title: string): string {
  const boxes = [...boxesOf(root, 0, 0, root.samples)];
  const depth = Math.max(...boxes.map((box) => box.depth)) + 1;
  const height = depth * LINE + 3 * LINE + 2 * MARGIN;
  const scale = (WIDTH - 2 * MARGIN) / root.samples;
  const drawn = boxes.map(({ frame, depth: at, from }) => {
    const width = frame.samples * scale;
    const [x, y] = [MARGIN + from * scale, height - MARGIN - (at + 1) * LINE];
    const share = ((frame.samples / root.samples) * 100).toFixed(1);
    const letters = Math.floor((width - 4) / LETTER);
    const text =
      letters < 3 ? "" : `<text x="${(x + 2).toFixed(1)}" y="${y + 12}">${escaped(cut(frame.name, letters))}</text>`;
    const place = `x="${x.toFixed(1)}" y="${y}" width="${Math.max(width - 0.4, 0.4).toFixed(1)}" height="${LINE - 1}"`;
    return `<g><title>${escaped(frame.name)}: ${share}%</title><rect ${place} fill="${COLOURS[frame.kind]}"/>${text}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="10">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="${MARGIN}" y="${MARGIN + 10}" font-size="13">${escaped(title)}</text>`,
    ...legend(),
    ...drawn,
    "</svg>\n",
  ].join("\n");
}

function* boxesOf(frame: Frame, depth: number, from: number, all: number): Generator<Box> {
  yield { frame, depth, from };
  if (depth === DEPTH_MAX) return;
  let at = from;
  for (const callee of [...frame.callees.values()].sort((a, b) => b.samples - a.samples)) {
    if (callee.samples / all >= SHARE_MIN) yield* boxesOf(callee, depth + 1, at, all);
    at += callee.samples;
  }
}

function legend(): string[] {
  const kinds = Object.keys(COLOURS) as FrameKind[];
  return kinds.map((kind, at) => {
    const x = MARGIN + at * 110;
    const y = MARGIN + LINE + 4;
    return `<rect x="${x}" y="${y}" width="12" height="12" fill="${COLOURS[kind]}"/><text x="${x + 16}" y="${y + 10}">${MEANING[kind]}</text>`;
  });
}

function cut(text: string, letters: number): string {
  return text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
