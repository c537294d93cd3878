// How long an idle system takes for a command, against the reference's algorithm at its defaults: a window of 20 ms, bubblewrap
// entered for each command.
import { idleAgainst } from "../idle.js";
import type { Row } from "../row.js";
import { comparison, milliseconds } from "../turns.js";

export const row: Row = {
  name: "reference-idle",
  measure: "idle p50 of `bash true`, against the reference's at its defaults, sandboxed",
  aim: { unit: "× lower", atLeast: 20 },
  async measured(bench) {
    return comparison(await idleAgainst(bench, "reference"), ({ ours, against }) => against / ours, milliseconds);
  },
};
