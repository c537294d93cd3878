// Colours, where a person sees them.

export type Paint = (text: string) => string;

export interface Style {
  readonly strong: Paint;
  readonly faint: Paint;
  readonly bad: Paint;
  readonly head: Paint;
}

const plain: Paint = (text) => text;

/** `NO_COLOR` (no-color.org), or anything but a terminal: none. */
export function hasColours(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
}

export function styleOf(colours: boolean): Style {
  if (!colours) return { strong: plain, faint: plain, bad: plain, head: plain };
  return { strong: paint(1), faint: paint(2), bad: paint(31), head: paint(7) };
}

function paint(code: number): Paint {
  return (text) => `\u001b[${code}m${text}\u001b[0m`;
}
