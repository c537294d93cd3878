// Row 7: a runner dies in its container, a container is killed or stands still: LOST for what ran, NOT_STARTED for what
// waited behind it, slot_lost in its place in the stream, and the next calls run in a new slot.
import assert from "node:assert/strict";
import { test } from "node:test";
import type Docker from "dockerode";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { CheckedTrajectory } from "../support/checked-trajectory.js";
import { containersOf, onlyContainerOf, processesOf, startDocker } from "../support/docker-engine.js";
import { livingAre, uniqueSleep } from "../support/processes.js";
import { isWhole } from "../support/suite-size.js";

const SLOTS = 6;
const POOL = { slots_per_container: SLOTS, min_containers: 1, max_containers: 2 };
const LONG = { timeout: { seconds: 600n, nanos: 0 } };

/** Kills the runner by its pid on this machine. */
async function killRunner(container: Docker.Container): Promise<void> {
  const runner = (await processesOf(container)).find(({ args }) => /^\/switchyard\/runtime\/ld\.so/.test(args));
  assert.ok(runner, "the container has no runner");
  process.kill(runner.pid, "SIGKILL");
}

type Death = readonly [what: string, strike: (container: Docker.Container) => Promise<unknown>];

const PAUSE: Death = ["docker pause", (container) => container.pause()];
const DEATHS: readonly Death[] = [
  ["kill -9 of the runner in its container", killRunner],
  ["docker kill", (container) => container.kill()],
  // Found by the link's heartbeat alone.
  ...(isWhole ? [PAUSE] : []),
];

for (const [what, strike] of DEATHS) {
  test(`${what}: LOST, NOT_STARTED, slot_lost, and a new slot`, async (t) => {
    const live = await startDocker(t, POOL);
    const container = await onlyContainerOf(live.instance);
    const word = uniqueSleep();
    const trajectories = Array.from(
      { length: SLOTS },
      (_, at) => new CheckedTrajectory(live.client, { trajectoryId: `t${at}` }),
    );
    await Promise.all(trajectories.map((trajectory) => trajectory.call("before")));
    const running = trajectories.map((trajectory) => trajectory.call("running", `sleep ${word}`, LONG));
    const queued = trajectories.map((trajectory) => trajectory.call("queued"));
    // The shell of each has the word too.
    await livingAre(word, SLOTS);

    await strike(container);
    const beganMs = performance.now();
    for (const { status } of await Promise.all(running)) assert.equal(status, CallStatus.CALL_STATUS_LOST);
    const lostMs = performance.now() - beganMs;
    for (const { status } of await Promise.all(queued)) assert.equal(status, CallStatus.CALL_STATUS_NOT_STARTED);
    for (const trajectory of trajectories) {
      const stream = await trajectory.stream();
      assert.equal((await stream.first("slotLost")).slotGeneration, 1);
      assert.deepEqual(order(stream.frames), ["result before", "slotLost"]);
    }
    t.diagnostic(`slot_lost and every call ended ${Math.round(lostMs)} ms after ${what}`);

    for (const trajectory of trajectories) {
      assert.equal((await trajectory.call("after")).slotGeneration, 2);
      await trajectory.check();
    }
    assert.ok(!(await containersOf(live.instance)).includes(container.id), "the old container is still there");
  });
}

/** What came before and what told of the loss; the calls that it ended come in any order about it. */
function order(frames: readonly { readonly $case: string; readonly value: unknown }[]): string[] {
  return frames.flatMap(({ $case, value }) => {
    if ($case === "slotLost") return [$case];
    const isBefore = typeof value === "object" && value !== null && "uniqId" in value && value.uniqId === "before";
    return $case === "result" && isBefore ? ["result before"] : [];
  });
}
