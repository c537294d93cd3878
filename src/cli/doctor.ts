// `switchyard doctor`: whether the configured pools could run on this machine, and what to do where not. One line for each
// check on stdout, or one JSON array of them; exit code 1 when there is a problem, 2 when it was interrupted.
import { messageOf } from "../core/errors.js";
import { type Check, summary } from "./doctor/check.js";
import { examine } from "./doctor/examine.js";
import { render, type Terminal } from "./doctor/render.js";
import type { ServeFlags } from "./serve.js";

const COLUMNS_MAX = 140;

export interface DoctorFlags extends ServeFlags {
  readonly json?: boolean;
}

export async function doctor({ json = false, config: file, ...flags }: DoctorFlags): Promise<void> {
  // Whoever reads may have gone, as `head` does.
  process.stdout.on("error", () => {});
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => interrupt.abort(new Error(signal)));
  const checks: Check[] = [];
  const terminal = terminalOf(process.stdout);
  try {
    const sources = { ...(file !== undefined && { file }), env: process.env, flags };
    for await (const check of examine(sources, interrupt.signal)) {
      checks.push(check);
      if (!json) process.stdout.write(render(check, terminal));
    }
  } catch (error) {
    const text = interrupt.signal.aborted ? `interrupted by ${messageOf(error)}` : errorText(error);
    process.stderr.write(`switchyard: ${text}\n`);
    process.exitCode = 2;
    return;
  }
  process.stdout.write(json ? `${JSON.stringify(checks, undefined, 2)}\n` : `\n${summary(checks)}\n`);
  process.exitCode = checks.some(({ verdict }) => verdict === "problem") ? 1 : 0;
}

function terminalOf({ isTTY, columns }: NodeJS.WriteStream): Terminal {
  const colours = isTTY && !process.env.NO_COLOR;
  return { columns: Math.min(isTTY ? columns : COLUMNS_MAX, COLUMNS_MAX), colours };
}

/** What nobody foresaw is a defect, and then the stack is worth more than a short message. */
function errorText(error: unknown): string {
  return (error instanceof Error && error.stack) || messageOf(error);
}
