// Row 8: the Docker daemon fails to create or start containers in 30% of cases: starts are tried again, waiting is
// bounded, every call ends OK or NOT_STARTED, and nothing is left behind.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { CheckedTrajectory } from "../support/checked-trajectory.js";
import { ContainerWatch, startDocker } from "../support/docker-engine.js";
import { DockerProxy } from "../support/docker-proxy.js";
import { Random } from "../support/random.js";
import { bySize } from "../support/suite-size.js";

const TRAJECTORIES = bySize(12, 60);
const SHARE = 0.3;
const SEED = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);
const QUEUE_S = 60;

test(`container creation fails in 30% of cases (FAULT_SEED=${SEED})`, async (t) => {
  const random = new Random(SEED);
  let failing = false;
  const proxy = await DockerProxy.start((method, path) => {
    const concerned = method === "POST" && /^\/containers\/(create|\w+\/start)$/.test(path);
    return failing && concerned && random.chance(SHARE);
  });
  const hostBefore = process.env.DOCKER_HOST;
  process.env.DOCKER_HOST = proxy.host;
  t.after(() => {
    if (hostBefore === undefined) delete process.env.DOCKER_HOST;
    else process.env.DOCKER_HOST = hostBefore;
  });
  // Each container serves one trajectory, so each trajectory needs a start.
  const pool = { slots_per_container: 1, min_containers: 1, max_containers: 4, isolation: "container" };
  const live = await startDocker(t, pool, { timeouts: { queue_s: QUEUE_S } });
  t.after(() => proxy.close());
  const watch = await ContainerWatch.of(t, live.instance);
  failing = true;

  const ends = await Promise.all(
    Array.from({ length: TRAJECTORIES }, async (_, at) => {
      const trajectory = new CheckedTrajectory(live.client, { trajectoryId: `t${at}`, group: `g${at % 3}` });
      const beganMs = performance.now();
      const { status, error } = await trajectory.call("only");
      const waitedS = (performance.now() - beganMs) / 1000;
      const ends = [CallStatus.CALL_STATUS_OK, CallStatus.CALL_STATUS_NOT_STARTED];
      assert.ok(ends.includes(status), `it ended ${CallStatus[status]}: ${error}`);
      assert.ok(waitedS < QUEUE_S + 10, `it waited ${waitedS.toFixed(1)} s`);
      if (status === CallStatus.CALL_STATUS_OK) await trajectory.check();
      await trajectory.finish();
      return { status, waitedS };
    }),
  );
  const served = ends.filter(({ status }) => status === CallStatus.CALL_STATUS_OK).length;
  const longestS = Math.max(...ends.map(({ waitedS }) => waitedS));
  t.diagnostic(`${proxy.failed} requests failed, ${watch.count("create")} containers made`);
  t.diagnostic(`${served} of ${TRAJECTORIES} calls OK, the others NOT_STARTED; longest wait ${longestS.toFixed(1)} s`);
  assert.ok(proxy.failed > 0, "no request failed");
  assert.ok(served > 0, "no call was served");
  failing = false;
  const after = await live.open({ trajectoryId: "after" });
  assert.equal((await after.bash("echo well again")).output, "well again");
});
