// The `bash` and `bash_stateful` operations: one command by `bash -c` in the slot, or in its lasting shell, with the output
// and error texts of the tools' contract.
import { constants } from "node:os";
import type { LiveOutput } from "../live-output.js";
import { outputText } from "../output-text.js";
import { SEARCH_PATH } from "../sandbox/launcher.js";
import type { Slot } from "../slot.js";
import { abortedFor, type Finished, finishedWith } from "./finished.js";
import { type Limits, type Supervised, supervise } from "./supervise.js";

export async function runBash(
  slot: Slot,
  command: string,
  limits: Limits,
  cancelled: AbortSignal,
  live?: LiveOutput,
): Promise<Finished> {
  const env = environment(slot);
  const run = await slot.run(["bash", slot.workspace, String(env.length), ...env, "bash", "-c", command]);
  return finishedOf(await supervise(run, limits, cancelled, live), limits);
}

/** In the slot's lasting shell. */
export async function runStateful(
  slot: Slot,
  command: string,
  limits: Limits,
  cancelled: AbortSignal,
  live?: LiveOutput,
): Promise<Finished> {
  const run = await slot.runInShell(command, environment(slot));
  const finished = finishedOf(await supervise(run, limits, cancelled, live), limits);
  return { ...finished, shell: run.state() };
}

function finishedOf(supervised: Supervised, limits: Limits): Finished {
  const { stdout, stderr } = supervised;
  const { text, truncated } = outputText(stdout, stderr, limits.charsMax);
  return Object.assign(endOf(supervised, limits), {
    output: text,
    outputBytes: stdout.bytes + stderr.bytes,
    truncated,
  });
}

/** `NAME=value` each. */
export function environment(slot: Slot): string[] {
  const variables = {
    PATH: SEARCH_PATH,
    HOME: slot.workspace,
    USER: "agent",
    LOGNAME: "agent",
    SHELL: "/bin/bash",
    LANG: "C.UTF-8",
    TERM: "xterm-256color",
    ...slot.env,
  };
  return Object.entries(variables).map(([name, value]) => `${name}=${value}`);
}

function endOf({ endedFor, waitStatus }: Supervised, limits: Limits): Finished {
  if (waitStatus === undefined) return finishedWith("LOST", "The sandbox died while the command ran");
  if (endedFor === "timeout") return finishedWith("TIMED_OUT", `Command timed out after ${limits.timeoutS}s`);
  if (endedFor === "no_output") {
    return finishedWith("TIMED_OUT", `Command timed out after ${limits.noOutputTimeoutS}s without output`);
  }
  if (endedFor) return abortedFor(endedFor);
  const signal = waitStatus & 127;
  if (signal !== 0) {
    const name = signalName(signal);
    return { ...finishedWith("SIGNALED", `Killed by ${name}`), signal: name };
  }
  const exitCode = waitStatus >> 8;
  const end = exitCode === 0 ? finishedWith("OK", "") : finishedWith("NONZERO_EXIT", `Exit code: ${exitCode}`);
  return Object.assign(end, { exitCode });
}

function signalName(number: number): string {
  const known = Object.entries(constants.signals).find(([, value]) => value === number);
  return known ? known[0] : `signal ${number}`;
}
