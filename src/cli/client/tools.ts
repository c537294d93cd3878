// `switchyard tools`: what calls may name.
import type { ToolDescription } from "../../client/index.js";
import type { ConnectionFlags } from "./connection.js";
import { jsonLine, toolJson } from "./json.js";
import { runClient } from "./run.js";
import { cut, table } from "./table.js";
import { printable } from "./units.js";

export interface ToolsFlags extends ConnectionFlags {
  readonly json?: boolean;
}

const COLUMNS_WITHOUT_TERMINAL = 120;

export function tools(flags: ToolsFlags): Promise<void> {
  return runClient(flags, "short", async ({ client }) => {
    const found = await client.listTools();
    const columns = process.stdout.isTTY ? process.stdout.columns : COLUMNS_WITHOUT_TERMINAL;
    process.stdout.write(flags.json ? jsonLine(found.map(toolJson)) : `${toolLines(found, columns).join("\n")}\n`);
    return 0;
  });
}

/** A tool's first sentence is enough to know whether it is the right one. */
export function toolLines(found: readonly ToolDescription[], columns: number): string[] {
  const rows = found.map(({ name, external, description, parameters }) => [
    printable(name),
    external ? "external" : "slot",
    argumentNames(parameters),
    printable(description.split(/(?<=\.)\s/, 1)[0] ?? ""),
  ]);
  const head = [{ head: "TOOL" }, { head: "RUNS" }, { head: "ARGUMENTS", widthMax: 40 }, { head: "" }];
  return table(head, rows).map((line) => cut(line, columns));
}

/** Those that are not required in brackets. */
function argumentNames({ properties, required }: ToolDescription["parameters"]): string {
  const names = typeof properties === "object" && properties !== null ? Object.keys(properties) : [];
  const needed = Array.isArray(required) ? required : [];
  return names.map((name) => (needed.includes(name) ? printable(name) : `[${printable(name)}]`)).join(" ");
}
