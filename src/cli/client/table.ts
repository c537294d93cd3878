// Rows of texts as aligned columns.

export interface Column {
  readonly head: string;
  /** Figures are easier to compare when they end below each other. */
  readonly right?: boolean;
  /** What is longer is cut, with `~` at its end. */
  readonly widthMax?: number;
}

/** The head line, and one line for each row; no line ends in blanks. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const cells = [columns.map(({ head }) => head), ...rows].map((row) =>
    row.map((cell, at) => cut(cell, columns[at]?.widthMax ?? Number.POSITIVE_INFINITY)),
  );
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  return cells.map((row) =>
    row
      .map((cell, at) => (columns[at]?.right ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}

export function cut(text: string, widthMax: number): string {
  return text.length <= widthMax ? text : `${text.slice(0, Math.max(0, widthMax - 1))}~`;
}
