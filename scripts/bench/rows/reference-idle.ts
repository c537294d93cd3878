// How long an idle system takes for a command, against the reference's algorithm at its defaults: a window of 20 ms, bubblewrap
// entered for each command.
import { BASH_TRUE, drive, p50 } from "../rivals/reference/drive.js";
import { startReference } from "../rivals/reference/reference.js";
import type { Row } from "../row.js";
import { comparison, inTurns, milliseconds } from "../turns.js";

export const row: Row = {
  name: "reference-idle",
  measure: "idle p50 of `bash true`, against the reference's at its defaults, sandboxed",
  aim: { unit: "× lower", atLeast: 20 },
  async measured(bench) {
    const server = await bench.server();
    const reference = await startReference({ slots: 1, sandboxed: true, signal: bench.signal });
    try {
      const turns = await inTurns(bench, {
        ours: async () => {
          const { total } = await bench.load(server, ["--streams", "1", "--warm-up", "1s", ...bench.duration]);
          return total.latency.p50;
        },
        against: async () =>
          p50(
            await drive(reference, {
              trajectories: 1,
              warmUpMs: 1_000,
              countedMs: bench.seconds * 1_000,
              mix: BASH_TRUE,
            }),
          ),
      });
      return comparison(turns, ({ ours, against }) => against / ours, milliseconds);
    } finally {
      await reference.close();
    }
  },
};
