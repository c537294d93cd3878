// `npm run bench:sandbox`: what a command costs in a slot of each isolation level, beside its floor (posix_spawn of
// `bash -c true` in C) and its rival (bubblewrap for each command), in the same run. Rounds are interleaved and medians
// taken, since the machine may be shared. Exit 1 when `namespace` misses the ratios that it promises. It needs Docker, and
// on this machine itself bubblewrap and a C compiler.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import type { Backend, Container } from "../../src/backend/backend.js";
import { DockerBackend } from "../../src/backend/docker/docker-backend.js";
import { UidBlock } from "../../src/backend/uid-block.js";
import { poolSettings } from "../../src/cli/backend.js";
import { loadConfig } from "../../src/config/load.js";
import { needPrograms } from "../need-programs.js";
import { median, percentile, table } from "./figures.js";
import { idleMemory } from "./memory.js";
import { BWRAP_TRUE, startsPerSecond, TRUE } from "./rivals/host.js";

const SLOTS = 16;
const ROUND_S = 4;
const ROUNDS = 5;
const IDLE_CALLS = 100;
/** What `namespace` must reach; the throughputs as shares of the floor's and of bubblewrap's, the latency of plain spawn's. */
const PROMISED = { ofFloor: 0.42, ofBwrap: 2.5, idle: 0.9 };

interface Contestant {
  readonly name: string;
  /** Runs `bash -c true` once, as the `worker`-th of SLOTS. */
  run(worker: number): Promise<void>;
}

async function main(): Promise<number> {
  needPrograms({ bwrap: "bubblewrap", bash: "bash", cc: "gcc libc6-dev" });
  const folder = mkdtempSync(join(tmpdir(), "switchyard-bench-"));
  try {
    const scratch = { folder, seconds: ROUND_S, signal: new AbortController().signal };
    return await bench(() => startsPerSecond(scratch, SLOTS, TRUE));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function bench(floor: () => Promise<number>): Promise<number> {
  const backend = await startBackend();
  const levels = ["namespace", "uid", "container"];
  try {
    const containers = new Map<string, Container[]>();
    for (const level of levels) containers.set(level, await openContainers(backend, level));
    const contestants = [
      { name: "plain spawn by Node", run: () => spawned(TRUE) },
      { name: "bwrap per command", run: () => spawned(BWRAP_TRUE) },
      ...levels.map((level) => ({ name: `slot: ${level}`, run: runnerOf(containers.get(level) ?? []) })),
    ];
    return report(await measure(contestants, floor), levels, containers);
  } finally {
    await backend.close();
  }
}

async function startBackend(): Promise<Backend> {
  const config = loadConfig({ env: {}, flags: {} });
  const base = config.pools.default;
  if (!base) throw new Error("no default pool");
  const pools = new Map(
    ["namespace", "uid", "container"].map((isolation) => {
      const slots_per_container = isolation === "container" ? 1 : SLOTS;
      const level = { namespace: "namespace", uid: "uid", container: "container" } as const;
      const pool = { ...base, slots_per_container, isolation: level[isolation as keyof typeof level] };
      return [isolation, poolSettings(config, pool)];
    }),
  );
  const log = pino({ level: "error" });
  const uids = await UidBlock.claim();
  const backend = new DockerBackend({
    instance: `bench-${process.pid}`,
    pools,
    uids,
    log,
    onFenced: () => undefined,
  });
  await backend.start();
  return backend;
}

async function openContainers(backend: Backend, level: string): Promise<Container[]> {
  const count = level === "container" ? SLOTS : 1;
  const containers: Container[] = [];
  for (let at = 0; at < count; at++) {
    const container = await backend.startContainer(level, AbortSignal.timeout(60_000), () => undefined);
    for (let slot = 0; slot < container.runner.slots; slot++) await container.runner.openSlot(slot);
    containers.push(container);
  }
  return containers;
}

function runnerOf(containers: readonly Container[]): (worker: number) => Promise<void> {
  const slots = containers.flatMap(({ runner }) =>
    Array.from({ length: runner.slots }, (_, slot) => ({ runner, slot })),
  );
  let calls = 0;
  return async (worker) => {
    const place = slots[worker % slots.length];
    if (!place) throw new Error("no slot");
    calls += 1;
    const call = { uniqId: String(calls), digest: "", forStream: false, context: "" };
    const operation = { slot: place.slot, ...call, operation: { kind: "bash", command: "true" } } as const;
    await place.runner.runBatch([operation], 30, (_, outcome) => {
      if (outcome.status !== "OK") throw new Error(`${outcome.status}: ${outcome.error}`);
    }).done;
  };
}

function spawned([program, ...args]: readonly [string, ...string[]]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "ignore" });
    child.once("error", reject);
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`${program}: exit code ${code}`))));
  });
}

interface Figures {
  readonly perSecond: number[];
  readonly idleMs: number[];
  readonly loadedMs: number[];
}

async function measure(contestants: readonly Contestant[], floorOnce: () => Promise<number>) {
  const floor: number[] = [];
  const figures = new Map<string, Figures>(
    contestants.map(({ name }) => [name, { perSecond: [], idleMs: [], loadedMs: [] }]),
  );
  for (let round = 1; round <= ROUNDS; round++) {
    process.stderr.write(`round ${round} of ${ROUNDS}\n`);
    floor.push(await floorOnce());
    for (const { name, run } of contestants) {
      const of = figures.get(name);
      if (!of) continue;
      of.idleMs.push(percentile(await idle(run), 0.5));
      const loaded = await underLoad(run);
      of.perSecond.push(loaded.length / ROUND_S);
      of.loadedMs.push(...loaded);
    }
  }
  return { floor: median(floor), figures };
}

async function idle(run: Contestant["run"]): Promise<number[]> {
  const times: number[] = [];
  for (let call = 0; call < IDLE_CALLS; call++) {
    const began = performance.now();
    await run(0);
    times.push(performance.now() - began);
  }
  return times;
}

async function underLoad(run: Contestant["run"]): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + ROUND_S * 1000;
  const worker = async (index: number) => {
    for (let began = performance.now(); began < end; began = performance.now()) {
      await run(index);
      times.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: SLOTS }, (_, index) => worker(index)));
  return times;
}

function report(
  { floor, figures }: { floor: number; figures: ReadonlyMap<string, Figures> },
  levels: readonly string[],
  containers: ReadonlyMap<string, readonly Container[]>,
): number {
  const of = (name: string) => {
    const { perSecond = [], idleMs = [], loadedMs = [] } = figures.get(name) ?? {};
    const p = (share: number) => percentile(loadedMs, share);
    return { perSecond: median(perSecond), idle: median(idleMs), p50: p(0.5), p99: p(0.99) };
  };
  const spawnIdle = of("plain spawn by Node").idle;
  const rows = [...figures.keys()].map((name) => {
    const { perSecond, idle: idleMs, p50, p99 } = of(name);
    const cells = [perSecond.toFixed(0), (perSecond / floor).toFixed(2), p50.toFixed(1), p99.toFixed(1)];
    return [name, ...cells, idleMs.toFixed(2), (idleMs / spawnIdle).toFixed(2)];
  });
  const head = ["", `commands/s at ${SLOTS}`, "of the floor", "p50 ms", "p99 ms", "idle p50 ms", "of plain spawn"];
  process.stdout.write(table([head, ["floor (C posix_spawn)", floor.toFixed(0), "1.00", "", "", "", ""], ...rows]));
  process.stdout.write(idleMemory(levels, containers));
  const ours = of("slot: namespace");
  const reached = {
    ofFloor: ours.perSecond / floor,
    ofBwrap: ours.perSecond / of("bwrap per command").perSecond,
    idle: ours.idle / spawnIdle,
  };
  const kept =
    reached.ofFloor >= PROMISED.ofFloor && reached.ofBwrap >= PROMISED.ofBwrap && reached.idle <= PROMISED.idle;
  process.stdout.write(
    `\nnamespace: ${reached.ofFloor.toFixed(2)} of the floor (at least ${PROMISED.ofFloor}), ` +
      `${reached.ofBwrap.toFixed(2)} x bwrap per command (at least ${PROMISED.ofBwrap}), ` +
      `idle ${reached.idle.toFixed(2)} of plain spawn (at most ${PROMISED.idle}): ${kept ? "kept" : "MISSED"}\n`,
  );
  return kept ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
process.exit();
