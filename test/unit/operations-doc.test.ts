// docs/operations.md against the code: every field that a line of the log has, and every message that is worth an alert.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { documentedFields } from "../support/log-fields.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const doc = readFileSync(join(root, "docs/operations.md"), "utf8");
const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !file.startsWith("gen/"))
  .map((file) => readFileSync(join(root, "src", file), "utf8"));

/** Fields that are written out where something is logged, spreads aside. */
function fieldsIn(source: string): string[] {
  const calls = source.matchAll(/\blog\.(?:debug|info|warn|error|fatal|child)\(\s*\{([^}]*)\}/g);
  return [...calls].flatMap(([, fields = ""]) =>
    // What is nested in parentheses or brackets is a value.
    fields
      .replace(/\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\]]*\]/g, "")
      .split(",")
      .flatMap((field) => /^\s*(\w+)\s*(?::|$)/.exec(field)?.[1] ?? []),
  );
}

test("the log's fields are all documented", () => {
  const used = new Set(sources.flatMap(fieldsIn));
  assert.ok(used.size > 15, "this test finds them");
  const documented = documentedFields();
  assert.deepEqual(
    [...used].filter((field) => !documented.has(field)),
    [],
  );
});

test("messages that are worth an alert are those of the code", () => {
  const table = doc.slice(doc.indexOf("| worth alerting on |"), doc.indexOf("## Traces"));
  const rows = table.split("\n").filter((line) => line.startsWith("| `"));
  const messages = rows.flatMap((row) =>
    [...(row.split(" | ")[0] ?? "").matchAll(/`([^`]+)`/g)].map(([, text]) => text),
  );
  assert.ok(messages.length > 10, "this test finds them");
  for (const message of messages) {
    assert.ok(
      sources.some((source) => source.includes(`"${message}"`)),
      message,
    );
  }
});
