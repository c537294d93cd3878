// Runs a program to its end, bounded in time, as a group of its own, so that nothing that it started outlives it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type Command, PATH, ROOT } from "./languages.js";

export interface Ending {
  readonly stdout: string;
  readonly stderr: string;
  /** Empty when it exited with 0; else how it ended. */
  readonly failure: string;
}

interface Settings {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs: number;
}

export async function runCommand(
  [program, ...args]: Command,
  { env, cwd = ROOT, timeoutMs }: Settings,
): Promise<Ending> {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let [stdout, stderr, late] = ["", "", false];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const endGroup = () => {
    late = true;
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  };
  const overdue = setTimeout(endGroup, timeoutMs);
  try {
    const [code, signal] = await once(child, "close");
    const failure = code === 0 ? "" : `exit ${code ?? signal}`;
    return { stdout, stderr, failure: late ? `not done in ${timeoutMs / 1000} s` : failure };
  } catch (error) {
    return { stdout, stderr, failure: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(overdue);
  }
}

/** The end of what a failed program said. */
export function lastWords({ stdout, stderr, failure }: Ending): string {
  const lines = `${stdout}\n${stderr}`.trim().split("\n");
  return [failure, ...lines.slice(-15)].join("\n    ");
}
