// Containers that outlived their server, in the pool of the next one; and those that a pool leaves to the next.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AdoptedSlot } from "../../src/backend/backend.js";
import type { PoolLimits } from "../../src/pool/limits.js";
import { Pool } from "../../src/pool/pool.js";
import type { LeasedSlot } from "../../src/pool/slot.js";
import { FakeBackend, type FakeBehaviour, type FakeSlot, SILENT } from "../support/fake-backend.js";
import { FakeClock, settled } from "../support/fake-clock.js";
import { bindingOf } from "../support/outcomes.js";

/** As an earlier server left a slot: a trajectory's, nobody's, or died, with a trajectory's lease or none. */
type Left = "leased" | "free" | "dead" | "leased, dead";

const STATES: Record<Left, FakeSlot> = { leased: "leased", free: "clean", dead: "closed", "leased, dead": "closed" };

function setUp(limits: Partial<PoolLimits> = {}, behaviour: Partial<FakeBehaviour> = {}) {
  const clock = new FakeClock();
  const backend = new FakeBackend(clock, { slots: 2, ...behaviour });
  const all = { slotsPerContainer: 2, minContainers: 0, maxContainers: 2, ...limits };
  const pool = new Pool({ name: "p", backend, clock, log: SILENT, limits: all });
  const lost: string[] = [];
  const adopt = (id: string, left: readonly Left[], outdated = false) => {
    const container = backend.found(
      id,
      left.map((it) => STATES[it]),
    );
    const slots = left.map((it, index): AdoptedSlot => {
      const open = it === "leased" || it === "free";
      if (!it.startsWith("leased")) return { open };
      return { open, lease: { binding: bindingOf(`${id}:${index}`), calls: [] } };
    });
    const leased = pool.adopt({ pool: "p", container, outdated, slots });
    for (const slot of leased) slot?.onLost((why) => lost.push(`${slot.id} ${why.message}`));
    return { container, leased, held: leased.filter((slot) => slot !== undefined) };
  };
  const started = async () => {
    const up = pool.start();
    await clock.advance(1000);
    await up;
  };
  const acquired = async (): Promise<LeasedSlot> => {
    const slot = pool.acquire({ group: "" });
    await clock.advance(1000);
    const granted = await slot;
    granted.bind(bindingOf(`new in ${granted.id}`));
    return granted;
  };
  return { clock, backend, pool, adopt, started, acquired, lost };
}

function only<T>(items: readonly T[]): T {
  const [item, ...others] = items;
  assert(item !== undefined && others.length === 0);
  return item;
}

describe("a container that is taken over", () => {
  test("keeps its leased slots, and its free ones serve", async () => {
    const { backend, pool, adopt, started, acquired, lost } = setUp({ minContainers: 1 });
    const { leased } = adopt("old", ["leased", "free"]);
    assert.deepEqual(
      leased.map((slot) => slot?.id),
      ["old:0", undefined],
    );
    await started();
    assert.equal(backend.starts, 0, "it counts as one that serves");
    const { isolation, containers, slotsLeased, slotsReady } = pool.status();
    assert.deepEqual([isolation, containers, slotsLeased, slotsReady], ["none", 1, 1, 1]);
    assert.equal((await acquired()).id, "old:1");
    assert.deepEqual([lost, backend.violations], [[], []]);
  });

  test("a slot that comes back is wiped before the next trajectory gets it", async () => {
    const { backend, pool, adopt, started, acquired, clock } = setUp({ maxContainers: 1 });
    const { container, held } = adopt("old", ["leased", "leased"]);
    await started();
    const [slot] = held;
    assert(slot);
    const released = pool.release(slot);
    await clock.advance(4);
    assert.deepEqual(container.states, ["closing", "leased"]);
    assert.equal((await acquired()).id, "old:0");
    assert.equal(await released, true);
    assert.throws(() => slot.bind(bindingOf("stale")), { reason: "SLOT_CHANGED" });
    assert.deepEqual(backend.violations, []);
  });

  test("dead slots: the free one is opened anew, the holder of the leased one is told, then it is too", async () => {
    const { backend, pool, adopt, started, acquired, lost } = setUp({ maxContainers: 1 });
    const { container, held } = adopt("old", ["dead", "leased, dead"]);
    assert.deepEqual([lost, container.states], [[], ["closed", "closed"]], "nothing happens before the start");
    await started();
    assert.deepEqual(lost, ["old:1 its sandbox died"]);
    assert.deepEqual(container.states, ["clean", "clean"]);
    assert.equal(await pool.release(only(held)), true);
    assert.deepEqual(new Set([(await acquired()).id, (await acquired()).id]), new Set(["old:0", "old:1"]));
    assert.deepEqual([backend.starts, backend.violations], [0, []]);
  });

  test("whose dead slot cannot be opened again retires after its leases", async () => {
    const onOpen = () => {
      throw new Error("no room");
    };
    const { backend, pool, adopt, started, clock } = setUp({}, { onOpen });
    const { held } = adopt("old", ["dead", "leased"]);
    await started();
    assert.deepEqual(
      [...backend.containers].map(({ id }) => id),
      ["old"],
    );
    void pool.release(only(held));
    await clock.advance(1000);
    assert.equal(backend.containers.size, 0);
  });

  test("that dies tells the holders of its slots, also before the start", async () => {
    for (const early of [true, false]) {
      const { backend, adopt, started, lost } = setUp();
      const { container } = adopt("old", ["leased", "free"]);
      if (!early) await started();
      container.kill();
      await settled();
      if (early) await started();
      assert.deepEqual(lost, ["old:0 container died"]);
      await backend.clock.advance(1000);
      assert.equal(backend.containers.size, 0);
    }
  });

  test("with nothing in it ends when it was idle for long enough", async () => {
    const { backend, adopt, started, clock } = setUp({ idleTtlS: 60 });
    adopt("old", ["free", "free"]);
    await started();
    await clock.advance(58_000);
    assert.equal(backend.containers.size, 1);
    await clock.advance(3_000);
    assert.equal(backend.containers.size, 0);
  });
});

describe("a container that was made for other settings", () => {
  test("takes no new trajectory, and ends with its last lease", async () => {
    const { backend, pool, adopt, started, acquired, clock, lost } = setUp({ minContainers: 1 });
    const { held } = adopt("old", ["leased", "free"], true);
    await started();
    assert.equal(backend.starts, 1, "it does not count as one that serves");
    assert.equal((await acquired()).id, "c1:0");
    const { containers, slotsLeased, slotsReady } = pool.status();
    assert.deepEqual([containers, slotsLeased, slotsReady], [2, 2, 1]);
    await clock.advance(3_600_000);
    assert.deepEqual(lost, []);
    assert.equal(await release(only(held)), true);
    await clock.advance(1000);
    assert.deepEqual(
      [...backend.containers].map(({ id }) => id),
      ["c1"],
    );
    assert.deepEqual(backend.violations, []);

    function release(slot: LeasedSlot) {
      const released = pool.release(slot);
      return clock.advance(1000).then(() => released);
    }
  });

  test("without a lease it ends at once, its dead slots too", async () => {
    for (const left of [
      ["free", "free"],
      ["dead", "free"],
      ["dead", "dead"],
    ] as const) {
      const { backend, adopt, started } = setUp();
      adopt("old", left, true);
      await started();
      assert.deepEqual([backend.containers.size, backend.violations], [0, []], String(left));
    }
  });
});

test("more containers than allowed are kept, but no more are started", async () => {
  const { backend, pool, adopt, started, clock } = setUp({ maxContainers: 1 });
  const holders = ["a", "b", "c"].flatMap((id) => adopt(id, ["leased", "leased"]).held);
  await started();
  void pool.acquire({ group: "" }).catch(() => undefined);
  await clock.advance(5000);
  assert.deepEqual([backend.starts, pool.status().containers, pool.status().waiting], [0, 3, 1]);
  assert.equal(holders.length, 6);
  const [first] = holders;
  assert(first);
  void pool.release(first);
  await clock.advance(5000);
  assert.equal(pool.status().waiting, 0);
});

describe("leave", () => {
  test("leaves the containers that trajectories live in, as they are, and destroys the rest", async () => {
    const { backend, pool, adopt, started, acquired, clock, lost } = setUp({ minContainers: 2, maxContainers: 4 });
    const { container } = adopt("old", ["leased", "free"]);
    await started();
    await acquired();
    const mine = await acquired();
    assert.equal(mine.id, "c1:0");
    const { held } = adopt("idle", ["free", "free"]);
    assert.deepEqual(held, []);
    const left = pool.leave();
    await clock.advance(5000);
    await left;
    assert.deepEqual(
      [...backend.containers].map(({ id }) => id),
      ["old", "c1"],
    );
    assert.deepEqual([container.left, container.states], [true, ["leased", "leased"]]);
    assert.deepEqual([lost, backend.violations, clock.timers], [[], [], 0]);
    mine.bind(bindingOf("new in c1:0", { streamEpoch: 2 }));
    await assert.rejects(pool.acquire({ group: "" }), { reason: "SHUTTING_DOWN" });
  });

  test("waiters are rejected, and a container on its way up goes", async () => {
    const { backend, pool, started, clock } = setUp();
    await started();
    const waiter = assert.rejects(pool.acquire({ group: "" }), { reason: "SHUTTING_DOWN" });
    await clock.advance(100);
    const left = pool.leave();
    await clock.advance(5000);
    await Promise.all([left, waiter]);
    assert.equal(backend.containers.size, 0);
  });

  test("a container that cannot live without its server ends with it, and its holders are told", async () => {
    const { backend, pool, adopt, started, clock, lost } = setUp({}, { outlives: false });
    adopt("old", ["leased", "free"]);
    await started();
    const left = pool.leave();
    await clock.advance(5000);
    await left;
    assert.equal(backend.containers.size, 0);
    assert.match(only(lost), /^old:0 .*shutting down/);
  });

  test("one that is lost already is not left to anyone", async () => {
    const { backend, pool, adopt, clock } = setUp();
    const { container } = adopt("old", ["leased", "free"]);
    container.kill();
    await settled();
    const left = pool.leave();
    await clock.advance(5000);
    await left;
    assert.deepEqual([container.left, backend.containers.size], [false, 0]);
  });
});
