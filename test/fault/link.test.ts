// The link to a runner breaks while the runner lives: it is begun anew, and nothing is lost.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { containersOf, newInstance, onlyContainerOf, removeContainersOf } from "../support/docker-engine.js";
import { DockerProxy } from "../support/docker-proxy.js";
import { ServerProcess } from "../support/server-process.js";

async function behindProxy(t: TestContext) {
  const proxy = await DockerProxy.start();
  t.after(() => proxy.close());
  const instance = newInstance();
  t.after(() => removeContainersOf(instance));
  const settings = { instance, pools: { default: { slots_per_container: 4, max_containers: 1 } } };
  const server = new ServerProcess(t, settings, { env: { DOCKER_HOST: proxy.host } });
  await server.ready;
  return { proxy, server, instance };
}

test("links cut again and again under calls: each runs once, each has its own result, no slot is lost", async (t) => {
  const { proxy, server, instance } = await behindProxy(t);
  const container = await onlyContainerOf(instance);
  const streams = await Promise.all(["a", "b", "c", "d"].map((trajectoryId) => server.open(t, { trajectoryId })));
  let calling = true;
  const cutting = (async () => {
    for (const links = streams[0]; calling && links; ) {
      await links.bash("sleep 0.1", { uniqId: `pace${proxy.cuts}` });
      proxy.cutLinks();
    }
  })();
  await Promise.all(
    streams.slice(1).map(async (stream, at) => {
      for (let round = 0; round < 60; round += 1) {
        const text = `${at}-${round}-${"x".repeat(round * 100)}`;
        const result = await stream.bash(`echo ${round} >> runs; sleep 0.0${round % 10}; echo ${text}`);
        assert.equal(result.status, CallStatus.CALL_STATUS_OK, result.error);
        assert.equal(result.output, text);
      }
      const runs = (await stream.bash("cat runs")).output.split("\n").map(Number);
      assert.deepEqual(runs, [...Array(60).keys()]);
    }),
  );
  calling = false;
  await cutting;
  t.diagnostic(`${proxy.cuts} links were cut`);
  assert(proxy.cuts >= 10, `only ${proxy.cuts} cuts`);
  assert(streams.every((stream) => stream.frames.every(({ $case }) => $case !== "slotLost")));
  assert.deepEqual(await containersOf(instance), [container.id]);
  assert.equal((await server.kill("SIGTERM")).code, 0);
});

test("a daemon that cannot be reached for a while: calls run on, and their results come when it is back", async (t) => {
  const { proxy, server, instance } = await behindProxy(t);
  const stream = await server.open(t, { trajectoryId: "a" });
  await stream.bash("echo kept > file");
  const running = stream.bash("sleep 1; echo done");
  const queued = stream.bash("cat file");
  const other = await server.open(t, { trajectoryId: "b" });
  await other.bash("true");
  proxy.goAway();
  // Handed to the link while there is none: it arrives once there is one.
  const meanwhile = other.bash("echo came through");
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  proxy.comeBack();
  assert.equal((await running).output, "done");
  assert.equal((await queued).output, "kept");
  assert.equal((await meanwhile).output, "came through");
  assert.equal((await containersOf(instance)).length, 1);
  assert.equal((await server.kill("SIGTERM")).code, 0);
});
