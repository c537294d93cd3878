// `bash true` of 64 trajectories at once, against two rivals in the same turns: what several rows of the table are made of.
import type { Report } from "../../src/load/report.js";
import { once } from "./once.js";
import { startsPerSecond, TRUE } from "./rivals/host.js";
import { BASH_TRUE, type Driven, drive } from "./rivals/reference/drive.js";
import { startReference } from "./rivals/reference/reference.js";
import type { Bench } from "./row.js";
import { inTurns } from "./turns.js";

export const LOADED = 64;
/** In each round. */
export const TURNS = 2;
/** Of a turn's ours and its floor; the reference's batches last half a second each, however long it is measured. */
const COUNTED_S = 2;

interface Loaded {
  readonly ours: Report;
  /** Starts per second by `posix_spawn`, as many at a time. */
  readonly floor: number;
  readonly reference: Driven;
}

/** A turn of ours is held against that of each rival. */
export const loadedTurns = once(measure);

async function measure(bench: Bench): Promise<readonly Loaded[]> {
  const { signal } = bench;
  const server = await bench.server();
  const reference = await startReference({ slots: LOADED, sandboxed: true, signal });
  const times = { warmUpMs: 500, countedMs: bench.seconds * 1_000, callsMin: LOADED };
  try {
    return await inTurns<Loaded>(bench, bench.rounds * TURNS, {
      ours: () => bench.load(server, ["--streams", `${LOADED}`, "--warm-up", "1s", "--duration", `${COUNTED_S}s`]),
      floor: () => startsPerSecond({ ...bench, seconds: COUNTED_S }, LOADED, TRUE),
      reference: () => drive(reference, { trajectories: LOADED, ...times, mix: BASH_TRUE }),
    });
  } finally {
    await reference.close();
  }
}
