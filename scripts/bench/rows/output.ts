// How fast live output comes, against `docker exec` of the same command: both read every byte.
import { DockerExec } from "../rivals/docker-exec.js";
import type { Row } from "../row.js";
import { comparison, inTurns, meanTurns, type Turn } from "../turns.js";

/** For each second of a side: several commands end in it, and each lasts long beside what starting it takes. */
const MIB_PER_S = 32;
/** In each round. */
const TURNS = 2;

export const row: Row = {
  name: "output",
  measure:
    "streamed output of one command at a time, tens of MiB each, against `docker exec` of the same by Docker's API",
  aim: { unit: "×", atLeast: 0.8 },
  margin: 0.08,
  async measured(bench) {
    const server = await bench.server();
    const rival = await DockerExec.start();
    const mib = MIB_PER_S * bench.seconds;
    const command = ["bash", "-c", `head -c ${mib}MiB /dev/zero | tr '\\0' x`];
    const flags = ["--streams", "1", "--stream-output", "--mix", `1:output:${mib}MiB`, "--warm-up", "0s"];
    const mbPerS = (ms: number) => (mib * 1.048576) / (ms / 1000);
    try {
      const turns = await inTurns<Turn>(bench, bench.rounds * TURNS, {
        ours: async () => mbPerS((await bench.load(server, [...flags, ...bench.duration])).total.latency.p50),
        against: async () => mbPerS((await rival.load(bench, 1, command)).p50Ms),
      });
      return comparison(
        meanTurns(turns, TURNS),
        ({ ours, against }) => ours / against,
        (rate) => `${rate.toFixed(0)} MB/s`,
      );
    } finally {
      await rival.stop();
    }
  },
};
