// How long an idle system takes for a command, against what it costs a program on the host to start it.
import { median } from "../figures.js";
import { idleAgainst, idleTurns } from "../idle.js";
import type { Row } from "../row.js";
import { comparison, milliseconds } from "../turns.js";

export const row: Row = {
  name: "idle-latency",
  measure: "idle latency of `bash true`, p50, against plain `spawn` of the same by Node on the host",
  aim: { unit: "×", atMost: 0.7 },
  margin: 6,
  async measured(bench) {
    const exec = (await idleTurns(bench)).map(({ ours }) => ours.exec);
    return {
      ...comparison(await idleAgainst(bench, "spawn"), ({ ours, against }) => ours / against, milliseconds),
      details: [["in the slot, p50, as the server says", milliseconds(median(exec))]],
    };
  },
};
