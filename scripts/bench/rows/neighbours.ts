// What long calls cost the short ones beside them: the same short calls in turns with and without trajectories that sleep in the
// same containers under the same timeout, so that they would share batches.
import { SwitchyardClient, type Trajectory } from "../../../src/client/index.js";
import type { Bench, Row } from "../row.js";
import { comparison, inTurns, meanTurns, milliseconds, type Turn } from "../turns.js";

const SHORT = 16;
const LONG = 16;
const TIMEOUT_S = 120;
/** Some thousands of calls: of fewer, the p99 would be but the worst few. */
const COUNTED = ["--warm-up", "1s", "--duration", "3s"];
/** In each round. */
const TURNS = 2;
/** Longer than a round ever takes; they are released when it is over. */
const SLEEP = "echo asleep; sleep 110";

export const row: Row = {
  name: "neighbours",
  measure: `p99 of short calls beside long ones (${SHORT} trajectories beside ${LONG} that sleep), against without`,
  aim: { unit: "×", atMost: 1.2 },
  async measured(bench) {
    const server = await bench.server();
    const flags = ["--streams", String(SHORT), "--timeout", `${TIMEOUT_S}s`, ...COUNTED];
    const p99 = async () => (await bench.load(server, flags)).total.latency.p99;
    const turns = await inTurns<Turn>(bench, bench.rounds * TURNS, {
      ours: () => besideSleepers(server.address, bench, p99),
      against: p99,
    });
    return comparison(meanTurns(turns, TURNS), ({ ours, against }) => ours / against, milliseconds);
  },
};

/** Throws when one has woken before `measure` was done. */
async function besideSleepers(address: string, { signal }: Bench, measure: () => Promise<number>): Promise<number> {
  const client = new SwitchyardClient(address);
  try {
    const sleepers = await Promise.all(Array.from({ length: LONG }, () => client.open({ group: "bench", signal })));
    let awake = 0;
    await Promise.all(sleepers.map((sleeper) => fallenAsleep(sleeper, () => awake++)));
    const figure = await measure();
    if (awake > 0) throw new Error(`${awake} of ${LONG} sleepers woke before the round was over`);
    await Promise.all(sleepers.map((sleeper) => sleeper.release({ resetWorkspace: true })));
    return figure;
  } finally {
    client.close();
  }
}

function fallenAsleep(sleeper: Trajectory, onAwake: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const sleep = sleeper.call("bash", { command: SLEEP }, { timeoutS: TIMEOUT_S, onOutput: () => resolve() });
    sleep.then(({ status, error }) => {
      onAwake();
      reject(new Error(`a sleeper ended ${status}: ${error}`));
    }, reject);
  });
}
