// `npm run test:polyglot [-- --only=python-sync,go]`: one real server, every client of languages.ts over scenarios.json.
// Prints language × scenario; exit 0 only when every cell passes. A client whose toolchain is missing is left out and named,
// where CI is set it fails.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { LANGUAGES, type Language } from "./languages.js";
import { type Cell, missingOf, play, prepareClient, TABLE } from "./play.js";
import { remarksOf, tableOf } from "./report.js";
import { startService } from "./service.js";

const PREPARED_AT_ONCE = 2;

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: process.argv.slice(2).filter((arg) => arg !== "--"),
    options: { only: { type: "string" } },
  });
  const only = values.only?.split(",");
  const scenarios = scenarioNames();
  const unknown = only?.filter((name) => !LANGUAGES.some((language) => language.name === name)) ?? [];
  if (unknown.length > 0) throw new Error(`--only: no client is called ${unknown.join(", ")}`);
  const wanted = LANGUAGES.filter(({ name }) => only === undefined || only.includes(name));

  const cells: Cell[] = [];
  const ready = await readyOnes(wanted, scenarios, cells);
  const service = await startService();
  try {
    console.log(`server on ${service.address}, backend ${service.backend}`);
    for (const client of ready) {
      console.log(`playing: ${client.name}`);
      cells.push(...(await play(client, scenarios, ["--address", service.address])));
    }
  } finally {
    await service.close();
  }
  return verdictOf(cells);
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

function scenarioNames(): string[] {
  const table: { scenarios: readonly { name: string }[] } = JSON.parse(readFileSync(TABLE, "utf8"));
  return table.scenarios.map(({ name }) => name);
}

function verdictOf(cells: readonly Cell[]): number {
  const failed = cells.filter(({ verdict }) => verdict === "FAILED").length;
  const passed = cells.filter(({ verdict }) => verdict === "ok").length;
  console.log(`\n${tableOf(cells)}\n`);
  const remarks = remarksOf(cells);
  if (remarks !== "") console.log(`${remarks}\n`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`polyglot: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
