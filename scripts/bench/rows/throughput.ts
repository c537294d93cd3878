// Commands a second through the whole service, against what the machine can start at all.
import { median } from "../figures.js";
import { harnessOverhead } from "../overhead.js";
import { BWRAP_TRUE, startsPerSecond, TRUE } from "../rivals/host.js";
import { imageShell } from "../rivals/image-shell.js";
import type { Row } from "../row.js";
import { comparison, inTurns, perSecond } from "../turns.js";

const STREAMS = 64;
const PROCESSES = ["client", "server", "runners", "slots"] as const;

export const row: Row = {
  name: "throughput",
  measure: `throughput of \`bash true\`, ${STREAMS} trajectories, against \`posix_spawn\` of the same in C, as many at a time`,
  aim: { unit: "×", atLeast: 0.5 },
  margin: 0.1,
  async measured(bench) {
    const server = await bench.server();
    const cpuUs: Partial<Record<(typeof PROCESSES)[number], number>>[] = [];
    const turns = await inTurns(bench, {
      ours: async () => {
        const flags = ["--streams", String(STREAMS), "--warm-up", "1s", ...bench.duration];
        const { total, cpuPerResultUs } = await bench.load(server, flags);
        cpuUs.push(cpuPerResultUs);
        return total.rate;
      },
      against: () => startsPerSecond(bench, STREAMS, TRUE),
    });
    const bwrap = await startsPerSecond(bench, STREAMS, BWRAP_TRUE);
    const ownShell = await startsPerSecond(bench, STREAMS, [await imageShell(bench), "-c", "true"]);
    return {
      ...comparison(turns, ({ ours, against }) => ours / against, perSecond),
      details: [
        ["the image's own bash, which is linked statically, by `posix_spawn`", perSecond(ownShell)],
        ["bubblewrap for each command, by `posix_spawn`", perSecond(bwrap)],
        ...PROCESSES.map((name) => {
          const us = median(cpuUs.flatMap((each) => each[name] ?? []));
          return [`processor time per call: ${name}`, `${us.toFixed(0)} µs`] as const;
        }),
        ...(await harnessOverhead(bench, STREAMS)),
      ],
    };
  },
};
