// What an attack does to others while it lasts: a neighbour that calls without a pause, the memory of the server and of
// runners, and the processes of a container as root beside its runner sees them.
import type Docker from "dockerode";
import { CallStatus, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import type { Arena } from "./attack.js";
import { processesOf, runBeside } from "./docker-engine.js";

const MIB = 1024 * 1024;

export interface Bystander {
  readonly calls: number;
  readonly worstMs: number;
  /** Of its calls that did not end as they should have, the first few; empty when the attack did it no harm. */
  readonly harmed: readonly string[];
}

/** Lets the neighbour call, one call after the other, until `attack` has ended. */
export async function besides<T>(arena: Arena, attack: Promise<T>): Promise<readonly [T, Bystander]> {
  const stream = await arena.neighbour;
  let over = false;
  const done = attack.finally(() => {
    over = true;
  });
  done.catch(() => undefined);
  const harmed: string[] = [];
  let [calls, worstMs] = [0, 0];
  while (!over) {
    const beganMs = performance.now();
    const result = await stream.bash("echo fine > note && cat note");
    worstMs = Math.max(worstMs, performance.now() - beganMs);
    calls += 1;
    const isFine = result.output === "fine" && result.slotGeneration === 1;
    if (!isFine && harmed.length < 5) {
      harmed.push(`${CallStatus[result.status]} in slot ${result.slotGeneration}: ${result.error || result.output}`);
    }
    stream.ack(result.uniqId);
    stream.frames.length = 0;
  }
  const ended = await done;
  arena.test.diagnostic(`neighbour: ${calls} calls meanwhile, the slowest ${worstMs.toFixed(0)} ms`);
  return [ended, { calls, worstMs, harmed }];
}

/** How long a call ran, by the runner's clock. */
export function secondsOf({ execTime }: ToolResult): number {
  return Number(execTime?.seconds ?? 0) + (execTime?.nanos ?? 0) / 1e9;
}

/** A status as the README writes it. */
export function nameOf({ status }: ToolResult): string {
  return CallStatus[status].replace("CALL_STATUS_", "");
}

export interface Growth {
  readonly beforeMb: number;
  readonly peakMb: number;
  readonly afterMb: number;
}

/** Resident memory of this process, which is the server and its client. */
export function watchServerMemory(): () => Growth {
  const rssMb = () => process.memoryUsage.rss() / MIB;
  const beforeMb = rssMb();
  let peakMb = beforeMb;
  const timer = setInterval(() => {
    peakMb = Math.max(peakMb, rssMb());
  }, 20).unref();
  return () => {
    clearInterval(timer);
    const afterMb = rssMb();
    return { beforeMb, peakMb: Math.max(peakMb, afterMb), afterMb };
  };
}

export function spell({ beforeMb, peakMb, afterMb }: Growth): string {
  return `${beforeMb.toFixed(0)} → ${peakMb.toFixed(0)} at most → ${afterMb.toFixed(0)} MiB`;
}

/** Resident memory of a container's runner; where the kernel keeps no peak, as gVisor, it is the greater of both ends. */
export async function watchRunnerMemory(container: Docker.Container): Promise<() => Promise<Growth>> {
  const figureMb = (status: string, name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) / 1024;
  const look = () => runBeside(container, "bash", "-c", `cat /proc/${RUNNER_PID}/status`);
  const beforeMb = figureMb(await look(), "VmRSS");
  return async () => {
    const status = await look();
    const afterMb = figureMb(status, "VmRSS");
    return { beforeMb, peakMb: Math.max(beforeMb, afterMb, figureMb(status, "VmHWM")), afterMb };
  };
}

export async function runnerDescriptors(container: Docker.Container): Promise<number> {
  return Number(await runBeside(container, "bash", "-c", `ls /proc/${RUNNER_PID}/fd | wc -l`));
}

const RUNNER_PID = "$(pgrep -of '^[^ ]*ld.so .*runner[.]mjs')";

/** How many processes of a trajectory's container have the word on their command line. */
export async function countWith(arena: Arena, container: Docker.Container, word: string): Promise<number> {
  if (arena.level !== "container (runsc)") {
    return (await processesOf(container)).filter(({ args }) => args.includes(word)).length;
  }
  // The daemon sees gVisor's own processes only.
  const all = await runBeside(container, "ps", "-eo", "args=");
  return all.split("\n").filter((args) => args.includes(word) && !args.startsWith("ps ")).length;
}
