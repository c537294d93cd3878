// A check as lines for a terminal: verdict, name and what was found, wrapped, with the advice below.
import type { Check, Verdict } from "./check.js";

const VERDICT_WIDTH = 9;
const NAME_WIDTH = 28;
const INDENT = VERDICT_WIDTH + NAME_WIDTH;
const TEXT_WIDTH_MIN = 40;
const COLOURS = { ok: 32, note: 36, warning: 33, problem: 31 } as const satisfies Record<Verdict, number>;

export interface Terminal {
  readonly columns: number;
  readonly colours: boolean;
}

export function render({ name, verdict, found, advice }: Check, { columns, colours }: Terminal): string {
  const width = Math.max(columns - INDENT, TEXT_WIDTH_MIN);
  const lines = [...wrap(found, width), ...(advice ? wrap(advice, width - 3).map(asAdvice) : [])];
  const shown = colours ? `\u001b[${COLOURS[verdict]}m${verdict}\u001b[0m` : verdict;
  const head = `${shown}${" ".repeat(VERDICT_WIDTH - verdict.length)}${name.padEnd(NAME_WIDTH - 1)} `;
  return `${head}${lines.join(`\n${" ".repeat(INDENT)}`)}\n`;
}

function asAdvice(line: string, index: number): string {
  return `${index === 0 ? "-> " : "   "}${line}`;
}

/** Between words only: what is longer than a line, such as a path to copy, stays whole. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
