// Prepares a client and runs it over the table; a client that cannot run, or leaves a scenario out, fails it.
import { accessSync, constants } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { type Language, PATH, ROOT } from "./languages.js";
import { type Ending, lastWords, runCommand } from "./run-command.js";

export const TABLE = join(ROOT, "test/polyglot/scenarios.json");

/** All that tonic needs takes minutes to build, on a machine that does other things too. */
const PREPARE_MAX_MS = 1_200_000;
const PLAY_MAX_MS = 300_000;

export interface Cell {
  readonly scenario: string;
  readonly client: string;
  /** `n/a`: it means nothing to this client; the text says why. */
  readonly verdict: "ok" | "FAILED" | "n/a";
  readonly text: string;
  readonly ms: number;
}

/** Programs that are not there. */
export function missingOf({ needs }: Pick<Language, "needs">): string[] {
  return needs.filter((program) => {
    const places = program.includes("/")
      ? [resolve(ROOT, program)]
      : PATH.split(delimiter).map((it) => join(it, program));
    return !places.some(isProgram);
  });
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Why it could not be prepared; undefined when it was. */
export async function prepareClient({ prepare, env = {} }: Language): Promise<string | undefined> {
  for (const command of prepare) {
    const ending = await runCommand(command, { env, timeoutMs: PREPARE_MAX_MS });
    if (ending.failure !== "") return `${command.join(" ")}: ${lastWords(ending)}`;
  }
  return undefined;
}

/** A cell for each of `scenarios`; `flags` say where the server is. */
export async function play(client: Language, scenarios: readonly string[], flags: readonly string[]): Promise<Cell[]> {
  const applicable = scenarios.filter((scenario) => client.notApplicable?.[scenario] === undefined);
  const command = [...client.run, "--scenarios", TABLE, "--only", applicable.join(","), ...flags] as const;
  const ending = await runCommand(command, { env: client.env ?? {}, timeoutMs: PLAY_MAX_MS });
  const reports = reportsOf(ending);
  return scenarios.map((scenario) => {
    const reason = client.notApplicable?.[scenario];
    if (reason !== undefined) return { scenario, client: client.name, verdict: "n/a", text: reason, ms: 0 };
    const [report, ...more] = reports.filter((each) => each.scenario === scenario);
    if (report === undefined || more.length > 0 || ending.failure !== "") {
      const text = `${1 + more.length - (report ? 0 : 1)} reports: ${lastWords(ending)}`;
      return { scenario, client: client.name, verdict: "FAILED", text, ms: report?.ms ?? 0 };
    }
    return { ...report, client: client.name, verdict: report.ok ? "ok" : "FAILED", text: report.error };
  });
}

interface Report {
  readonly scenario: string;
  readonly ok: boolean;
  readonly error: string;
  readonly ms: number;
}

function reportsOf({ stdout }: Ending): Report[] {
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line)).filter(isReport);
}

function isReport(value: object): value is Report {
  const wanted = { scenario: "string", ok: "boolean", error: "string", ms: "number" };
  return Object.entries(wanted).every(([name, type]) => typeof Reflect.get(value, name) === type);
}
