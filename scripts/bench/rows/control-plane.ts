// What a call costs beside its command: the whole server with a backend that answers at once, against grpc-js alone doing so. One
// client process puts the same load on both, so what it takes itself is in both figures.
import type { Report } from "../../../src/load/report.js";
import { median } from "../figures.js";
import type { Row } from "../row.js";
import { startEcho, startNullService } from "../start-null-service.js";

const STREAMS = 100;
/** Until V8 has compiled both servers. */
const WARM_UP_S = 4;

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
      const rounds: { readonly ours: Report; readonly raw: Report }[] = [];
      for (let round = 0; round < bench.rounds; round++) {
        rounds.push({ ours: await under(server, bench.seconds), raw: await under(echo, bench.seconds) });
      }
      const ratios = rounds.map(({ ours, raw }) => ours.total.rate / raw.total.rate);
      const rate = (side: "ours" | "raw") => `${median(rounds.map((each) => each[side].total.rate)).toFixed(0)}/s`;
      const cpu = (side: "ours" | "raw", of: "server" | "client") =>
        `${median(rounds.map((each) => each[side].cpuPerResultUs[of] ?? Number.NaN)).toFixed(0)} µs`;
      return {
        value: median(ratios),
        rounds: ratios,
        ours: rate("ours"),
        against: rate("raw"),
        details: [
          ["processor time per call: server", cpu("ours", "server")],
          ["processor time per call: raw grpc-js", cpu("raw", "server")],
          ["processor time per call: client", cpu("ours", "client")],
        ],
      };
    } finally {
      await echo.stop();
      await server.stop();
    }
  },
};
