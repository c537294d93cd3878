// What the design gains under load, apart from the language: the reference's algorithm in the same language, on the same machine.
import { median } from "../figures.js";
import { BASH_TRUE, drive, p50 } from "../rivals/reference/drive.js";
import { startReference } from "../rivals/reference/reference.js";
import type { Row } from "../row.js";
import { comparison, inTurns, milliseconds, perSecond } from "../turns.js";

const TRAJECTORIES = 64;

export const row: Row = {
  name: "reference-throughput",
  measure: "throughput of `bash true`, 64 trajectories, against the reference's algorithm, sandboxed",
  aim: { unit: "×", atLeast: 3 },
  margin: 1.5,
  async measured(bench) {
    const server = await bench.server();
    const reference = await startReference({ slots: TRAJECTORIES, sandboxed: true, signal: bench.signal });
    try {
      const [p50OfOurs, p50OfReference]: [number[], number[]] = [[], []];
      const turns = await inTurns(bench, {
        ours: async () => {
          const streams = ["--streams", String(TRAJECTORIES), "--warm-up", "1s"];
          const { total } = await bench.load(server, [...streams, ...bench.duration]);
          p50OfOurs.push(total.latency.p50);
          return total.rate;
        },
        against: async () => {
          const driven = await drive(reference, {
            trajectories: TRAJECTORIES,
            warmUpMs: 1_000,
            countedMs: bench.seconds * 1_000,
            callsMin: 2 * TRAJECTORIES,
            mix: BASH_TRUE,
          });
          p50OfReference.push(p50(driven));
          return driven.rate;
        },
      });
      return {
        ...comparison(turns, ({ ours, against }) => ours / against, perSecond),
        details: [
          ["p50 of ours", milliseconds(median(p50OfOurs))],
          ["p50 of the reference's", milliseconds(median(p50OfReference))],
        ],
      };
    } finally {
      await reference.close();
    }
  },
};
