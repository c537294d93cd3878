// How the server's processor time for a call grows with the streams that are open and make calls. The backend answers at once,
// so that nothing but the server is measured.
import type { Report } from "../../../src/load/report.js";
import { median } from "../figures.js";
import type { Row } from "../row.js";
import { startNullService } from "../start-null-service.js";
import { inTurns } from "../turns.js";

const [FEW, MANY] = [16, 4096];
/** Longer than usual: 4,096 streams are not even in the first. */
const COUNTED = ["--warm-up", "1s", "--duration", "3s"];

export const row: Row = {
  name: "many-streams",
  measure: `the server's processor time per call at ${MANY} streams, against ${FEW}`,
  aim: { unit: "×", atMost: 1.5 },
  async measured(bench) {
    const server = await startNullService(bench, MANY);
    try {
      const at = (streams: number) => bench.load(server, ["--streams", `${streams}`, ...COUNTED]);
      await at(FEW);
      const rounds = await inTurns<{ readonly many: Report; readonly few: Report }>(bench, bench.rounds, {
        many: () => at(MANY),
        few: () => at(FEW),
      });
      const cpu = ({ cpuPerResultUs }: Report) => cpuPerResultUs.server ?? Number.NaN;
      const ratios = rounds.map(({ many, few }) => cpu(many) / cpu(few));
      const text = (side: "many" | "few", of: (report: Report) => number, unit: string) =>
        `${median(rounds.map((each) => of(each[side]))).toFixed(0)}${unit}`;
      return {
        value: median(ratios),
        rounds: ratios,
        ours: text("many", cpu, " µs"),
        against: text("few", cpu, " µs"),
        details: [
          [`calls/s at ${MANY} streams`, text("many", ({ total }) => total.rate, "/s")],
          [`calls/s at ${FEW} streams`, text("few", ({ total }) => total.rate, "/s")],
        ],
      };
    } finally {
      await server.stop();
    }
  },
};
