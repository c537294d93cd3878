// Around every command that talks to a server: it makes the client, takes signals, says on stderr in one line what went
// wrong, and sets the exit code. Invariant: whoever reads stdout and goes away ends the command without a word.
import { constants } from "node:os";
import type { SwitchyardClient } from "../../client/index.js";
import { type ConnectionFlags, connect, type Patience } from "./connection.js";
import { failureText } from "./exit.js";
import { printable } from "./units.js";

export interface Surroundings {
  readonly client: SwitchyardClient;
  readonly server: string;
  /** Aborted by the first Ctrl-C or SIGTERM; a second one ends the process. */
  readonly signal: AbortSignal;
}

/** Resolves when the command is over; the exit code is what `work` resolves with, else 0. */
export async function runClient(
  flags: ConnectionFlags,
  patience: Patience,
  work: (around: Surroundings) => Promise<number | undefined>,
): Promise<void> {
  // Those of libraries are not for users.
  process.noDeprecation = true;
  endWithReader();
  const interrupt = interrupted();
  let client: SwitchyardClient | undefined;
  try {
    client = connect(flags, process.env, patience);
    process.exitCode = (await work({ client, server: flags.server, signal: interrupt.signal })) ?? 0;
  } catch (error) {
    if (interrupt.code !== undefined) process.exitCode = interrupt.code;
    else complain(error, flags.server);
  } finally {
    client?.close();
  }
}

export function complain(error: unknown, server: string): void {
  const { text, code } = failureText(error, server);
  process.stderr.write(`switchyard: ${text.split("\n").map(printable).join("\n")}\n`);
  process.exitCode = code;
}

/** As `head` does: what is still to come is nobody's any more. */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit();
    throw error;
  });
}

function interrupted(): { readonly signal: AbortSignal; readonly code: number | undefined } {
  const abort = new AbortController();
  let code: number | undefined;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      const own = 128 + constants.signals[name];
      if (code !== undefined) process.exit(own);
      code = own;
      abort.abort(new Error(`interrupted by ${name}`));
    });
  }
  return {
    signal: abort.signal,
    get code() {
      return code;
    },
  };
}
