// What a call costs beside its command: the whole server with a backend that answers at once, against grpc-js alone doing so. One
// client process puts the same load on both, so what it takes itself is in both figures.
import type { Report } from "../../../src/load/report.js";
import { median } from "../figures.js";
import type { Row } from "../row.js";
import { startEcho, startNullService } from "../start-null-service.js";
import { comparison, inTurns, meanTurns, perSecond, type Turn } from "../turns.js";

const STREAMS = 100;
/** Until V8 has compiled both servers. */
const WARM_UP_S = 4;
/** In each round. Their ratios are a fifth apart, however long they are. */
const TURNS = 2;
const COUNTED_S = 1.5;

export const row: Row = {
  name: "control-plane",
  measure: `calls/s of the control plane (a backend that answers at once) on ${STREAMS} streams, against raw grpc-js`,
  aim: { unit: "×", atLeast: 0.5 },
  margin: 0.15,
  async measured(bench) {
    const server = await startNullService(bench, STREAMS);
    const echo = await startEcho();
    try {
      const under = (target: typeof server | typeof echo, seconds: number) =>
        bench.load(target, ["--streams", `${STREAMS}`, "--warm-up", "1s", "--duration", `${seconds}s`]);
      await under(server, WARM_UP_S);
      await under(echo, WARM_UP_S);
      const turns = await inTurns<Turn<Report>>(bench, bench.rounds * TURNS, {
        ours: () => under(server, COUNTED_S),
        against: () => under(echo, COUNTED_S),
      });
      const rates = turns.map(({ ours, against }) => ({ ours: ours.total.rate, against: against.total.rate }));
      const cpu = (side: keyof Turn, of: "server" | "client") =>
        `${median(turns.map((each) => each[side].cpuPerResultUs[of] ?? Number.NaN)).toFixed(0)} µs`;
      return {
        ...comparison(meanTurns(rates, TURNS), ({ ours, against }) => ours / against, perSecond),
        details: [
          ["processor time per call: server", cpu("ours", "server")],
          ["processor time per call: raw grpc-js", cpu("against", "server")],
          ["processor time per call: client", cpu("ours", "client")],
        ],
      };
    } finally {
      await echo.stop();
      await server.stop();
    }
  },
};
