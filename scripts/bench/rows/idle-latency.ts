// How long an idle system takes for a command, against what it costs a program on the host to start it.
import { median } from "../figures.js";
import { idleSpawnMs, TRUE } from "../rivals/host.js";
import type { Row } from "../row.js";
import { comparison, inTurns, milliseconds } from "../turns.js";

export const row: Row = {
  name: "idle-latency",
  measure: "idle latency of `bash true`, p50, against plain `spawn` of the same by Node on the host",
  aim: { unit: "×", atMost: 0.7 },
  margin: 6,
  async measured(bench) {
    const server = await bench.server();
    const exec: number[] = [];
    const turns = await inTurns(bench, {
      ours: async () => {
        const { total } = await bench.load(server, ["--streams", "1", "--warm-up", "1s", ...bench.duration]);
        exec.push(total.exec.p50);
        return total.latency.p50;
      },
      against: () => idleSpawnMs(bench, TRUE),
    });
    return {
      ...comparison(turns, ({ ours, against }) => ours / against, milliseconds),
      details: [["in the slot, p50, as the server says", milliseconds(median(exec))]],
    };
  },
};
