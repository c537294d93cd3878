// Row 6: SIGTERM to a server with a thousand open streams: every client is told, running calls finish, exit 0 in time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { ownService } from "../support/checked-trajectory.js";
import { livingAre, uniqueSleep } from "../support/processes.js";
import { ServerProcess } from "../support/server-process.js";
import { TrajectoryClient } from "../support/trajectory-client.js";

const STREAMS = 1000;
/** A connection takes 500. */
const CONNECTIONS = 4;
const RUNNING = 10;
const GRACE_S = 20;

test(`SIGTERM with ${STREAMS} open streams`, async (t) => {
  const pools = { default: { slots_per_container: RUNNING, max_containers: 1 } };
  const server = new ServerProcess(
    t,
    { pools, shutdown: { grace_s: GRACE_S }, log: { level: "error" } },
    { backend: "process" },
  );
  const { address } = await server.ready;
  const services = Array.from({ length: CONNECTIONS }, () => ownService(address));
  t.after(() => {
    for (const service of services) service.close();
  });
  const streams = await Promise.all(
    Array.from({ length: STREAMS }, (_, at) => {
      const service = services[at % CONNECTIONS];
      assert.ok(service);
      return TrajectoryClient.open(service, { trajectoryId: `t${at}` });
    }),
  );
  const word = uniqueSleep(4);
  const busy = streams.slice(0, RUNNING);
  const running = busy.map((stream) => stream.bash(`sleep ${word}; echo done`));
  const queued = busy.map((stream) => stream.bash("echo never"));
  await livingAre(word, RUNNING);

  const beganMs = performance.now();
  const exited = server.kill("SIGTERM");
  const told = await Promise.all(streams.map((stream) => stream.first("goAway")));
  const toldMs = performance.now() - beganMs;
  for (const { reconnectAfter } of told) assert.ok(reconnectAfter, "a go_away says when to come back");
  for (const { status, output } of await Promise.all(running)) {
    assert.deepEqual([status, output], [CallStatus.CALL_STATUS_OK, "done"]);
  }
  for (const { status } of await Promise.all(queued)) assert.equal(status, CallStatus.CALL_STATUS_NOT_STARTED);
  await Promise.all(streams.map(({ ended }) => ended));
  const { code, signal, stderr } = await exited;
  const tookMs = performance.now() - beganMs;
  assert.deepEqual([code, signal, stderr], [0, null, ""]);
  assert.ok(tookMs < GRACE_S * 1000, `the end took ${Math.round(tookMs)} ms`);
  t.diagnostic(`go_away to all after ${Math.round(toldMs)} ms, exit 0 after ${Math.round(tookMs)} ms`);
});
