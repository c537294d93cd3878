// Figures as people read them, on the terminal and on the page.

/** Three digits that mean something, with a unit that suits. */
export function latencyText(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  return ms < 1000 ? `${digits(ms)} ms` : `${digits(ms / 1000)} s`;
}

export function countText(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

export function rateText(rate: number): string {
  return rate < 100 ? digits(rate) : countText(rate);
}

export function percentText(part: number): string {
  return `${Math.round(part * 100)}%`;
}

export function digits(value: number): string {
  if (value === 0) return "0";
  const places = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(3, places));
}

/** Rows as text columns; the first column to the left, the others to the right. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]) =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  ");
  return `${rows.map((row) => line(row).trimEnd()).join("\n")}\n`;
}
