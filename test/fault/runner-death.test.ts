// Row 7: a runner dies in its container, a container is killed or stands still: LOST for what ran, NOT_STARTED for what
// waited behind it, slot_lost in its place in the stream, and the next calls run in a new slot.
import assert from "node:assert/strict";
import { test } from "node:test";
import type Docker from "dockerode";
import { CallStatus, Fault } from "../../src/gen/switchyard/v1/call.js";
import { CheckedTrajectory } from "../support/checked-trajectory.js";
import { containersOf, onlyContainerOf, processesOf, startDocker } from "../support/docker-engine.js";
import { livingAre, uniqueSleep } from "../support/processes.js";

const SLOTS = 6;
const POOL = { slots_per_container: SLOTS, min_containers: 1, max_containers: 2 };
const LONG = { timeout: { seconds: 600n, nanos: 0 } };

/** Kills the runner by its pid on this machine. */
async function killRunner(container: Docker.Container): Promise<void> {
  const runner = (await processesOf(container)).find(({ args }) => /^\/switchyard\/runtime\/ld\.so/.test(args));
  assert.ok(runner, "the container has no runner");
  process.kill(runner.pid, "SIGKILL");
}

type Death = readonly [what: string, lostMsMax: number, strike: (container: Docker.Container) => Promise<unknown>];

/** A dead container's calls end within so many milliseconds. */
const LOST_MS_MAX = 2_000;
/** One that stands still is found by its silence alone: five pings unanswered, 3 s apart, and the next one's time. */
const SILENT_MS_MAX = 60_000;
const DEATHS: readonly Death[] = [
  ["kill -9 of the runner in its container", LOST_MS_MAX, killRunner],
  ["docker kill", LOST_MS_MAX, (container) => container.kill()],
  ["docker pause", SILENT_MS_MAX, (container) => container.pause()],
];

for (const [what, lostMsMax, strike] of DEATHS) {
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

    const beganMs = performance.now();
    await strike(container);
    for (const { status, fault } of await Promise.all(running)) {
      assert.deepEqual([status, fault], [CallStatus.CALL_STATUS_LOST, Fault.FAULT_INFRASTRUCTURE]);
    }
    const lostMs = performance.now() - beganMs;
    assert.ok(lostMs < lostMsMax, `the calls ended ${Math.round(lostMs)} ms after ${what}`);
    for (const { status, fault } of await Promise.all(queued)) {
      assert.deepEqual([status, fault], [CallStatus.CALL_STATUS_NOT_STARTED, Fault.FAULT_INFRASTRUCTURE]);
    }
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
