// Commands a second through the whole service, against what the machine can start at all.
import { median } from "../figures.js";
import { LOADED, loadedTurns, TURNS } from "../loaded.js";
import { harnessOverhead } from "../overhead.js";
import { BWRAP_TRUE, startsPerSecond } from "../rivals/host.js";
import { imageShell } from "../rivals/image-shell.js";
import type { Row } from "../row.js";
import { comparison, meanTurns, perSecond } from "../turns.js";

const PROCESSES = ["client", "server", "runners", "slots"] as const;

export const row: Row = {
  name: "throughput",
  measure: `throughput of \`bash true\`, ${LOADED} trajectories, against \`posix_spawn\` of the same in C, as many at a time`,
  aim: { unit: "×", atLeast: 0.5 },
  margin: 0.1,
  async measured(bench) {
    const turns = await loadedTurns(bench);
    const rates = turns.map(({ ours, floor }) => ({ ours: ours.total.rate, against: floor }));
    const bwrap = await startsPerSecond(bench, LOADED, BWRAP_TRUE);
    const ownShell = await startsPerSecond(bench, LOADED, [await imageShell(bench), "-c", "true"]);
    return {
      ...comparison(meanTurns(rates, TURNS), ({ ours, against }) => ours / against, perSecond),
      details: [
        ["the image's own bash, which is linked statically, by `posix_spawn`", perSecond(ownShell)],
        ["bubblewrap for each command, by `posix_spawn`", perSecond(bwrap)],
        ...PROCESSES.map((name) => {
          const us = median(turns.flatMap(({ ours }) => ours.cpuPerResultUs[name] ?? []));
          return [`processor time per call: ${name}`, `${us.toFixed(0)} µs`] as const;
        }),
        ...(await harnessOverhead(bench, LOADED)),
      ],
    };
  },
};
