// Whether the rival is a fair one: our implementation of the reference's algorithm beside what was measured of the original itself
// on another day. What waiting makes of a figure is held against the original's as it is; what the processor does, in starts of
// `bash -c true` on either day's machine: per second as a share of the floor, in an idle system as so many plain spawns by Node.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { agentsOnReference } from "../agents.js";
import { mean, median } from "../figures.js";
import { idleSpawnMs, startsPerSecond, TRUE } from "../rivals/host.js";
import { BASH_TRUE, type DrivenCall, drive, p50 } from "../rivals/reference/drive.js";
import { type Reference, startReference } from "../rivals/reference/reference.js";
import type { Bench, Row } from "../row.js";
import { milliseconds, perSecond } from "../turns.js";

const OFF_MAX = 0.3;
/** Of the day when the original was measured. */
const ORIGINAL = { floor: 1_400, spawnMs: 3.3, windowMs: 20 };
const LOADED = 64;
const FLOOR_WORKERS = 32;
const FLOOR_S = 1;
/** Linux counts in hundredths of a second, whatever the kernel's own clock. */
const TICK_MS = 10;
const FILE_BYTES = 65_536;
const IDLE = "idle";
const ROUNDS_MAX = 3;

interface Figure {
  readonly name: string;
  readonly measured: number;
  /** The original's, as a range; both ends alike where it is one number. */
  readonly original: readonly [number, number];
  readonly text: (value: number) => string;
}

export const row: Row = {
  name: "reference-fidelity",
  measure: "the reference's algorithm here, against what was measured of the original: the figure that is most off",
  aim: { unit: "", atMost: OFF_MAX },
  isAlone: true,
  async measured(bench) {
    const figures: Figure[] = [];
    for (const part of [sandboxed, agents, unsandboxed, oneContainer]) figures.push(...(await part(bench)));
    const worst = figures.reduce((a, b) => (off(b) > off(a) ? b : a));
    return {
      value: off(worst),
      rounds: [off(worst)],
      ours: `${worst.text(worst.measured)} (${worst.name})`,
      against: originalText(worst),
      details: figures.map((figure) => [figure.name, verdict(figure)] as const),
    };
  },
};

/** How far beyond the original's range, as a share of its nearer end. */
function off({ measured, original: [low, high] }: Figure): number {
  if (measured < low) return 1 - measured / low;
  if (measured > high) return high === 0 ? Number.POSITIVE_INFINITY : measured / high - 1;
  // Also where it is not a number at all.
  return measured <= high ? 0 : Number.POSITIVE_INFINITY;
}

function originalText({ original: [low, high], text }: Figure): string {
  return low === high ? text(low) : `${text(low)} to ${text(high)}`;
}

function verdict(figure: Figure): string {
  const by = off(figure);
  const judgement = by <= OFF_MAX ? "within" : "NOT within";
  return `${figure.text(figure.measured)}; the original ${originalText(figure)}; ${judgement} 30% (off by ${(by * 100).toFixed(0)}%)`;
}

async function withReference<T>(
  { signal }: Bench,
  settings: { readonly slots: number; readonly sandboxed: boolean },
  use: (reference: Reference) => Promise<T>,
): Promise<T> {
  const reference = await startReference({ ...settings, signal });
  try {
    return await use(reference);
  } finally {
    await reference.close();
  }
}

function sandboxed(bench: Bench): Promise<Figure[]> {
  return withReference(bench, { slots: LOADED, sandboxed: true }, async (reference) => [
    await idle(bench, reference, { name: "idle p50, sandboxed", originalMs: 30, mix: BASH_TRUE }),
    ...(await loaded(bench, reference, { name: "sandboxed", perS: [220, 220] })),
    ...(await besideSleepers(reference)),
  ]);
}

function unsandboxed(bench: Bench): Promise<Figure[]> {
  return withReference(bench, { slots: LOADED, sandboxed: false }, async (reference) => [
    await idle(bench, reference, { name: "idle p50, not sandboxed", originalMs: 26, mix: BASH_TRUE }),
    ...(await loaded(bench, reference, { name: "not sandboxed", perS: [540, 880] })),
  ]);
}

function oneContainer(bench: Bench): Promise<Figure[]> {
  return withReference(bench, { slots: 10, sandboxed: true }, async (reference) => {
    const write: DrivenCall = {
      tool: "write_file",
      args: { path: "file", content: "x".repeat(FILE_BYTES) },
      weight: 1,
    };
    const read: DrivenCall = { tool: "read_file", args: { path: "file" }, weight: 1 };
    return [
      await idle(bench, reference, { name: "write_file of 64 KiB, p50", originalMs: 25, mix: [write] }),
      await idle(bench, reference, { name: "read_file of 64 KiB, p50", originalMs: 25, mix: [read] }),
      await tooFewSlots(reference),
    ];
  });
}

/** One trajectory that makes one call after the other. */
async function idle(
  bench: Bench,
  reference: Reference,
  {
    name,
    originalMs,
    mix,
  }: { readonly name: string; readonly originalMs: number; readonly mix: readonly DrivenCall[] },
): Promise<Figure> {
  const { windowMs, spawnMs } = ORIGINAL;
  const [times, spawns]: [number[], number[]] = [[], []];
  for (let round = 0; round < Math.min(bench.rounds, ROUNDS_MAX); round++) {
    const options = { trajectories: 1, warmUpMs: 500, countedMs: 1_500, name: IDLE };
    times.push(p50(await drive(reference, { ...options, mix })));
    spawns.push(await idleSpawnMs({ ...bench, seconds: 1 }, TRUE));
  }
  const expected = windowMs + ((originalMs - windowMs) * median(spawns)) / spawnMs;
  return { name, measured: median(times), original: [expected, expected], text: milliseconds };
}

/** Calls a second beside the floor's; and the same as processor time for each, which what else the machine does moves less. */
async function loaded(
  bench: Bench,
  reference: Reference,
  { name, perS: [low, high] }: { readonly name: string; readonly perS: readonly [number, number] },
): Promise<Figure[]> {
  const [rates, times]: [number[], number[]] = [[], []];
  for (let round = 0; round < Math.min(bench.rounds, ROUNDS_MAX); round++) {
    const before = await floorOf(bench);
    const load = { trajectories: LOADED, warmUpMs: 500, countedMs: 2_000, callsMin: LOADED };
    const { rate, cpuMs } = await drive(reference, { ...load, mix: BASH_TRUE });
    const after = await floorOf(bench);
    rates.push((2 * rate) / (before.rate + after.rate));
    times.push((before.cpuMs + after.cpuMs) / (2 * cpuMs));
  }
  const original = [low / ORIGINAL.floor, high / ORIGINAL.floor] as const;
  const text = (share: number) => `${share.toFixed(3)} of the floor`;
  return [
    { name: `commands/s at ${LOADED}, ${name}`, measured: median(rates), original, text },
    { name: `the same by processor time, ${name}`, measured: median(times), original, text },
  ];
}

/** Commands a second, and the processor time of each. */
async function floorOf(bench: Bench): Promise<{ rate: number; cpuMs: number }> {
  const before = childrenMs();
  const rate = await startsPerSecond({ ...bench, seconds: FLOOR_S }, FLOOR_WORKERS, TRUE);
  return { rate, cpuMs: (childrenMs() - before) / (rate * FLOOR_S) };
}

/** Processor time of this process's children that have ended, and of theirs. */
function childrenMs(): number {
  const stat = readFileSync("/proc/self/stat", "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) * TICK_MS;
}

/** Short calls of 30 trajectories beside two that sleep. */
async function besideSleepers(reference: Reference): Promise<Figure[]> {
  const times = { warmUpMs: 1_000, countedMs: 11_000 };
  const sleeping: DrivenCall = { tool: "bash", args: { command: "sleep 5" }, weight: 1 };
  const [driven] = await Promise.all([
    drive(reference, { trajectories: 30, ...times, mix: BASH_TRUE }),
    drive(reference, { trajectories: 2, ...times, mix: [sleeping], name: "sleeper" }),
  ]);
  return [
    { name: "calls/s of 30 beside two that sleep 5 s", measured: driven.rate, original: [6, 6], text: perSecond },
    { name: "their p50", measured: p50(driven), original: [5_200, 5_200], text: milliseconds },
  ];
}

async function agents(bench: Bench): Promise<Figure[]> {
  const { rate, latencies } = await agentsOnReference(bench);
  const trueMs = mean(latencies[0] ?? []);
  return [
    { name: "agent-like mix, calls/s", measured: rate, original: [10, 10], text: perSecond },
    { name: "its mean time for a `true`", measured: trueMs, original: [8_000, 9_000], text: milliseconds },
  ];
}

/** 12 trajectories on 10 slots. */
async function tooFewSlots(reference: Reference): Promise<Figure> {
  await reference.release(`${IDLE}-0`);
  let done = 0;
  for (let index = 0; index < 12; index++) {
    void reference.call(`crowd-${index}`, "bash", { command: "true" }).then(({ success }) => {
      if (success) done += 1;
    });
  }
  await sleep(5_000);
  const text = (calls: number) => `${calls} calls`;
  return { name: "12 trajectories on 10 slots, 5 s", measured: done, original: [0, 0], text };
}
