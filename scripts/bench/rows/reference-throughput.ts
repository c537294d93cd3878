// What the design gains under load, apart from the language: the reference's algorithm in the same language, on the same machine.
import { median } from "../figures.js";
import { LOADED, loadedTurns, TURNS } from "../loaded.js";
import { p50 } from "../rivals/reference/drive.js";
import type { Row } from "../row.js";
import { comparison, meanTurns, milliseconds, perSecond } from "../turns.js";

export const row: Row = {
  name: "reference-throughput",
  measure: `throughput of \`bash true\`, ${LOADED} trajectories, against the reference's algorithm, sandboxed`,
  aim: { unit: "×", atLeast: 3 },
  async measured(bench) {
    const turns = await loadedTurns(bench);
    const rates = turns.map(({ ours, reference }) => ({ ours: ours.total.rate, against: reference.rate }));
    const ourCpuMs = turns.map(
      ({ ours }) => Object.values(ours.cpuPerResultUs).reduce((sum, us) => sum + us, 0) / 1000,
    );
    const middle = (values: readonly number[]) => milliseconds(median(values));
    return {
      ...comparison(meanTurns(rates, TURNS), ({ ours, against }) => ours / against, perSecond),
      details: [
        ["p50 of ours", middle(turns.map(({ ours }) => ours.total.latency.p50))],
        ["p50 of the reference's", middle(turns.map(({ reference }) => p50(reference)))],
        ["processor time per call of ours, client and all runners of the machine included", middle(ourCpuMs)],
        [
          "processor time per call of the reference's, its agents included",
          middle(turns.map(({ reference }) => reference.cpuMs)),
        ],
      ],
    };
  },
};
