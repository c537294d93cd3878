// Writes what is made of the configuration's schema: docs/config.schema.json, and the tables in docs/configuration.md. With
// --check it writes nothing, and fails when they are not as they should be.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { configJsonSchema } from "../src/config/json-schema.js";
import { optionTables } from "../src/config/markdown.js";

const docs = join(dirname(dirname(fileURLToPath(import.meta.url))), "docs");
const TABLES = /(<!-- The tables are made by `npm run generate`. -->\n)[\s\S]*(\n<!-- The tables end here. -->)/;

const page = readFileSync(join(docs, "configuration.md"), "utf8");
if (!TABLES.test(page)) throw new Error("docs/configuration.md has no place for the tables");
const made: Record<string, string> = {
  "config.schema.json": `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`,
  "configuration.md": page.replace(TABLES, (_, begin: string, end: string) => `${begin}\n${optionTables()}\n${end}`),
};

for (const [name, text] of Object.entries(made)) {
  const file = join(docs, name);
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (read(file) !== text) {
    console.log(`docs/${name} is not what the schema of the configuration makes of it: npm run generate`);
    process.exitCode = 1;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
