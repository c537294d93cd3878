// `switchyard call TOOL [TEXT...]`: one call, in a trajectory of its own or in one that others use, too.
import type { CallOptions, SwitchyardClient, ToolArguments, ToolResult, Trajectory } from "../../client/index.js";
import { systemClock } from "../../core/clock.js";
import { waitAtMost } from "../../core/wait-at-most.js";
import { argumentsOf } from "./arguments.js";
import type { ConnectionFlags } from "./connection.js";
import { exitCodeOf, usage } from "./exit.js";
import { jsonLine, resultJson } from "./json.js";
import { failureNote, LiveOutput } from "./live-output.js";
import { prompt } from "./prompt.js";
import { runClient, type Surroundings } from "./run.js";

export interface CallFlags extends ConnectionFlags {
  readonly args?: string;
  readonly trajectory?: string;
  readonly resumeToken?: string;
  readonly group?: string;
  readonly pool?: string;
  readonly timeout?: number;
  readonly stream?: boolean;
  readonly json?: boolean;
}

const RELEASE_MS_MAX = 2_000;

export function call(tool: string | undefined, words: readonly string[], flags: CallFlags): Promise<void> {
  return runClient(flags, flags.stream || flags.trajectory === undefined ? "long" : "short", async (around) => {
    if (tool === undefined) return interactive(flags, around);
    const args = argumentsOf(tool, words, flags.args);
    const live = flags.stream ?? (flags.json !== true && flags.trajectory === undefined && process.stdout.isTTY);
    const output = new LiveOutput(process);
    const options = { timeoutS: flags.timeout, ...(live && { onOutput: output.take }) };
    // A stream takes the trajectory over from whoever has one; Execute disturbs nobody.
    const isBeside = flags.trajectory !== undefined && !live;
    const result = isBeside
      ? await beside(around, flags, tool, args)
      : await inStream(around, flags, tool, args, options);
    if (flags.json) process.stdout.write(jsonLine(resultJson(result)));
    else show(result, live, output);
    return exitCodeOf(result);
  });
}

async function beside({ client, signal }: Surroundings, flags: CallFlags, tool: string, args: ToolArguments) {
  const { trajectory = "", resumeToken = "", group = "", pool = "", timeout } = flags;
  try {
    return await client.execute(trajectory, tool, args, { resumeToken, group, pool, timeoutS: timeout, signal });
  } catch (error) {
    if (signal.aborted)
      process.stderr.write("switchyard: the call runs on at the server; --stream lets Ctrl-C end it\n");
    throw error;
  }
}

async function inStream(
  { client, signal }: Surroundings,
  flags: CallFlags,
  tool: string,
  args: ToolArguments,
  options: CallOptions,
): Promise<ToolResult> {
  const trajectory = await open(client, flags, signal);
  try {
    return await trajectory.call(tool, args, { ...options, signal });
  } finally {
    await leave(trajectory, flags);
  }
}

async function interactive(flags: CallFlags, { client, signal }: Surroundings): Promise<number> {
  if (flags.json || flags.args !== undefined)
    throw usage("--json and --args need a TOOL; without one there is a prompt");
  const trajectory = await open(client, flags, signal);
  try {
    return await prompt(trajectory, { timeoutS: flags.timeout }, signal);
  } finally {
    await leave(trajectory, flags);
  }
}

function open(client: SwitchyardClient, { trajectory, resumeToken, group, pool }: CallFlags, signal: AbortSignal) {
  signal.throwIfAborted();
  // One that was named without a token has none; one of our own gets a random one.
  const named = trajectory !== undefined && { trajectoryId: trajectory, resumeToken: resumeToken ?? "" };
  return client.open({ ...named, ...(group !== undefined && { group }), ...(pool !== undefined && { pool }) });
}

function show(result: ToolResult, live: boolean, output: LiveOutput): void {
  output.end(result);
  const note = failureNote(result);
  if (!live && result.output !== "" && !result.output.endsWith("\n")) process.stdout.write("\n");
  if (note !== undefined) output.note(note);
  if (result.truncated && !live) output.note(`only part of ${result.outputBytes} bytes is shown; --stream shows all`);
}

/** One of our own ends with the command; one that was named lives on for its lease, with its workspace. */
async function leave(trajectory: Trajectory, flags: CallFlags): Promise<void> {
  if (flags.trajectory !== undefined) return;
  // It may have failed already, and its server may be gone.
  const released = trajectory.release().catch(() => undefined);
  await waitAtMost(RELEASE_MS_MAX, released, systemClock);
}
