// Short trajectories: each opens, has one result, is released and verified clean, against a container of its own for each.
import { median } from "../figures.js";
import { dockerRunRate } from "../rivals/docker-run.js";
import { TRUE } from "../rivals/host.js";
import type { Row } from "../row.js";
import { comparison, inTurns, perSecond } from "../turns.js";

const STREAMS = 32;
/** How many containers are made at a time; the rival is the faster of the two. */
const AT_ONCE = [1, 4] as const;
/** Longer than usual: the rival does seven a second. */
const COUNTED_S = 2;

export const row: Row = {
  name: "churn",
  measure: "new trajectory → first result → release, verified clean, per second, against `docker run --rm`",
  aim: { unit: "×", atLeast: 50 },
  margin: 5,
  async measured(bench) {
    const server = await bench.server();
    const churn = ["--churn", "--streams", String(STREAMS), "--warm-up", "1s", "--duration", `${COUNTED_S}s`];
    await bench.load(server, ["--churn", "--streams", String(STREAMS), "--warm-up", "6s", "--duration", "1s"]);
    const rates: number[][] = AT_ONCE.map(() => []);
    const turns = await inTurns(bench, bench.rounds, {
      ours: async () => (await bench.load(server, churn)).total.rate,
      against: async () => {
        for (const [at, workers] of AT_ONCE.entries()) {
          rates[at]?.push(await dockerRunRate({ seconds: COUNTED_S, signal: bench.signal }, workers, TRUE));
        }
        return Math.max(...rates.map((of) => of.at(-1) ?? 0));
      },
    });
    return {
      ...comparison(turns, ({ ours, against }) => ours / against, perSecond),
      details: AT_ONCE.map((workers, at) => [
        `docker run --rm, ${workers} at a time`,
        perSecond(median(rates[at] ?? [])),
      ]),
    };
  },
};
