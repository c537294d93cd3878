// How fast live output comes, against `docker exec` of the same command: both read every byte.
import { DockerExec } from "../rivals/docker-exec.js";
import type { Row } from "../row.js";
import { comparison, inTurns } from "../turns.js";

const BYTES = 64 * 1024 * 1024;
const OUTPUT = ["bash", "-c", `head -c ${BYTES} /dev/zero | tr '\\0' x`];

export const row: Row = {
  name: "output",
  measure: "streamed output of one command, 64 MiB at a time, against `docker exec` of the same by Docker's API",
  aim: { unit: "×", atLeast: 0.8 },
  margin: 0.15,
  async measured(bench) {
    const server = await bench.server();
    const rival = await DockerExec.start();
    const flags = ["--streams", "1", "--stream-output", "--mix", `1:output:${BYTES}`, "--warm-up", "1s"];
    try {
      const turns = await inTurns(bench, {
        ours: async () => mbPerS((await bench.load(server, [...flags, ...bench.duration])).total.latency.p50),
        against: async () => mbPerS((await rival.load(bench, 1, OUTPUT)).p50Ms),
      });
      return comparison(
        turns,
        ({ ours, against }) => ours / against,
        (rate) => `${rate.toFixed(0)} MB/s`,
      );
    } finally {
      await rival.stop();
    }
  },
};

function mbPerS(ms: number): number {
  return BYTES / 1e6 / (ms / 1000);
}
