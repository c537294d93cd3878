// `switchyard bench`: the flags of a load run. What they mean and do is load/'s affair.
import { Command } from "commander";
import { isLocalAddress } from "../core/address.js";
import { messageOf, SwitchyardError } from "../core/errors.js";
import type { BenchOptions } from "../load/bench.js";
import { type PlanFlags, planOf } from "../load/flags.js";
import { parseObjective } from "../load/objective.js";
import { wholeNumber } from "../load/quantity.js";
import { withConnection } from "./client/connection.js";
import { portOwnerPid } from "./doctor/port-owner.js";
import { packageVersion } from "./package.js";

interface BenchFlags extends PlanFlags {
  readonly ceiling?: boolean;
  readonly objective: readonly string[];
  readonly json?: string;
  readonly html?: string;
  readonly serverPid?: string;
}

const HELP = `
Closed loop: each trajectory makes its next call when it has its result and has thought (--think).
Open loop (--rate): calls arrive by a Poisson process whatever the server does; latency counts from when a call was meant
to start, so one that waits for its busy trajectory counts as long as it waited.
Churn (--churn): open a trajectory, one call, release, verified clean; and the next.

A mix is WEIGHT:TOOL:ARGUMENT,… with the tools bash, bash_stateful (a command), read_file, write_file (a size) and output
(a command that writes so many bytes); or a YAML file, see docs/load-testing.md. {id} in a command is the call's id.
Any result that never comes, comes twice or is not what was asked for is an error of the run.

Objectives: pNN, max, mean (also with queue_, exec_, first_, cancel_, lag_ in front), rate, results, errors, missing,
unsent, ideal, utilisation, and statuses: 'p99<50ms', 'rate>1000', 'errors==0', 'LOST==0'.
Exit code: 0 when all is well; 1 when there were errors, an objective was missed, or the run could not begin; 2 when the
command is wrong; 130 when it was interrupted, which ends it early and still reports.

Examples:
  switchyard bench --streams 64 --duration 30s --html report.html
  switchyard bench --rate 200 --streams 64 --objective 'p99<50ms' --objective 'errors==0'
  switchyard bench --streams 64 --think exp:1s --mix '90:bash:true,9:bash:sleep 0.5,1:bash:sleep 10'
  switchyard bench --steps 16,64,256:30s --clients 2 --json report.json
  switchyard bench --null`;

export function benchCommand(): Command {
  const command = new Command("bench").description("Put load on a server, measure it, and report");
  targetFlags(command);
  paceFlags(command);
  callFlags(command);
  return command
    .option("--null", "measure the harness itself, against a server that answers at once and runs nothing")
    .option("--ceiling", "before the run, measure what the harness makes of such a server")
    .option(
      "--objective <objective>",
      "what must be reached; may be repeated",
      (text: string, list: string[]) => [...list, text],
      [],
    )
    .option("--json <file>", "write the whole report as JSON; - is stdout")
    .option("--html <file>", "write the report as one HTML page")
    .addHelpText("after", HELP)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .action(run);
}

function targetFlags(command: Command): void {
  withConnection(command).option(
    "--server-pid <pid>",
    "process to watch in /proc; default: who listens on the port, if it is this machine's",
  );
}

function paceFlags(command: Command): void {
  command
    .option("--clients <n>", "client processes", "1")
    .option("--streams <n>", "trajectories at once (16)")
    .option("--connections <n>", "connections; default: one for 250 streams, and at least one for each client")
    .option("--rate <n>", "open loop: calls a second, of all trajectories together")
    .option("--churn", "trajectories that make one call each")
    .option("--think <time>", "time between result and next call: 1s, or exp:1s for an exponential one", "0")
    .option("--duration <time>", "how long is counted (30s)")
    .option("--warm-up <time>", "before what is counted, in each step", "3s")
    .option("--steps <levels:time>", "levels one after another: 16,64,256:30s; streams, or calls a second with --rate")
    .option("--ramp <from..to:time>", "a level that rises or falls: 1..256:60s")
    .option("--open-timeout <time>", "how long trajectories may take to get ready", "60s")
    .option("--drain <time>", "how long the last results may take", "30s")
    .option("--seed <n>", "of arrivals, thinking and the mix", "1");
}

function callFlags(command: Command): void {
  command
    .option("--mix <mix>", "what is called", "1:bash:true")
    .option("--failure-rate <share>", "share of the commands that exit with 3", "0")
    .option("--cancel-rate <share>", "share of the calls that are cancelled", "0")
    .option("--cancel-after <time>", "how long after they were sent", "20ms")
    .option("--stream-output", "ask for live output, and check it")
    .option("--timeout <time>", "of each call; default: the server's")
    .option("--ack-every <n>", "results that one acknowledgement names", "1")
    .option("--pool <name>", "pool of the trajectories", "")
    .option("--group <name>", "group of the trajectories", "bench");
}

async function run(flags: BenchFlags): Promise<void> {
  const interrupt = new AbortController();
  const onSignal = () => {
    if (interrupt.signal.aborted) process.exit(130);
    interrupt.abort(new Error("interrupted"));
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, onSignal);
  try {
    const { bench } = await import("../load/bench.js");
    process.exitCode = await bench(optionsOf(flags, interrupt.signal));
  } catch (error) {
    process.stderr.write(`switchyard: ${errorText(error)}\n`);
    const isUsage = error instanceof SwitchyardError && error.reason === "CONFIG_INVALID";
    process.exitCode = isUsage ? 2 : 1;
    if (interrupt.signal.aborted) process.exitCode = 130;
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onSignal);
  }
}

function optionsOf(flags: BenchFlags, signal: AbortSignal): BenchOptions {
  const { objective, ceiling = false, json, html, null: againstNull = false } = flags;
  return {
    version: packageVersion(),
    plan: planOf(flags, process.env),
    objectives: objective.map(parseObjective),
    againstNull,
    withCeiling: ceiling,
    serverPid: serverPid(flags),
    ...{ json, html, signal, stdout: process.stdout, stderr: process.stderr },
  };
}

function serverPid({ serverPid: given, server }: BenchFlags): number | undefined {
  if (given !== undefined) return wholeNumber("--server-pid", given, 1, 2 ** 31);
  const [, port] = /:(\d+)$/.exec(server) ?? [];
  return isLocalAddress(server) ? portOwnerPid(Number(port)) : undefined;
}

/** What nobody foresaw is a defect, and then the stack is worth more than a short message. */
function errorText(error: unknown): string {
  if (error instanceof SwitchyardError) return error.message;
  return (error instanceof Error && error.stack) || messageOf(error);
}
