// The Docker daemon itself is restarted under a server: with live-restore its containers live on and the links begin anew;
// without, all of them are lost and the pool fills again. Either way nothing hangs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { eventually, newInstance } from "../support/docker-engine.js";
import { SecondDaemon } from "../support/second-daemon.js";
import { ServerProcess } from "../support/server-process.js";

const POOL = { slots_per_container: 4, max_containers: 1 };

test("with live-restore the trajectories go on", async (t) => {
  const daemon = await SecondDaemon.start(t, "--live-restore");
  const settings = { instance: newInstance(), pools: { default: POOL } };
  const server = new ServerProcess(t, settings, { env: { DOCKER_HOST: daemon.host } });
  const stream = await server.open(t, { trajectoryId: "a" });
  await stream.bash("echo kept > file");
  const running = stream.bash("echo once >> runs; sleep 2; echo done");
  const other = await server.open(t, { trajectoryId: "b" });
  await other.bash("true");
  const before = await daemon.docker.listContainers();
  await daemon.down();
  await daemon.up();
  if ((await running).output !== "done") console.log(await running, (await server.kill("SIGTERM")).stderr);
  assert.equal((await running).output, "done");
  assert.equal((await stream.bash("cat file runs")).output, "kept\nonce");
  const after = await daemon.docker.listContainers();
  assert.deepEqual(
    after.map(({ Id }) => Id),
    before.map(({ Id }) => Id),
  );
  assert.equal((await server.kill("SIGTERM")).code, 0);
  assert.deepEqual(await daemon.docker.listContainers({ all: true }), []);
});

test("without live-restore calls are LOST, slots are lost, and another container comes", async (t) => {
  const daemon = await SecondDaemon.start(t);
  const settings = { instance: newInstance(), pools: { default: POOL } };
  const server = new ServerProcess(t, settings, { env: { DOCKER_HOST: daemon.host } });
  const stream = await server.open(t, { trajectoryId: "a" });
  await stream.bash("echo gone > file");
  const running = stream.bash("sleep 100; true");
  const queued = stream.bash("echo never");
  const other = await server.open(t, { trajectoryId: "b" });
  await other.bash("true");
  await daemon.down();
  await daemon.up();
  assert.equal((await running).status, CallStatus.CALL_STATUS_LOST);
  assert.equal((await queued).status, CallStatus.CALL_STATUS_NOT_STARTED);
  await stream.first("slotLost");
  const anew = await eventually("a call runs again", async () => {
    const result = await stream.bash("ls -A; echo up");
    return result.status === CallStatus.CALL_STATUS_OK ? result : undefined;
  });
  assert.equal(anew?.output, "up");
  assert.equal((await server.kill("SIGTERM")).code, 0);
});
