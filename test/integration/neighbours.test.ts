// Slots of one container do not wait on each other.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { type LiveService, startLive } from "../support/live-service.js";
import { livingAre, uniqueSleep } from "../support/processes.js";

const INSTANCE = `neighbours-${process.pid}`;
const TIMEOUT = { timeout: { seconds: 40n, nanos: 0 } };

let live: LiveService;

before(async () => {
  live = await startLive("process", {
    instance: INSTANCE,
    pools: { default: { slots_per_container: 10, max_containers: 1 } },
  });
});

after(() => live.close());

test("nine trajectories run `true` in a loop beside one that sleeps 20 s, with its timeout: all end before it", async () => {
  const word = uniqueSleep(20);
  const sleeper = await live.open({ trajectoryId: "sleeper" });
  const order: string[] = [];
  const slept = sleeper.bash(`sleep ${word}; echo rested`, TIMEOUT).then((result) => {
    order.push("sleeper");
    return result;
  });
  await livingAre(word, 1);
  const neighbours = Array.from({ length: 9 }, async (_, at) => {
    const stream = await live.open({ trajectoryId: `n${at}` });
    for (let count = 0; count < 30; count++) {
      const { status, slotGeneration } = await stream.bash("true", TIMEOUT);
      assert.deepEqual([status, slotGeneration], [CallStatus.CALL_STATUS_OK, 1]);
    }
    order.push(`n${at}`);
    await stream.halfClose();
  });
  await Promise.all(neighbours);
  const { status, output } = await slept;
  assert.deepEqual([status, output], [CallStatus.CALL_STATUS_OK, "rested"]);
  assert.equal(order.length, 10);
  assert.equal(order.at(-1), "sleeper");
  await sleeper.halfClose();
});

/** Workspaces of released slots that are not all deleted yet. */
function beingDeleted(): number {
  const [folder = ""] = readdirSync(tmpdir()).filter((name) => name.startsWith(`switchyard-${INSTANCE}`));
  return readdirSync(join(tmpdir(), folder, "slots")).filter((name) => name.startsWith("deleted-")).length;
}

test("while a workspace of 20,000 files is wiped, its neighbours' calls go on", async () => {
  const neighbour = await live.open({ trajectoryId: "neighbour" });
  await neighbour.bash("true");
  let done = 0;
  for (let round = 0; done < 3; round++) {
    assert(round < 5, "no call of a neighbour ended during five wipes");
    const trajectoryId = `hoarder${round}`;
    const hoarder = await live.open({ trajectoryId });
    const made = await hoarder.bash("seq 20000 | xargs touch; mkdir d; cd d; seq 20000 | xargs touch; ls | wc -l");
    assert.equal(made.output, "20000");
    assert.deepEqual(await live.release(trajectoryId, true), { released: 1, wiped: true });
    while (beingDeleted() > 0) {
      await neighbour.bash("true");
      if (beingDeleted() > 0) done += 1;
    }
  }
  await neighbour.halfClose();
});
