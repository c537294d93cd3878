// `switchyard version`: of this program, and of a server that is named.
import { packageVersion } from "../package.js";
import type { ConnectionFlags } from "./connection.js";
import { jsonLine } from "./json.js";
import { endWithReader, runClient } from "./run.js";

export interface VersionFlags extends ConnectionFlags {
  readonly json?: boolean;
}

/** `asksServer`: whether a server was named, by an option or the environment. */
export async function version(flags: VersionFlags, asksServer: boolean): Promise<void> {
  const client = packageVersion();
  if (!asksServer) {
    endWithReader();
    process.stdout.write(flags.json ? jsonLine({ client }) : `switchyard ${client}\n`);
    return;
  }
  await runClient(flags, "short", async ({ client: connection, server: address }) => {
    const { version: text, serverId } = await connection.status();
    const server = { address, version: text, server_id: serverId };
    process.stdout.write(
      flags.json ? jsonLine({ client, server }) : `switchyard ${client}\nserver ${text} at ${address}\n`,
    );
    return 0;
  });
}
