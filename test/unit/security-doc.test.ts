// The table of docs/security.md is what the adversarial suite expects, word for word.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { packageFile } from "../../src/backend/package-files.js";
import { declaredIn, LEVELS, type Level } from "../support/attack.js";

test("docs/security.md has every attack with what it comes to at each level", async () => {
  const folder = packageFile("test", "adversarial");
  const files = readdirSync(folder).filter((name) => name.endsWith(".test.ts"));
  const attacks = await declaredIn(files.sort().map((name) => pathToFileURL(join(folder, name)).href));
  const names = attacks.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length, "two attacks have one name");
  const levels = Object.keys(LEVELS) as Level[];
  const rows = attacks.map(({ name, expected }) => [name, ...levels.map((level) => expected[level] ?? "–")]);
  const wanted = [["attack", ...levels], levels.map(() => "---").concat("---"), ...rows].map(lineOf).join("\n");
  const [, found] = /<!-- attacks -->\n(.*?)\n<!-- end of attacks -->/s.exec(doc()) ?? [];
  assert.equal(found, wanted, `the table must be:\n\n${wanted}\n`);
});

function doc(): string {
  return readFileSync(packageFile("docs", "security.md"), "utf8");
}

function lineOf(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
