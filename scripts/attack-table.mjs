// What the attacks of the adversarial suite came to, as a table for people.
const LEVELS = ["namespace", "uid", "container", "container (runsc)"];

/** `rows` are what test/support/attack.ts records, in whatever order. */
export function attackTable(rows) {
  const levels = LEVELS.filter((level) => rows.some((row) => row.level === level));
  const names = [...new Set(rows.map(({ attack }) => attack))];
  const lines = names.map((name) => [name, ...levels.map((level) => cellOf(rows, name, level))]);
  const table = [["attack", ...levels], ...lines];
  const widths = table[0].map((_, column) => Math.max(...table.map((line) => line[column].length)));
  const drawn = table.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]))
      .join(" | ")
      .trimEnd(),
  );
  const unexpected = rows.filter(({ outcome, expected }) => outcome !== expected).length;
  const verdict = unexpected ? `${unexpected} not as expected` : "all as expected";
  return [...drawn, `${rows.length} outcomes, ${verdict}`].join("\n");
}

function cellOf(rows, name, level) {
  const row = rows.find((it) => it.attack === name && it.level === level);
  if (!row) return "";
  return row.outcome === row.expected ? row.outcome : `${row.outcome} (NOT ${row.expected})`;
}
