// Row 2: a network that swallows everything, in both directions or in one: client and server each find out by their own
// keepalive, and the slot is kept for its lease.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CheckedTrajectory, ownService } from "../support/checked-trajectory.js";
import { type Direction, FaultProxy } from "../support/fault-proxy.js";
import { startLive } from "../support/live-service.js";
import { livingAre, uniqueSleep } from "../support/processes.js";
import { bySize } from "../support/suite-size.js";

/** The whole suite has the server's defaults. */
const [INTERVAL_S, TIMEOUT_S] = bySize([1, 1], [30, 10]);
const CLIENT = {
  "grpc.keepalive_time_ms": INTERVAL_S * 1000,
  "grpc.keepalive_timeout_ms": TIMEOUT_S * 1000,
};
const HOLES: readonly (readonly Direction[])[] = [["up", "down"], ["up"], ["down"]];

test("both sides notice, the call runs on in its slot, and its result comes with the next stream", async (t) => {
  const live = await startLive("process", {
    keepalive: { interval_s: INTERVAL_S, timeout_s: TIMEOUT_S },
    pools: { default: { slots_per_container: HOLES.length, max_containers: 1 } },
  });
  t.after(() => live.close());
  await Promise.all(
    HOLES.map(async (directions) => {
      const proxy = await FaultProxy.start(live.address);
      const service = ownService(proxy.address, CLIENT);
      const word = uniqueSleep(INTERVAL_S + TIMEOUT_S + 1);
      const trajectory = new CheckedTrajectory(service, { trajectoryId: directions.join("."), resumeToken: "secret" });
      const result = trajectory.call("through", `sleep ${word}`, { timeout: { seconds: 120n, nanos: 0 } });
      await livingAre(word, 1);
      const stream = await trajectory.stream();
      const [connection] = proxy.connections;
      assert.ok(connection);
      proxy.blackHole(directions);
      const beganMs = performance.now();
      const tookS = () => ((performance.now() - beganMs) / 1000).toFixed(1);
      const noticed = await Promise.all([
        stream.ended.then((failure) => assert.ok(failure, "the stream ended OK")).then(tookS),
        connection.closedBy.server.then(tookS),
      ]);
      t.diagnostic(`swallowed ${directions.join(" and ")}: client ${noticed[0]} s, server ${noticed[1]} s`);
      assert.equal((await live.status()).pools[0]?.slotsLeased, HOLES.length);
      proxy.heal();
      assert.equal((await result).slotGeneration, 1);
      await trajectory.check();
      // What only the way down swallows may have opened a stream that the client heard nothing of.
      assert.ok(trajectory.log.opens >= 2);
      await trajectory.finish();
      service.close();
      await proxy.close();
    }),
  );
});
