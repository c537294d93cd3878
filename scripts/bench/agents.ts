// The agent-like mix: 64 trajectories that think for a second on average, mostly run short commands, and now and then a long one.
import type { Figures } from "../../src/load/report.js";
import { once } from "./once.js";
import { type Driven, drive } from "./rivals/reference/drive.js";
import { startReference } from "./rivals/reference/reference.js";
import type { Bench } from "./row.js";

export const AGENTS = 64;
const THINK_MS = 1_000;
/** Weights of a hundred. */
const COMMANDS = [
  { command: "true", weight: 90, ownMs: 0 },
  { command: "sleep 0.5", weight: 9, ownMs: 500 },
  { command: "sleep 10", weight: 1, ownMs: 10_000 },
] as const;
/** From result to result, where nothing is added to thinking and to what the commands take. */
export const CYCLE_MS = THINK_MS + COMMANDS.reduce((sum, { weight, ownMs }) => sum + (weight * ownMs) / 100, 0);
export const IDEAL_RATE = (AGENTS * 1_000) / CYCLE_MS;

/** Of `switchyard bench`. */
export function agentFlags(warmUpS: number, countedS: number): string[] {
  const mix = COMMANDS.map(({ command, weight }) => `${weight}:bash:${command}`).join(",");
  const times = ["--warm-up", `${warmUpS}s`, "--duration", `${countedS}s`];
  return ["--streams", String(AGENTS), "--think", `exp:${THINK_MS}ms`, "--mix", mix, ...times];
}

/** What a call of this load took beyond its command, in the mean of the mix. */
export function overheadMs({ items }: Figures): number {
  let sum = 0;
  for (const [index, { weight, ownMs }] of COMMANDS.entries()) {
    const latency = items[index]?.latency;
    if (latency !== undefined && latency.count > 0) sum += (weight / 100) * (latency.mean - ownMs);
  }
  return sum;
}

/** The reference under this load, sandboxed: once only, as it is far from the ideal however often it is measured. */
export const agentsOnReference = once(driveReference);

async function driveReference({ signal }: Pick<Bench, "aside" | "signal">): Promise<Driven> {
  const reference = await startReference({ slots: AGENTS, sandboxed: true, signal });
  try {
    return await drive(reference, {
      trajectories: AGENTS,
      warmUpMs: 2_000,
      countedMs: 30_000,
      thinkMs: THINK_MS,
      mix: COMMANDS.map(({ command, weight }) => ({ tool: "bash", args: { command }, weight })),
    });
  } finally {
    await reference.close();
  }
}
