// Row 3: the client comes back after its lease: nothing of the old life is left, and the new one says so.
import assert from "node:assert/strict";
import { test } from "node:test";
import { status as GrpcCode, type ServiceError } from "@grpc/grpc-js";
import { CheckedTrajectory, ownService } from "../support/checked-trajectory.js";
import { FaultProxy } from "../support/fault-proxy.js";
import { reasonOf } from "../support/grpc-service.js";
import { startLive } from "../support/live-service.js";
import { livingAre, uniqueSleep } from "../support/processes.js";
import { TrajectoryClient } from "../support/trajectory-client.js";

test("resume after the lease: not resumed, another incarnation, a clean slot, the same ids again", async (t) => {
  const live = await startLive("process", { pools: { default: { slots_per_container: 1, max_containers: 1 } } });
  t.after(() => live.close());
  const proxy = await FaultProxy.start(live.address);
  const service = ownService(proxy.address);
  t.after(() => {
    service.close();
    return proxy.close();
  });
  const word = uniqueSleep();
  const open = { trajectoryId: "t", resumeToken: "secret", lease: { seconds: 0n, nanos: 400_000_000 } };
  const first = await TrajectoryClient.open(service, open);
  await first.bash("echo old > file; echo old > /tmp/file; echo old > /dev/shm/file", { uniqId: "one" });
  first.bash(`setsid -f sleep ${word}; sleep ${word}`, { uniqId: "two" }).catch(() => undefined);
  first.bash(`echo queued > file; sleep ${word}`, { uniqId: "three" }).catch(() => undefined);
  await livingAre(word, 2);

  proxy.blackHole();
  proxy.breakAll("reset");
  await live.statusIs(({ pools, queueSize }) => pools[0]?.slotsLeased === 0 && queueSize === 0n);
  await livingAre(word, 0);
  proxy.heal();

  const refused = await TrajectoryClient.open(service, { ...open, requireResume: true }).then(
    () => assert.fail("there is nothing to resume"),
    ({ cause }: { cause: ServiceError }) => cause,
  );
  assert.deepEqual([refused.code, reasonOf(refused)], [GrpcCode.NOT_FOUND, "TRAJECTORY_UNKNOWN"]);
  const again = new CheckedTrajectory(service, open);
  const { opened } = await again.stream();
  assert.equal(opened.resumed, false);
  assert.notEqual(opened.incarnation, first.opened.incarnation);
  assert.deepEqual([opened.epoch, opened.slotGeneration, opened.known], [1n, 0, []]);
  const [one] = await Promise.all([
    again.call("one", 'cat file /tmp/file /dev/shm/file 2>/dev/null; pgrep -f "[s]leep"; ls -A'),
    again.call("two"),
    again.call("three"),
  ]);
  assert.equal(one.slotGeneration, 1);
  assert.equal(one.output, "1\ncalls");
  await again.check();
});
