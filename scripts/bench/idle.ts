// An idle system's `bash true`, one after the other, against three rivals in the same turns: what several rows of the table are made of.
import { DockerExec } from "./rivals/docker-exec.js";
import { idleSpawnMs, TRUE } from "./rivals/host.js";
import { BASH_TRUE, drive, p50 } from "./rivals/reference/drive.js";
import { startReference } from "./rivals/reference/reference.js";
import type { Bench } from "./row.js";
import { inTurns, type Turn } from "./turns.js";

/**
 * One trajectory, until V8 has compiled what a call runs through in a new client process. That takes thousands of calls, of
 * which an idle system makes two hundred a second: after one second the client's part of a call is twice what it is after eight.
 */
const IDLE = ["--streams", "1", "--warm-up", "8s"] as const;

/** Milliseconds, p50. */
interface Idle {
  readonly ours: number;
  /** As the server says: in the slot. */
  readonly exec: number;
  /** Of Node on the host. */
  readonly spawn: number;
  readonly dockerExec: number;
  readonly reference: number;
}

const measured = new WeakMap<object, Promise<readonly Idle[]>>();

/** Once in a run of the bench: a turn of ours is held against that of each rival. */
export function idleTurns(bench: Bench): Promise<readonly Idle[]> {
  const known = measured.get(bench) ?? measure(bench);
  measured.set(bench, known);
  return known;
}

/** The turns of one rival, as `comparison` has them. */
export async function idleAgainst(bench: Bench, rival: "spawn" | "dockerExec" | "reference"): Promise<readonly Turn[]> {
  return (await idleTurns(bench)).map((turn) => ({ ours: turn.ours, against: turn[rival] }));
}

async function measure(bench: Bench): Promise<readonly Idle[]> {
  const server = await bench.server();
  const reference = await startReference({ slots: 1, sandboxed: true, signal: bench.signal });
  const docker = await DockerExec.start();
  try {
    await docker.run(TRUE);
    const driven = { trajectories: 1, warmUpMs: 1_000, countedMs: bench.seconds * 1_000, mix: BASH_TRUE };
    const turns = await inTurns(bench, {
      ours: async () => {
        const { total } = await bench.load(server, [...IDLE, ...bench.duration]);
        return { ours: total.latency.p50, exec: total.exec.p50 };
      },
      against: async () => ({
        spawn: await idleSpawnMs(bench, TRUE),
        dockerExec: (await docker.load(bench, 1, TRUE)).p50Ms,
        reference: p50(await drive(reference, driven)),
      }),
    });
    return turns.map(({ ours, against }) => ({ ...ours, ...against }));
  } finally {
    await Promise.all([reference.close(), docker.stop()]);
  }
}
