// `npm run test:polyglot [-- --only=python-sync,go] [--prepare]`: real servers, every client of languages.ts over scenarios.json.
// Prints language × scenario; exit 0 only when every cell passes. `docs` among them: the pages of docs/getting-started as
// they stand. What lacks its toolchain is named and left out; where CI is set it fails. With --prepare it ends once every
// client is built.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { DOCUMENTS, type Document, runDocument } from "./documents.js";
import { LANGUAGES, type Language } from "./languages.js";
import { type Cell, missingOf, play, prepareClient, TABLE } from "./play.js";
import { remarksOf, tableOf } from "./report.js";
import { startSecureService, startService } from "./service.js";

const PREPARED_AT_ONCE = 2;
const DOCS = "docs";

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: process.argv.slice(2).filter((arg) => arg !== "--"),
    options: { only: { type: "string" }, prepare: { type: "boolean" } },
  });
  const only = values.only?.split(",");
  const isWanted = (name: string) => only === undefined || only.includes(name);
  const names = [...LANGUAGES.map(({ name }) => name), DOCS];
  const unknown = only?.filter((name) => !names.includes(name)) ?? [];
  if (unknown.length > 0) throw new Error(`--only knows ${names.join(", ")}, not ${unknown.join(", ")}`);

  const scenarios = scenariosOf();
  const cells: Cell[] = [];
  const ready = await readyOnes(
    LANGUAGES.filter(({ name }) => isWanted(name)),
    scenarios.map(({ name }) => name),
    cells,
  );
  if (values.prepare) return cells.length === 0 ? 0 : verdictOf(cells);
  for (const start of [startService, startSecureService]) {
    const isSecure = start === startSecureService;
    const service = await start();
    try {
      console.log(`server on ${service.address}, backend ${service.backend}${isSecure ? ", TLS and tokens" : ""}`);
      const names = scenarios.filter(({ secure }) => secure === isSecure).map(({ name }) => name);
      for (const client of ready) {
        console.log(`playing: ${client.name}`);
        cells.push(...(await play(client, names, service.flags)));
      }
      const pages = isWanted(DOCS) && !isSecure ? DOCUMENTS : [];
      for (const document of pages) cells.push(...(await cellOf(document, service.address)));
    } finally {
      await service.close();
    }
  }
  return verdictOf(cells);
}

/** One cell, or none where its programs are missing and need not be there. */
async function cellOf(document: Document, address: string): Promise<Cell[]> {
  const { name } = document;
  const missing = missingOf(document);
  const begin = performance.now();
  if (missing.length > 0 && !process.env.CI) {
    console.log(`left out: the page ${name}: ${missing.join(", ")} not found`);
    return [];
  }
  console.log(`reading: ${name}`);
  const failure = missing.length > 0 ? `${missing.join(", ")} not found` : await runDocument(document, address);
  const ms = Math.round(performance.now() - begin);
  return [{ scenario: name, client: DOCS, verdict: failure === undefined ? "ok" : "FAILED", text: failure ?? "", ms }];
}

/** Those that can run; the others' cells are added to `cells`, or they are left out. */
async function readyOnes(
  wanted: readonly Language[],
  scenarios: readonly string[],
  cells: Cell[],
): Promise<Language[]> {
  const failures = new Map<Language, string>();
  const able = wanted.filter((client) => {
    const missing = missingOf(client);
    if (missing.length === 0) return true;
    const text = `${missing.join(", ")} not found; scripts/polyglot-up installs what is missing`;
    if (process.env.CI) failures.set(client, text);
    else console.log(`left out: ${client.name}: ${text}`);
    return false;
  });
  const queue = [...able];
  const worker = async () => {
    for (let client = queue.shift(); client !== undefined; client = queue.shift()) {
      const begin = performance.now();
      const failure = await prepareClient(client);
      if (failure !== undefined) failures.set(client, failure);
      console.log(`prepared: ${client.name} (${((performance.now() - begin) / 1000).toFixed(1)} s)`);
    }
  };
  await Promise.all(Array.from({ length: PREPARED_AT_ONCE }, worker));
  for (const [{ name }, text] of failures) {
    cells.push(...scenarios.map((scenario) => ({ scenario, client: name, verdict: "FAILED" as const, text, ms: 0 })));
  }
  return able.filter((client) => !failures.has(client));
}

/** Of each scenario its name and which server it is played against. */
function scenariosOf(): { readonly name: string; readonly secure: boolean }[] {
  const table: { scenarios: readonly { name: string; server?: string }[] } = JSON.parse(readFileSync(TABLE, "utf8"));
  return table.scenarios.map(({ name, server }) => ({ name, secure: server === "secure" }));
}

function verdictOf(cells: readonly Cell[]): number {
  const failed = cells.filter(({ verdict }) => verdict === "FAILED").length;
  const passed = cells.filter(({ verdict }) => verdict === "ok").length;
  const [pages, played] = [
    cells.filter(({ client }) => client === DOCS),
    cells.filter(({ client }) => client !== DOCS),
  ];
  for (const part of [played, pages]) if (part.length > 0) console.log(`\n${tableOf(part)}`);
  const remarks = remarksOf(cells);
  if (remarks !== "") console.log(`\n${remarks}`);
  console.log(`\n${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`polyglot: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
