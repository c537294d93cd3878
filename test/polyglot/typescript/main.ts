// Runs scenarios of the table over a transport and prints a line of JSON for each.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { playScenario } from "./player.js";
import type { Scenario } from "./table.js";
import type { Transport } from "./transport.js";

export interface Server {
  readonly address: string;
  /** PEM; undefined: no TLS. */
  readonly ca: Buffer | undefined;
  readonly caFile: string | undefined;
  readonly token: string | undefined;
}

/** What a request carries: the token of a step before that of the client; an empty one is none. */
export function authorization({ token }: Server, bearer: string | undefined): string | undefined {
  const used = bearer ?? token ?? "";
  return used === "" ? undefined : `Bearer ${used}`;
}

export async function main(connect: (server: Server, flags: readonly string[]) => Transport): Promise<void> {
  const string = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { address: string, scenarios: string, ca: string, token: string, only: string },
  });
  const { address, scenarios: file, ca: caFile, token, only } = values;
  if (address === undefined || file === undefined) throw new Error("--address and --scenarios are required");
  const server = { address, token, caFile, ca: caFile === undefined ? undefined : readFileSync(caFile) };
  const transport = connect(server, positionals);
  const table: { scenarios: readonly Scenario[] } = JSON.parse(readFileSync(file, "utf8"));
  const wanted = only?.split(",");
  for (const scenario of table.scenarios.filter(({ name }) => wanted === undefined || wanted.includes(name))) {
    const begin = performance.now();
    const error = await playScenario(transport, scenario).then(
      () => "",
      (failure: unknown) => (failure instanceof Error ? failure.message : String(failure)),
    );
    const ms = Math.round(performance.now() - begin);
    console.log(JSON.stringify({ scenario: scenario.name, ok: error === "", error, ms }));
  }
}
