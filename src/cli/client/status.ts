// `switchyard status`: the server at this moment.
import type { ConnectionFlags } from "./connection.js";
import { jsonLine, statusJson } from "./json.js";
import { runClient } from "./run.js";
import { headLines, poolLines } from "./status-table.js";
import { hasColours, styleOf } from "./style.js";

export interface StatusFlags extends ConnectionFlags {
  readonly json?: boolean;
}

export function status(flags: StatusFlags): Promise<void> {
  return runClient(flags, "short", async ({ client, server }) => {
    const found = await client.status();
    const style = styleOf(hasColours(process.stdout, process.env));
    const lines = [...headLines(found, server, undefined, style), "", ...poolLines(found)];
    process.stdout.write(flags.json ? jsonLine(statusJson(found)) : `${lines.join("\n")}\n`);
    return 0;
  });
}
