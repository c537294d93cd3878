// From the options that every command of a client has to the client itself.
import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { SwitchyardClient } from "../../client/index.js";
import { isLocalAddress } from "../../core/address.js";
import { messageOf } from "../../core/errors.js";
import { usage } from "./exit.js";

export interface ConnectionFlags {
  readonly server: string;
  readonly tokenFile?: string;
  readonly tls?: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
}

/** How long the command goes on trying: one answer, or a trajectory that is worth waiting for. */
export type Patience = "short" | "long";

const ANSWER_MS_MAX = 5_000;
const RECONNECT_MS_MAX = 60_000;
const BACKOFF = { initialMs: 100, maxMs: 1_000 } as const;

export function withConnection(command: Command): Command {
  const option = (flags: string, text: string, name: string) =>
    new Option(flags, text).env(`SWITCHYARD_CLIENT_${name}`);
  return command
    .addOption(option("--server <host:port>", "the server", "SERVER").default("127.0.0.1:50051"))
    .addOption(option("--token-file <file>", "file with the token to show the server", "TOKEN_FILE"))
    .option("--tls", "TLS, by the CAs that Node knows (env: SWITCHYARD_CLIENT_TLS=true)")
    .addOption(option("--ca <file>", "TLS, by the CAs in this PEM file", "CA"))
    .addOption(option("--cert <file>", "TLS, with this certificate of the client's own", "CERT"))
    .addOption(option("--key <file>", "the certificate's key", "KEY"))
    .addOption(option("--server-name <name>", "TLS, with this name in the server's certificate", "SERVER_NAME"));
}

/** Throws for what cannot be read, or is not secret enough. */
export function connect(flags: ConnectionFlags, env: NodeJS.ProcessEnv, patience: Patience): SwitchyardClient {
  const { server, tls: isTls = false, ca, cert, key, serverName } = flags;
  const tls =
    isTls || env.SWITCHYARD_CLIENT_TLS === "true" || [ca, cert, key, serverName].some((given) => given !== undefined);
  const token = tokenOf(flags, env);
  if (token !== undefined && !tls && !isLocalAddress(server)) {
    throw usage(`the token would go to ${server} in plain text; add --ca FILE or --tls`);
  }
  return new SwitchyardClient(server, {
    openTimeoutMs: ANSWER_MS_MAX,
    attemptTimeoutMs: ANSWER_MS_MAX,
    reconnectTimeoutMs: patience === "short" ? ANSWER_MS_MAX : RECONNECT_MS_MAX,
    backoff: BACKOFF,
    ...(token !== undefined && { token }),
    ...(tls && {
      tls: {
        ...pem("ca", ca),
        ...pem("cert", cert),
        ...pem("key", key),
        ...(serverName !== undefined && { serverName }),
      },
    }),
  });
}

function tokenOf({ tokenFile }: ConnectionFlags, env: NodeJS.ProcessEnv): string | undefined {
  if (tokenFile !== undefined) return read("--token-file", tokenFile).trim();
  return env.SWITCHYARD_CLIENT_TOKEN || undefined;
}

function pem<Name extends string>(name: Name, file: string | undefined): { [Each in Name]?: string } {
  const given: { [Each in Name]?: string } = {};
  if (file !== undefined) given[name] = read(`--${name}`, file);
  return given;
}

function read(option: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw usage(`cannot read ${option}: ${messageOf(error)}`);
  }
}
