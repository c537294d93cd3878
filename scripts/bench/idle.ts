// An idle system's `bash true`, one after the other, against three rivals in the same turns: what several rows of the table are made of.
import { type CallTimes, LoneAgent } from "./lone-agent.js";
import { once } from "./once.js";
import { DockerExec } from "./rivals/docker-exec.js";
import { idleSpawnMs, TRUE } from "./rivals/host.js";
import { BASH_TRUE, drive, p50 } from "./rivals/reference/drive.js";
import { type Reference, startReference } from "./rivals/reference/reference.js";
import type { Bench } from "./row.js";
import { inTurns, meanTurns, type Turn } from "./turns.js";

/** In each round. */
const TURNS = 3;

/** Milliseconds, p50. */
interface Idle {
  readonly ours: CallTimes;
  /** Of Node on the host. */
  readonly spawn: number;
  readonly dockerExec: number;
  readonly reference: number;
}

/** A turn of ours is held against that of each rival. */
export const idleTurns = once(measure);

/** The rounds of one rival, as `comparison` has them. */
export async function idleAgainst(bench: Bench, rival: "spawn" | "dockerExec" | "reference"): Promise<readonly Turn[]> {
  const turns = (await idleTurns(bench)).map((turn) => ({ ours: turn.ours.latency, against: turn[rival] }));
  return meanTurns(turns, TURNS);
}

async function measure(bench: Bench): Promise<readonly Idle[]> {
  const reference = await startReference({ slots: 1, sandboxed: true, signal: bench.signal });
  const docker = await DockerExec.start();
  try {
    await docker.run(TRUE);
    return await measureAgainst(bench, docker, reference);
  } finally {
    await Promise.all([reference.close(), docker.stop()]);
  }
}

async function measureAgainst(bench: Bench, docker: DockerExec, reference: Reference): Promise<readonly Idle[]> {
  const { rounds, seconds } = bench;
  const agent = await LoneAgent.start(bench, "1:bash:true");
  try {
    const driven = { trajectories: 1, warmUpMs: 0, countedMs: seconds * 1_000, mix: BASH_TRUE };
    const sides = {
      ours: async () => (await agent.times(seconds))[0] ?? { latency: Number.NaN, exec: Number.NaN },
      spawn: () => idleSpawnMs(bench, TRUE),
      dockerExec: async () => (await docker.load(bench, 1, TRUE)).p50Ms,
      reference: async () => p50(await drive(reference, driven)),
    };
    return await inTurns<Idle>(bench, rounds * TURNS, sides);
  } finally {
    agent.stop();
  }
}
