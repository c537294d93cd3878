// `npm run bench:neighbours [-- --backend docker|process]`: what a long call costs the other slots of its container. Nine
// trajectories run `true` in a loop, in turns with and without a tenth that sleeps beside them under the same timeout.
// Exit code 0 only if the median p99 with the sleeper is at most twice the one without.
import { parseArgs } from "node:util";
import { SwitchyardClient, type Trajectory } from "../../src/client/index.js";
import { backendOf, Server } from "../server.js";

const NEIGHBOURS = 9;
const ROUNDS = 5;
const ROUND_MS = 4_000;
/** Longer than a round, so that it sleeps through all of it. */
const SLEEP_S = ROUND_MS / 1000 + 1;
const WARM_UP_MS = 1_500;
const TIMEOUT_S = 60;
const RATIO_MAX = 2;
const BENCH_MAX_MS = 115_000;

interface Figures {
  readonly callsPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { backend: { type: "string", default: "auto" } } });
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => stop.abort(new Error(`got ${name}`)));
  const overdue = setTimeout(() => stop.abort(new Error(`not done in ${BENCH_MAX_MS / 1000} s`)), BENCH_MAX_MS);
  const server = await Server.start(backendOf(values.backend), stop.signal);
  try {
    return await bench(server, stop.signal);
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error;
  } finally {
    clearTimeout(overdue);
    await server.stop();
  }
}

async function bench(server: Server, signal: AbortSignal): Promise<number> {
  const client = new SwitchyardClient(server.address);
  try {
    const open = (name: string) => client.open({ trajectoryId: `bench-${name}`, group: "bench", signal });
    const neighbours = await Promise.all(Array.from({ length: NEIGHBOURS }, (_, index) => open(`neighbour-${index}`)));
    const sleeper = await open("sleeper");
    await succeed(sleeper, "true");
    await measure(neighbours, WARM_UP_MS);
    await requireOneContainer(client);
    console.log(
      `${NEIGHBOURS} trajectories run \`true\` beside one sleeper in one container, backend ${server.backend}`,
    );
    console.log(`${ROUNDS} rounds of ${ROUND_MS / 1000} s each way; milliseconds from call to result\n`);
    const rounds: { without: Figures; beside: Figures }[] = [];
    print("", "calls/s", "p50", "p99", "calls/s with", "p50 with", "p99 with");
    for (let round = 1; round <= ROUNDS; round += 1) {
      const without = await measure(neighbours, ROUND_MS);
      const beside = await besideSleeper(sleeper, neighbours);
      rounds.push({ without, beside });
      print(`round ${round}`, ...cells(without), ...cells(beside));
    }
    return verdict(rounds);
  } finally {
    client.close();
  }
}

function verdict(rounds: readonly { without: Figures; beside: Figures }[]): number {
  const without = medians(rounds.map((round) => round.without));
  const beside = medians(rounds.map((round) => round.beside));
  print("median", ...cells(without), ...cells(beside));
  const ratio = beside.p99Ms / without.p99Ms;
  const within = ratio <= RATIO_MAX;
  console.log(`\np99 with / without: ${ratio.toFixed(2)}, ${within ? "within" : "OVER"} ${RATIO_MAX}`);
  return within ? 0 : 1;
}

async function besideSleeper(sleeper: Trajectory, neighbours: readonly Trajectory[]): Promise<Figures> {
  let asleep = true;
  const slept = succeed(sleeper, `sleep ${SLEEP_S}`).finally(() => {
    asleep = false;
  });
  const figures = await measure(neighbours, ROUND_MS);
  if (!asleep) throw new Error("the sleeper woke before the round was over");
  await slept;
  return figures;
}

/** Every neighbour runs `true` after `true` until the time is over. */
async function measure(neighbours: readonly Trajectory[], forMs: number): Promise<Figures> {
  const beganMs = performance.now();
  const took: number[] = [];
  await Promise.all(
    neighbours.map(async (neighbour) => {
      while (performance.now() - beganMs < forMs) {
        const sentMs = performance.now();
        await succeed(neighbour, "true");
        took.push(performance.now() - sentMs);
      }
    }),
  );
  const elapsedS = (performance.now() - beganMs) / 1000;
  const sorted = took.sort((a, b) => a - b);
  return {
    callsPerS: sorted.length / elapsedS,
    p50Ms: percentile(sorted, 50),
    p99Ms: percentile(sorted, 99),
  };
}

async function succeed(trajectory: Trajectory, command: string): Promise<void> {
  const { status, error } = await trajectory.call("bash", { command }, { timeoutS: TIMEOUT_S });
  if (status !== "OK") throw new Error(`${command} ended ${status}: ${error}`);
}

async function requireOneContainer(client: SwitchyardClient): Promise<void> {
  const [pool] = (await client.status()).pools;
  if (pool?.containers === 1 && pool.slotsLeased === NEIGHBOURS + 1) return;
  throw new Error(`the trajectories should share one container: ${pool?.slotsLeased} slots in ${pool?.containers}`);
}

function medians(figures: readonly Figures[]): Figures {
  const median = (of: (it: Figures) => number) =>
    percentile(
      figures.map(of).sort((a, b) => a - b),
      50,
    );
  return {
    callsPerS: median((it) => it.callsPerS),
    p50Ms: median((it) => it.p50Ms),
    p99Ms: median((it) => it.p99Ms),
  };
}

function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0;
}

function cells({ callsPerS, p50Ms, p99Ms }: Figures): string[] {
  return [callsPerS.toFixed(0), p50Ms.toFixed(1), p99Ms.toFixed(1)];
}

function print(label: string, ...columns: readonly string[]): void {
  console.log(label.padEnd(8) + columns.map((cell) => cell.padStart(14)).join(""));
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
