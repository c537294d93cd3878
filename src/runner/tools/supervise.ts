// Watches one run from its start to its end: collects what it prints, ends it on timeout, silence or cancel, and waits
// until its output is drained. What is printed also goes to `live` as it comes, if there is one.
import type { LiveOutput } from "../live-output.js";
import { OutputCollector } from "../output-collector.js";
import type { Output, Run } from "../sandbox/run.js";

export interface Limits {
  readonly timeoutS: number;
  /** Ends the run when it printed nothing for so long; 0: no such limit. */
  readonly noOutputTimeoutS: number;
  /** Bytes of output kept are bounded by this many characters for each channel. */
  readonly charsMax: number;
}

export interface Supervised {
  readonly stdout: OutputCollector;
  readonly stderr: OutputCollector;
  /** As waitpid(2) gives it; absent when the sandbox died under the run. */
  readonly waitStatus: number | undefined;
  /** Why we ended it; absent when it ended by itself. */
  readonly endedFor: EndReason | undefined;
}

/** Who takes what the run writes, as it comes. */
export type LiveSink = Pick<LiveOutput, "isHolding" | "push" | "commandEnded">;

export type EndReason = "timeout" | "no_output" | AbortReason;

/** What the abort signal of a run carries as its reason. */
export type AbortReason = "cancel" | "memory" | "limit";

/** A process that was left in the background may hold the pipes for ever: after the main process's end we wait so long. */
const DRAIN_MS = 100;
/** Between two reads, of 64 KiB at most, of output that came after a run's end. */
const LATE_READ_MS = 10;

export async function supervise(
  run: Run,
  limits: Limits,
  cancelled: AbortSignal,
  live?: LiveSink,
): Promise<Supervised> {
  const stdout = new OutputCollector(limits.charsMax);
  const stderr = new OutputCollector(limits.charsMax);
  let endedFor: EndReason | undefined;
  let killed: Promise<void> | undefined;
  const end = (why: EndReason) => {
    endedFor ??= why;
    killed ??= run.kill();
  };
  const onCancel = () => end(isAbortReason(cancelled.reason) ? cancelled.reason : "cancel");
  const { noOutputTimeoutS, timeoutS } = limits;
  const timeout = setTimeout(() => end("timeout"), timeoutS * 1000);
  // A longer silence than the timeout never comes about, and might be longer than Node's timers can wait.
  const silence =
    noOutputTimeoutS > 0 && noOutputTimeoutS < timeoutS
      ? setTimeout(() => (live?.isHolding ? silence?.refresh() : end("no_output")), noOutputTimeoutS * 1000)
      : undefined;
  cancelled.addEventListener("abort", onCancel, { once: true });
  if (cancelled.aborted) onCancel();

  let collecting = true;
  const channels = [
    { name: "stdout", output: run.stdout, collector: stdout },
    { name: "stderr", output: run.stderr, collector: stderr },
  ] as const;
  for (const { name, output, collector } of channels) {
    output.take((chunk) => {
      if (!collecting) return readSlowly(output);
      collector.push(chunk);
      live?.push(name, chunk, output);
      silence?.refresh();
    });
    if (live || silence) output.follow();
  }

  const { waitStatus } = await run.ended;
  live?.commandEnded();
  clearTimeout(timeout);
  clearTimeout(silence);
  cancelled.removeEventListener("abort", onCancel);
  if (killed) await killed;
  const open = [run.stdout, run.stderr].filter(({ isAtEnd }) => !isAtEnd);
  if (open.length > 0) await firstOf(Promise.all(open.map((output) => output.ended())), DRAIN_MS);
  collecting = false;
  return { stdout, stderr, waitStatus, endedFor };
}

function isAbortReason(reason: unknown): reason is AbortReason {
  return reason === "cancel" || reason === "memory" || reason === "limit";
}

/** A daemon's later output is dropped, so that it neither blocks nor gets SIGPIPE, but not at the cost of others. */
function readSlowly(output: Output): void {
  output.pause();
  setTimeout(() => output.resume(), LATE_READ_MS).unref();
}

async function firstOf(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    work,
    new Promise((resolve) => {
      // After a stall the timer is over before the loop has looked at the pipes, where all that was printed still lies;
      // it looks between a timer and an immediate.
      timer = setTimeout(() => setImmediate(resolve), ms);
    }),
  ]);
  clearTimeout(timer);
}
