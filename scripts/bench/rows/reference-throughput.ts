// What the design gains under load, apart from the language: the reference's algorithm in the same language, on the same machine.
import { median } from "../figures.js";
import { BASH_TRUE, type Driven, drive, p50 } from "../rivals/reference/drive.js";
import { startReference } from "../rivals/reference/reference.js";
import type { Row } from "../row.js";
import { comparison, inTurns, milliseconds, perSecond } from "../turns.js";

const TRAJECTORIES = 64;
const FLAGS = ["--streams", String(TRAJECTORIES), "--warm-up", "1s"];

export const row: Row = {
  name: "reference-throughput",
  measure: "throughput of `bash true`, 64 trajectories, against the reference's algorithm, sandboxed",
  aim: { unit: "×", atLeast: 3 },
  async measured(bench) {
    const server = await bench.server();
    const reference = await startReference({ slots: TRAJECTORIES, sandboxed: true, signal: bench.signal });
    try {
      const ours: { readonly p50: number; readonly cpuMs: number }[] = [];
      const theirs: Driven[] = [];
      const turns = await inTurns(bench, {
        ours: async () => {
          const { total, cpuPerResultUs } = await bench.load(server, [...FLAGS, ...bench.duration]);
          const cpuUs = Object.values(cpuPerResultUs).reduce((sum, us) => sum + us, 0);
          ours.push({ p50: total.latency.p50, cpuMs: cpuUs / 1000 });
          return total.rate;
        },
        against: async () => {
          const times = { warmUpMs: 1_000, countedMs: bench.seconds * 1_000, callsMin: TRAJECTORIES };
          const driven = await drive(reference, { trajectories: TRAJECTORIES, ...times, mix: BASH_TRUE });
          theirs.push(driven);
          return driven.rate;
        },
      });
      const cpu = (side: readonly { readonly cpuMs: number }[]) => milliseconds(median(side.map(({ cpuMs }) => cpuMs)));
      return {
        ...comparison(turns, (turn) => turn.ours / turn.against, perSecond),
        details: [
          ["p50 of ours", milliseconds(median(ours.map(({ p50: ms }) => ms)))],
          ["p50 of the reference's", milliseconds(median(theirs.map(p50)))],
          ["processor time per call of ours, client and all runners of the machine included", cpu(ours)],
          ["processor time per call of the reference's, its agents included", cpu(theirs)],
        ],
      };
    } finally {
      await reference.close();
    }
  },
};
