// An idle system's latency against that of `docker exec`.
import { idleAgainst } from "../idle.js";
import { DockerExec } from "../rivals/docker-exec.js";
import { TRUE } from "../rivals/host.js";
import type { Row } from "../row.js";
import { comparison, milliseconds, perSecond } from "../turns.js";

const STREAMS = 64;

export const row: Row = {
  name: "docker-exec",
  measure: "idle latency of `bash true`, p50, against `docker exec` of the same by Docker's API",
  aim: { unit: "× lower", atLeast: 30 },
  async measured(bench) {
    const turns = await idleAgainst(bench, "dockerExec");
    const server = await bench.server();
    const rival = await DockerExec.start();
    try {
      const loaded = await bench.load(server, ["--streams", String(STREAMS), "--warm-up", "1s", ...bench.duration]);
      const { rate } = await rival.load(bench, STREAMS, TRUE);
      return {
        ...comparison(turns, ({ ours, against }) => against / ours, milliseconds),
        details: [
          [`${STREAMS} at a time, ours`, perSecond(loaded.total.rate)],
          [`${STREAMS} at a time, docker exec`, perSecond(rate)],
        ],
      };
    } finally {
      await rival.stop();
    }
  },
};
