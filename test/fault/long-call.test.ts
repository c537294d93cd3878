// Row 11: one long call beside 99 short ones, in one batch and one container: the short ones do not wait for it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { type LiveService, startLive } from "../support/live-service.js";
import { livingAre, uniqueSleep } from "../support/processes.js";
import { isWhole } from "../support/suite-size.js";
import type { TrajectoryClient } from "../support/trajectory-client.js";

const LONG_S = 60;
const SHORT = 99;
const ROUNDS = 3;
/** The same for both, so that they travel together. */
const TIMEOUT = { timeout: { seconds: 300n, nanos: 0 } };

/** Milliseconds of each short call of a few rounds. */
async function rounds(streams: readonly TrajectoryClient[]): Promise<number[]> {
  const took: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await Promise.all(
      streams.map(async (stream) => {
        const beganMs = performance.now();
        assert.equal((await stream.bash("true", TIMEOUT)).status, CallStatus.CALL_STATUS_OK);
        took.push(performance.now() - beganMs);
      }),
    );
  }
  return took;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function openAll(live: LiveService): Promise<TrajectoryClient[]> {
  const streams = await Promise.all(
    Array.from({ length: SHORT }, (_, at) => live.open({ trajectoryId: `t${at}`, acquireSlot: true })),
  );
  await rounds(streams);
  return streams;
}

test(`99 short calls beside one of ${LONG_S} s all end before it`, async (t) => {
  const pools = { default: { slots_per_container: SHORT + 1, max_containers: 1 } };
  const live = await startLive("process", { pools, batch: { window_ms: 20 } });
  t.after(() => live.close());
  const streams = await openAll(live);
  const alone = median(await rounds(streams));
  const word = uniqueSleep(LONG_S);
  const slow = await live.open({ trajectoryId: "slow", acquireSlot: true });
  let over = false;
  const long = slow.bash(`sleep ${word}`, { ...TIMEOUT, uniqId: "long" }).finally(() => {
    over = true;
  });
  // The first round beside it shares its batch.
  const together = rounds(streams);
  await livingAre(word, 1);
  const beside = median(await together);
  assert.equal(over, false, "the long call ended first");
  t.diagnostic(`median of a short call: ${alone.toFixed(1)} ms alone, ${beside.toFixed(1)} ms beside`);
  t.diagnostic(`ratio ${(beside / alone).toFixed(2)}`);
  // The small suite does not wait for its end.
  if (!isWhole) slow.send({ $case: "cancel", value: { uniqId: "long" } });
  assert.equal((await long).status, isWhole ? CallStatus.CALL_STATUS_OK : CallStatus.CALL_STATUS_CANCELLED);
});
