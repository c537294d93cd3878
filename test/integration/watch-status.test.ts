// WatchStatus of a real server, through the client library.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type StatusSample, SwitchyardClient } from "../../src/client/index.js";
import { startLive } from "../support/live-service.js";

const POOL = { pools: { default: { slots_per_container: 2, max_containers: 1 } } };

async function until(samples: AsyncIterable<StatusSample>, holds: (sample: StatusSample) => boolean) {
  for await (const sample of samples) if (holds(sample)) return sample;
  return assert.fail("the samples ended");
}

test("a watcher sees pools, counters and trajectories change, and the end of the server", async (t) => {
  const live = await startLive("process", POOL);
  t.after(() => live.close());
  const client = new SwitchyardClient(live.address);
  t.after(() => client.close());
  const watch = (signal?: AbortSignal) =>
    client.watchStatus({ intervalMs: 100, trajectoriesMax: 10, ...(signal && { signal }) });

  const idle = await until(watch(), () => true);
  assert.deepEqual([idle.trajectoriesTotal, idle.trajectories, idle.status.streams], [0, [], 0]);
  assert.deepEqual(
    idle.status.pools.map(({ name, slotsTotal, slotsReady }) => ({ name, slotsTotal, slotsReady })),
    [{ name: "default", slotsTotal: 2, slotsReady: 2 }],
  );

  const trajectory = await client.open({ trajectoryId: "watched", group: "g" });
  const stop = new AbortController();
  const running = trajectory.call("bash", { command: "echo begun; read < /dev/zero" }, { signal: stop.signal });
  const busy = await until(watch(), ({ trajectories }) => trajectories[0]?.callsRunning === 1);
  const [seen] = busy.trajectories;
  assert(seen);
  const { trajectoryId, pool, group, attached, callsTotal, slotGeneration, leaseLeftMs } = seen;
  assert.deepEqual(
    { trajectoryId, pool, group, attached, callsTotal, slotGeneration, leaseLeftMs },
    {
      ...{ trajectoryId: "watched", pool: "default", group: "g", attached: true },
      ...{ callsTotal: 1, slotGeneration: 1, leaseLeftMs: undefined },
    },
  );
  assert.deepEqual([busy.status.streams, busy.status.trajectories, busy.status.batchedCalls], [1, 1, 1]);
  stop.abort();
  assert.equal((await running).status, "CANCELLED");
  await trajectory.close();
  const after = await until(watch(), ({ trajectories }) => trajectories[0]?.attached === false);
  assert.equal(after.trajectories[0]?.slotGeneration, 0);
  assert((after.trajectories[0]?.leaseLeftMs ?? 0) > 100_000);

  const left = new AbortController();
  await assert.rejects(
    until(watch(left.signal), () => {
      left.abort(new Error("enough"));
      return false;
    }),
    /enough/,
  );
  let closing: Promise<void> | undefined;
  const last = until(watch(), () => {
    closing ??= live.close();
    return false;
  });
  await assert.rejects(last, { reason: "SHUTTING_DOWN", code: "UNAVAILABLE" });
  await closing;
});

test("a client that is closed ends its watches", async (t) => {
  const live = await startLive("process", POOL);
  t.after(() => live.close());
  const client = new SwitchyardClient(live.address);
  const watched = until(client.watchStatus({ intervalMs: 100 }), () => {
    client.close();
    return false;
  });
  await assert.rejects(watched, { reason: "CLOSED" });
});

test("an interval that is no time at all is refused before it is sent", async (t) => {
  const client = new SwitchyardClient("127.0.0.1:9");
  t.after(() => client.close());
  assert.throws(() => client.watchStatus({ intervalMs: -1 }), { reason: "INVALID_FIELD" });
});
