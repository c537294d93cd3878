// How long an idle system takes for a command, against what it costs a program on the host to start it.
import { spawn } from "node:child_process";
import { median, percentile } from "../figures.js";
import type { Row } from "../row.js";

const CALLS = 200;

export const row: Row = {
  name: "idle-latency",
  measure: "idle latency of `bash true`, p50, against plain `spawn` of the same by Node on the host",
  aim: { unit: "×", atMost: 0.7 },
  async measured(bench) {
    const server = await bench.server();
    const [ours, plain]: [number[], number[]] = [[], []];
    for (let round = 0; round < bench.rounds; round++) {
      const { total } = await bench.load(server, [
        "--streams",
        "1",
        "--warm-up",
        "1s",
        "--duration",
        `${bench.seconds}s`,
      ]);
      ours.push(total.latency.p50);
      plain.push(await idleSpawn());
    }
    const rounds = ours.map((ms, at) => ms / (plain[at] ?? Number.NaN));
    const text = (values: readonly number[]) => `${median(values).toFixed(2)} ms`;
    return { value: median(rounds), rounds, ours: text(ours), against: text(plain) };
  },
};

async function idleSpawn(): Promise<number> {
  const times: number[] = [];
  for (let call = 0; call < CALLS; call++) {
    const began = performance.now();
    await new Promise<void>((resolve, reject) => {
      const child = spawn("bash", ["-c", "true"], { stdio: "ignore" });
      child.once("error", reject);
      child.once("exit", () => resolve());
    });
    times.push(performance.now() - began);
  }
  return percentile(times, 0.5);
}
