// Row 8: the Docker daemon fails to create or start containers in 30% of cases: starts are tried again, waiting is
// bounded, every call ends OK or NOT_STARTED, and nothing is left behind. Nor is it when the daemon cannot remove what a
// failed start made, or makes a container and does not say so.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { Random } from "../../src/load/random.js";
import { CheckedTrajectory } from "../support/checked-trajectory.js";
import { ContainerWatch, containersOf, startDocker } from "../support/docker-engine.js";
import { DockerProxy, type Fails } from "../support/docker-proxy.js";
import { bySize } from "../support/suite-size.js";

const TRAJECTORIES = bySize(12, 60);
const SHARE = 0.3;
const SEED = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);
const QUEUE_S = 60;

/** A proxy that services started from now on find as their daemon. */
async function proxied(t: TestContext, fails: Fails): Promise<DockerProxy> {
  const proxy = await DockerProxy.start(fails);
  const hostBefore = process.env.DOCKER_HOST;
  process.env.DOCKER_HOST = proxy.host;
  t.after(() => {
    if (hostBefore === undefined) delete process.env.DOCKER_HOST;
    else process.env.DOCKER_HOST = hostBefore;
  });
  return proxy;
}

test(`container creation fails in 30% of cases (FAULT_SEED=${SEED})`, async (t) => {
  const random = new Random(SEED);
  let failing = false;
  const proxy = await proxied(t, (method, path) => {
    const concerned = method === "POST" && /^\/containers\/(create|\w+\/start)$/.test(path);
    return failing && concerned && random.chance(SHARE);
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

for (const { what, made } of [
  { what: "is not started", made: /^\/containers\/\w+\/start$/ },
  { what: "is made without an answer", made: /^\/containers\/create$/ },
]) {
  test(`a container that ${what} and cannot be removed at once goes as soon as it can, while the server serves`, async (t) => {
    let [starts, removals] = [0, 0];
    const proxy = await proxied(t, (method, path) => {
      if (method === "POST" && made.test(path)) {
        starts += 1;
        // The server's first one has to work.
        if (starts === 2) return path.endsWith("/create") ? "unanswered" : true;
      }
      if (starts === 2 && method === "DELETE") {
        removals += 1;
        if (removals <= 2) return true;
      }
      return false;
    });
    const pool = { slots_per_container: 1, min_containers: 1, max_containers: 2 };
    const live = await startDocker(t, pool);
    t.after(() => proxy.close());
    const watch = await ContainerWatch.of(t, live.instance);
    const [first, second] = await Promise.all(["a", "b"].map((trajectoryId) => live.open({ trajectoryId })));
    assert.ok(first && second);
    const [one, two] = await Promise.all([first.bash("echo one"), second.bash("echo two")]);
    assert.deepEqual([one.output, two.output], ["one", "two"]);
    await watch.until(() => watch.count("destroy") === 1);
    assert.equal(proxy.failed, 3);
    assert.equal((await containersOf(live.instance)).length, 2);
  });
}
