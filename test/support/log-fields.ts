// The fields that a line of the log may have, as docs/operations.md lists them.
import { readFileSync } from "node:fs";

export function documentedFields(): ReadonlySet<string> {
  const doc = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
  const table = doc.slice(doc.indexOf("| field |"), doc.indexOf("| worth alerting on |"));
  const names = table.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm);
  return new Set([...names].flatMap(([, cell = ""]) => [...cell.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name)));
}
