// The pool on the real daemon: it grows to its maximum and not beyond, shrinks when idle, and carries many trajectories.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { ContainerWatch, containersOf, onlyContainerOf, startDocker } from "../support/docker-engine.js";

test("grows on demand to max_containers, never above, and idle containers go", async (t) => {
  const live = await startDocker(t, { slots_per_container: 2, min_containers: 1, max_containers: 3, idle_ttl_s: 1 });
  const watch = await ContainerWatch.of(t, live.instance);
  const first = await onlyContainerOf(live.instance);
  const streams = await Promise.all(
    Array.from({ length: 8 }, (_, index) => live.open({ trajectoryId: `t${index}`, acquireSlot: true })),
  );
  const served = new Set<number>();
  let sixServed: () => void = () => undefined;
  const six = new Promise<void>((resolve) => {
    sixServed = resolve;
  });
  const results = streams.map(async (stream, index) => {
    const result = await stream.bash("true");
    served.add(index);
    if (served.size === 6) sixServed();
    return result;
  });
  await six;
  const [full] = (await live.status()).pools;
  assert.equal(full?.containers, 3);
  assert.equal(full?.slotsLeased, 6);
  assert.equal(full?.waiting, 2);
  assert.equal((await containersOf(live.instance)).length, 3);

  // The two that wait are served as soon as others leave.
  await Promise.all([...served].slice(0, 2).map((index) => streams[index]?.halfClose()));
  for (const { status } of await Promise.all(results)) assert.equal(status, CallStatus.CALL_STATUS_OK);
  await Promise.all(streams.map((stream) => stream.halfClose()));

  await watch.until((seen) => seen.count("destroy") === 2);
  assert.equal(watch.mostAtOnce(1), 3);
  assert.equal((await containersOf(live.instance)).length, 1);
  const last = await live.open({ trajectoryId: "last" });
  assert.equal((await last.bash("echo hi")).output, "hi");
  assert.equal(watch.count("create"), 2, `only two beside ${first.id} were ever needed`);
});

// The longer one is long enough for calls to meet in it on a busy machine, too.
for (const windowMs of [100, 0]) {
  test(`200 trajectories on 20 slots, 5 calls each, window ${windowMs} ms: 1,000 results, each once`, async (t) => {
    const pool = { slots_per_container: 10, min_containers: 2, max_containers: 2 };
    const live = await startDocker(t, pool, { batch: { window_ms: windowMs } });
    const seen: string[] = [];
    const beganMs = performance.now();
    await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const stream = await live.open({ trajectoryId: `t${index}` });
        const ids = Array.from({ length: 5 }, (_, call) => `t${index}-${call}`);
        await Promise.all(
          ids.map(async (uniqId) => {
            const { status, output, error } = await stream.bash(`echo ${uniqId} >> log; cat log`, { uniqId });
            assert.equal(status, CallStatus.CALL_STATUS_OK, error);
            // In order, in its own workspace, and run once.
            assert.equal(output, ids.slice(0, ids.indexOf(uniqId) + 1).join("\n"));
          }),
        );
        assert.equal(await stream.halfClose(), undefined);
        for (const frame of stream.frames) if (frame.$case === "result") seen.push(frame.value.uniqId);
      }),
    );
    const tookS = (performance.now() - beganMs) / 1000;
    assert.equal(seen.length, 1000);
    assert.equal(new Set(seen).size, 1000);
    const { totalRequests, totalErrors, batches, meanBatchSize, pools } = await live.status();
    assert.equal(totalRequests, 1000n);
    assert.equal(totalErrors, 0n);
    assert.equal(pools[0]?.containers, 2);
    t.diagnostic(`window ${windowMs} ms: mean batch size ${meanBatchSize.toFixed(2)}, ${tookS.toFixed(1)} s`);
    if (windowMs === 0) return;
    // Each of the two containers gets one batch a window at most, however fast the machine is.
    assert.ok(Number(batches) <= 2 * ((1000 * tookS) / windowMs + 1), `${batches} batches in ${tookS} s`);
    assert.ok(meanBatchSize > 1.5, `mean batch size ${meanBatchSize}`);
  });
}

test("a long call delays none of the nine others in its container that have the same timeout", async (t) => {
  const live = await startDocker(t, { slots_per_container: 10, min_containers: 1, max_containers: 1 });
  const timeout = { seconds: 60n, nanos: 0 };
  const sleeper = await live.open({ trajectoryId: "sleeper" });
  const order: string[] = [];
  const asleep = sleeper.bash("sleep 20", { timeout, uniqId: "sleep" }).then((result) => {
    order.push("sleeper");
    return result;
  });
  await Promise.all(
    Array.from({ length: 9 }, async (_, index) => {
      const stream = await live.open({ trajectoryId: `t${index}` });
      for (let call = 0; call < 30; call += 1) {
        assert.equal((await stream.bash("true", { timeout })).status, CallStatus.CALL_STATUS_OK);
      }
      order.push("other");
    }),
  );
  const { status } = await asleep;
  assert.equal(status, CallStatus.CALL_STATUS_OK);
  assert.deepEqual(order, [...Array<string>(9).fill("other"), "sleeper"]);
});
