// `switchyard bench` as a process of its own, as people start it; and plans for runs within a test's own process.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseMix } from "../../src/load/mix.js";
import type { LoadPlan } from "../../src/load/plan.js";
import type { Report } from "../../src/load/report.js";

const COMMAND = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "dist/src/cli/main.js");

export interface BenchRun {
  readonly child: ChildProcess;
  readonly exited: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
  /** Resolves when the live report has said something. */
  readonly live: Promise<void>;
}

export function startBench(...flags: string[]): BenchRun {
  const child = spawn(process.execPath, [COMMAND, "bench", ...flags], { stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  const live = new Promise<void>((resolve) => {
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      resolve();
    });
  });
  const exited = once(child, "close").then(([code]) => ({ code, stdout, stderr }));
  return { child, exited, live };
}

export function reportIn(file: string): Report {
  return JSON.parse(readFileSync(file, "utf8"));
}

/** One second of a closed loop of four trajectories over one connection, unless it says otherwise. */
export function planFor(port: number, plan: Partial<LoadPlan> = {}): LoadPlan {
  return {
    target: { address: `127.0.0.1:${port}`, tls: false, tokenFromEnv: false },
    pace: "closed",
    think: { meanMs: 0, exponential: false },
    stages: [{ from: 4, to: 4, warmUpMs: 0, durationMs: 1000 }],
    streams: 4,
    connections: 1,
    clients: 1,
    mix: parseMix("1:bash:true"),
    failureRate: 0,
    cancelRate: 0,
    cancelAfterMs: 20,
    streamOutput: false,
    ackEvery: 1,
    pool: "",
    group: "",
    seed: 1,
    openWithinMs: 30_000,
    drainMs: 500,
    lenient: true,
    ...plan,
  };
}
