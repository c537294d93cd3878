import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { messageOf, SwitchyardError } from "../../src/core/errors.js";
import { Random } from "../../src/load/random.js";
import type { PoolLimits } from "../../src/pool/limits.js";
import { Pool } from "../../src/pool/pool.js";
import type { LeasedSlot } from "../../src/pool/slot.js";
import { FakeBackend, type FakeBehaviour, type FakeContainer, SILENT } from "../support/fake-backend.js";
import { FakeClock, settled } from "../support/fake-clock.js";
import { bindingOf } from "../support/outcomes.js";

const HOUR_MS = 3_600_000;

function setUp(limits: Partial<PoolLimits> = {}, behaviour: Partial<FakeBehaviour> = {}) {
  const clock = new FakeClock();
  const slots = limits.slotsPerContainer ?? 2;
  const backend = new FakeBackend(clock, { slots, ...behaviour });
  const all = { slotsPerContainer: slots, minContainers: 1, maxContainers: 2, ...limits };
  const pool = new Pool({ name: "p", backend, clock, log: SILENT, limits: all });
  let trajectories = 0;
  /** Acquires, binds, and notes what came of it. */
  const acquire = (group = "", signal?: AbortSignal) => {
    const ask: { slot?: LeasedSlot; error?: unknown; lost: string[] } = { lost: [] };
    pool.acquire({ group, ...(signal ? { signal } : {}) }).then(
      (slot) => {
        trajectories += 1;
        slot.bind(bindingOf(`t${trajectories}`));
        slot.onLost((why) => ask.lost.push(why.message));
        ask.slot = slot;
      },
      (error: unknown) => {
        ask.error = error;
      },
    );
    return ask;
  };
  const started = async () => {
    const up = pool.start();
    await clock.advance(1000);
    await up;
  };
  const got = (ask: { slot?: LeasedSlot }) => ask.slot ?? assert.fail("has no slot");
  const container = (index = 0): FakeContainer =>
    [...backend.containers][index] ?? assert.fail(`no container ${index}`);
  return { clock, backend, pool, acquire, started, got, container };
}

function reasonOf(ask: { error?: unknown }): string {
  return ask.error instanceof SwitchyardError ? ask.error.reason : `no error of ours: ${ask.error}`;
}

function ids(backend: FakeBackend): string[] {
  return [...backend.containers].map(({ id }) => id);
}

/** True at the calls of these numbers, counted from 1. */
function atCalls(...numbers: number[]): () => boolean {
  let calls = 0;
  return () => {
    calls += 1;
    return numbers.includes(calls);
  };
}

function failing(why: () => boolean, message = "no such image") {
  return () => {
    if (why()) throw new SwitchyardError("BACKEND_UNAVAILABLE", message);
  };
}

describe("start", () => {
  test("resolves when the minimum is up, with every slot open", async () => {
    const { pool, backend, started } = setUp({ minContainers: 2 });
    await started();
    assert.equal(backend.starts, 2);
    assert.deepEqual(pool.status(), {
      name: "p",
      backend: "process",
      isolation: "none",
      containers: 2,
      slotsTotal: 4,
      slotsLeased: 0,
      slotsReady: 4,
      waiting: 0,
    });
  });

  test("with a minimum of 0 nothing starts until somebody asks", async () => {
    const { clock, backend, acquire, started, got } = setUp({ minContainers: 0 });
    await started();
    assert.equal(backend.starts, 0);
    const ask = acquire();
    await clock.advance(505);
    assert.equal(got(ask).id, "c1:0");
  });

  for (const [what, behaviour] of [
    ["a container", { onStart: failing(() => true) }],
    ["a slot", { onOpen: failing(() => true) }],
  ] as const) {
    test(`rejects when ${what} cannot be had, and leaves nothing behind`, async () => {
      const { clock, pool, backend } = setUp({}, behaviour);
      const up = assert.rejects(pool.start(), {
        reason: "BACKEND_UNAVAILABLE",
        message: "pool p: no container could be started: no such image",
      });
      await clock.advance(1000);
      await up;
      assert.equal(backend.containers.size, 0);
      assert.equal(clock.timers, 0);
    });
  }

  for (const [what, limits, behaviour, message] of [
    ["that starts for longer than startTimeoutS", { startTimeoutS: 20 }, { startMs: HOUR_MS }, /start within 20 s/],
    ["none of whose slots opens within slotTimeoutS", { slotTimeoutS: 20 }, { openMs: HOUR_MS }, /answer within 20 s/],
  ] as const) {
    test(`a container ${what} has failed`, async () => {
      const { clock, pool, backend } = setUp(limits, behaviour);
      const up = assert.rejects(pool.start(), { message });
      await clock.advance(21_000);
      await up;
      assert.equal(backend.containers.size, 0);
    });
  }

  test("a container that dies while its slots are opened has failed to start", async () => {
    const { clock, pool, backend, container } = setUp({}, { openMs: 1000 });
    const up = assert.rejects(pool.start(), { message: /container died/ });
    await clock.advance(600);
    container().kill();
    await clock.advance(1000);
    await up;
    assert.equal(backend.containers.size, 0);
  });
});

describe("acquire", () => {
  test("waiters and no free slot: containers start, never more than the maximum", async () => {
    const { clock, pool, backend, acquire, started } = setUp({ maxContainers: 3, startingMax: 2 });
    await started();
    const asks = Array.from({ length: 20 }, () => acquire());
    await clock.advance(10_000);
    assert.equal(asks.filter(({ slot }) => slot).length, 6);
    assert.equal(new Set(asks.flatMap(({ slot }) => (slot ? [slot.id] : []))).size, 6);
    assert.deepEqual([pool.status().containers, pool.status().waiting, backend.peak], [3, 14, 3]);
  });

  test("round robin over groups, first come first served within one", async () => {
    const { clock, pool, acquire, started, got } = setUp({ slotsPerContainer: 1, maxContainers: 1 });
    await started();
    const order: string[] = [];
    const holder = acquire("c");
    const line = ["a1", "a2", "a3", "b1", "c1", "c2"].map((name) => ({ name, ask: acquire(name[0]) }));
    await settled();
    void pool.release(got(holder));
    while (line.length > 0) {
      await clock.advance(50);
      const served = line.findIndex(({ ask }) => ask.slot);
      const [next] = line.splice(served, 1);
      if (!next) break;
      order.push(next.name);
      void pool.release(got(next.ask));
    }
    assert.deepEqual(order, ["a1", "b1", "c1", "a2", "c2", "a3"]);
  });

  test("one that is aborted while it waits leaves the queue with the signal's reason", async () => {
    const { clock, pool, acquire, started, got } = setUp({ slotsPerContainer: 1, maxContainers: 1 });
    await started();
    const holder = acquire();
    const aborter = new AbortController();
    const [impatient, patient] = [acquire("", aborter.signal), acquire()];
    await settled();
    aborter.abort(new SwitchyardError("QUEUE_TIMEOUT", "waited 1 s"));
    await settled();
    assert.equal(reasonOf(impatient), "QUEUE_TIMEOUT");
    assert.equal(pool.status().waiting, 1);
    void pool.release(got(holder));
    await clock.advance(20);
    assert.ok(patient.slot);
    assert.equal(impatient.slot, undefined);
  });

  test("with a signal that was aborted before", async () => {
    const { pool, acquire, started } = setUp();
    await started();
    const ask = acquire("", AbortSignal.abort(new SwitchyardError("TRAJECTORY_ENDED", "released")));
    await settled();
    assert.equal(reasonOf(ask), "TRAJECTORY_ENDED");
    assert.equal(pool.status().slotsLeased, 0);
  });

  test("an abort after the grant has no effect", async () => {
    const { pool, acquire, started } = setUp();
    await started();
    const aborter = new AbortController();
    const ask = acquire("", aborter.signal);
    aborter.abort();
    await settled();
    assert.ok(ask.slot);
    assert.equal(pool.status().slotsLeased, 1);
  });
});

describe("release", () => {
  test("the slot is wiped and opened anew before the next trajectory gets it", async () => {
    const { clock, backend, pool, acquire, started, got, container } = setUp({
      slotsPerContainer: 1,
      maxContainers: 1,
    });
    await started();
    const first = acquire();
    await settled();
    const second = acquire();
    const released = pool.release(got(first));
    await clock.advance(4);
    assert.deepEqual(container().states, ["closing"]);
    await clock.advance(1);
    assert.equal(await released, true);
    assert.deepEqual(container().states, ["closed"]);
    assert.equal(second.slot, undefined);
    await clock.advance(5);
    assert.equal(got(second).id, "c1:0");
    assert.deepEqual(backend.violations, []);
  });

  test("twice is once, and cannot touch the next holder", async () => {
    const { clock, pool, acquire, started, got } = setUp({ slotsPerContainer: 1, maxContainers: 1 });
    await started();
    const first = acquire();
    await settled();
    const releases = [pool.release(got(first)), pool.release(got(first))];
    await clock.advance(10);
    assert.deepEqual(await Promise.all(releases), [true, true]);
    const second = acquire();
    await settled();
    assert.equal(await pool.release(got(first)), true);
    await clock.advance(100);
    assert.deepEqual(second.lost, []);
    assert.equal(pool.status().slotsLeased, 1);
  });

  for (const [what, behaviour] of [
    ["fails", { onClose: failing(() => true, "2 files left") }],
    ["never ends", { closeMs: 1e9 }],
  ] as const) {
    test(`a wipe that ${what}: the slot is quarantined, its container retires and is replaced`, async () => {
      const { clock, backend, pool, acquire, started, got } = setUp(
        { maxContainers: 3, slotsPerContainer: 3, slotTimeoutS: 30 },
        behaviour,
      );
      await started();
      const [bad, neighbour] = [acquire(), acquire()];
      await settled();
      const released = pool.release(got(bad));
      await clock.advance(30_000);
      assert.equal(await released, false);
      await clock.advance(1000);
      assert.deepEqual(ids(backend), ["c1", "c2"]);
      assert.deepEqual(neighbour.lost, []);
      const next = acquire();
      await settled();
      assert.equal(got(next).id, "c2:0");
      const last = pool.release(got(neighbour));
      await clock.advance(31_000);
      assert.equal(await last, false);
      assert.deepEqual(ids(backend), ["c2"]);
    });
  }

  test("wipes under way in a container that retires are finished first", async () => {
    const { clock, backend, pool, acquire, started, got } = setUp({}, { onClose: failing(atCalls(1)) });
    await started();
    const asks = [acquire(), acquire()];
    await settled();
    const bad = pool.release(got(asks[0] ?? {}));
    await clock.advance(3);
    const good = pool.release(got(asks[1] ?? {}));
    await clock.advance(1000);
    assert.deepEqual([await bad, await good], [false, true]);
    assert.deepEqual(ids(backend), ["c2"]);
  });

  test("a slot that cannot be opened anew retires its container; the wipe was verified all the same", async () => {
    const { clock, backend, pool, acquire, started, got } = setUp({}, { onOpen: failing(atCalls(3)) });
    await started();
    const ask = acquire();
    await settled();
    const released = pool.release(got(ask));
    await clock.advance(509);
    assert.equal(await released, true);
    assert.equal(backend.starts, 1, "a failed reopening pauses starts");
    await clock.advance(1000);
    assert.deepEqual(ids(backend), ["c2"]);
    assert.deepEqual([pool.status().containers, pool.status().slotsReady], [1, 2]);
  });
});

describe("a container that dies", () => {
  test("holders learn it at once, and another takes its place", async () => {
    const { clock, backend, pool, acquire, started, got, container } = setUp({ maxContainers: 1 });
    await started();
    const asks = [acquire(), acquire()];
    await settled();
    container().kill();
    await settled();
    assert.deepEqual(
      asks.map(({ lost }) => lost),
      [["container died"], ["container died"]],
    );
    assert.equal(await pool.release(got(asks[0] ?? {})), false);
    const next = acquire();
    await clock.advance(1000);
    assert.equal(got(next).id, "c2:0");
    assert.deepEqual(ids(backend), ["c2"]);
    assert.equal(backend.peak, 1);
  });

  test("during a wipe: the release says false, and nobody gets the slot", async () => {
    const { clock, pool, acquire, started, got, container } = setUp({}, { closeMs: 1000 });
    await started();
    const ask = acquire();
    await settled();
    const released = pool.release(got(ask));
    container().kill();
    assert.equal(await released, false);
    assert.deepEqual(ask.lost, []);
    await clock.advance(2000);
    assert.deepEqual([pool.status().slotsTotal, pool.status().slotsReady], [2, 2]);
  });

  test("a listener that throws does not keep the others from knowing", async () => {
    const { pool, acquire, started, container } = setUp();
    await started();
    const slot = await pool.acquire({ group: "" });
    slot.onLost(() => {
      throw new Error("bug");
    });
    const ask = acquire();
    await settled();
    container().kill();
    await settled();
    assert.deepEqual(ask.lost, ["container died"]);
  });

  test("destroy() is tried until it works, and the container counts until then", async () => {
    const onDestroy = failing(atCalls(1, 2, 3), "engine is away");
    const { clock, backend, acquire, started, got, container } = setUp({ maxContainers: 1 }, { onDestroy });
    await started();
    container().kill();
    await settled();
    const ask = acquire();
    await clock.advance(3000);
    assert.equal(ask.slot, undefined);
    await clock.advance(3000);
    assert.equal(got(ask).id, "c2:0");
    assert.equal(backend.peak, 1);
  });
});

describe("a crowd of slots, one slow after another", () => {
  const CROWD = { slotsPerContainer: 50, maxContainers: 1, slotTimeoutS: 30, startTimeoutS: 20 };

  test("is opened: none counts as hung while others get open", async () => {
    const { clock, pool } = setUp(CROWD, { openMs: 1000, crowded: true });
    const up = pool.start();
    await clock.advance(60_000);
    await up;
    assert.equal(pool.status().slotsReady, 50);
  });

  test("is wiped: the container goes on, and its other trajectories' slots with it", async () => {
    const { clock, backend, pool, acquire, started, got } = setUp(CROWD);
    await started();
    const asks = Array.from({ length: 50 }, () => acquire());
    await settled();
    Object.assign(backend.behaviour, { closeMs: 1000, crowded: true });
    const wiped = Promise.all(asks.slice(1).map((ask) => pool.release(got(ask))));
    await clock.advance(60_000);
    assert.deepEqual(new Set(await wiped), new Set([true]));
    const next = acquire();
    await clock.advance(1000);
    assert.match(got(next).id, /^c1:/);
    assert.deepEqual(asks[0]?.lost, []);
  });
});

describe("a start that fails", () => {
  test("and leaves a container: that is destroyed as soon as it can be, and counts until then", async () => {
    const { clock, backend, acquire, started, got } = setUp(
      { minContainers: 0, maxContainers: 1 },
      { leaves: true, onStart: failing(atCalls(1)), onDestroy: failing(atCalls(1, 2, 3), "engine is away") },
    );
    await started();
    const ask = acquire();
    await clock.advance(600);
    assert.deepEqual(ids(backend), ["c1"]);
    await clock.advance(6000);
    assert.equal(got(ask).id, "c2:0");
    assert.deepEqual(ids(backend), ["c2"]);
    assert.equal(backend.peak, 1);
  });

  test("whose container goes slowly: who waits is served once it is gone", async () => {
    const { clock, acquire, started, got } = setUp(
      { minContainers: 0, maxContainers: 1 },
      { onOpen: failing(atCalls(1)), destroyMs: 10_000 },
    );
    await started();
    const ask = acquire();
    await clock.advance(12_000);
    assert.equal(got(ask).id, "c2:0");
  });
});

describe("a sandbox that dies by itself", () => {
  test("its holder learns it, and the slot is wiped before anyone gets it again", async () => {
    const { clock, backend, pool, acquire, started, got, container } = setUp({ maxContainers: 1 });
    await started();
    const [victim, neighbour] = [acquire(), acquire()];
    await settled();
    container().failSlot(got(victim).index);
    assert.deepEqual([victim.lost, neighbour.lost], [["sandbox died"], []]);
    const next = acquire();
    await clock.advance(10);
    assert.equal(await pool.release(got(victim)), true);
    assert.equal(got(next).id, "c1:0");
    assert.deepEqual(backend.violations, []);
  });

  test("while its neighbours are being opened: it is opened anew", async () => {
    const opened: number[] = [];
    const { clock, pool, container } = setUp({}, { onOpen: (_, slot) => opened.push(slot) });
    const up = pool.start();
    await clock.advance(502);
    container().failSlot(0);
    await clock.advance(3);
    await up;
    assert.equal(pool.status().slotsReady, 1);
    await clock.advance(10);
    assert.equal(pool.status().slotsReady, 2);
    assert.deepEqual(opened, [0, 1, 0]);
  });

  test("while nobody holds it: it is opened anew", async () => {
    const { clock, pool, started, container } = setUp();
    await started();
    container().failSlot(0);
    assert.equal(pool.status().slotsReady, 1);
    await clock.advance(10);
    assert.equal(pool.status().slotsReady, 2);
    assert.deepEqual(container().states, ["clean", "clean"]);
  });
});

describe("starts that fail", () => {
  test("a start that succeeds closes the breaker, and counting begins anew", async () => {
    const limits = { minContainers: 0, failuresMax: 3 };
    const { clock, acquire, container } = setUp(limits, { onStart: failing(atCalls(1, 2, 4, 5)) });
    const first = acquire();
    await clock.until(() => first.slot !== undefined, 10_000);
    container().kill();
    await settled();
    const second = acquire();
    await clock.until(() => second.slot !== undefined, 10_000);
  });

  test("three of ten: everybody is served all the same", async () => {
    const random = new Random(1);
    const onStart = failing(() => random.chance(0.3));
    const { clock, acquire, backend } = setUp({ maxContainers: 5, minContainers: 0 }, { onStart });
    const asks = Array.from({ length: 10 }, () => acquire());
    await clock.until(() => asks.every(({ slot }) => slot), 60_000);
    assert.ok(backend.starts > 5);
    assert.equal(backend.peak, 5);
  });

  test("all of them: waiters fail when the breaker opens, later ones at once, and it heals", async () => {
    let broken = true;
    const { clock, acquire, started } = setUp({ minContainers: 0, failuresMax: 3 }, { onStart: failing(() => broken) });
    await started();
    const asks = [acquire(), acquire(), acquire()];
    await clock.advance(2999);
    assert.deepEqual(
      asks.map(({ error }) => error),
      [undefined, undefined, undefined],
    );
    await clock.advance(1);
    const late = acquire();
    await clock.turn();
    for (const ask of [...asks, late]) {
      assert.equal(reasonOf(ask), "ACQUIRE_FAILED");
      assert.equal(messageOf(ask.error), "Failed to acquire slot: no such image");
    }
    broken = false;
    await clock.advance(2000);
    const lucky = acquire();
    await clock.advance(505);
    assert.ok(lucky.slot);
  });

  test("with one container up waiters go on waiting for it", async () => {
    let broken = false;
    const { clock, pool, acquire, started, got } = setUp({}, { onStart: failing(() => broken) });
    await started();
    broken = true;
    const asks = [acquire(), acquire(), acquire()];
    await clock.advance(60_000);
    assert.deepEqual(
      asks.map(({ error }) => error),
      [undefined, undefined, undefined],
    );
    void pool.release(got(asks[0] ?? {}));
    await clock.advance(10);
    assert.ok(asks[2]?.slot);
  });

  test("for want of isolation: the reason is kept", async () => {
    const onStart = () => {
      throw new SwitchyardError("SANDBOX_UNAVAILABLE", "no user namespaces");
    };
    const { clock, acquire } = setUp({ minContainers: 0, failuresMax: 1 }, { onStart });
    const ask = acquire();
    await clock.advance(1000);
    assert.equal(reasonOf(ask), "SANDBOX_UNAVAILABLE");
  });
});

describe("idle", () => {
  test("containers above the minimum end after idleTtlS", async () => {
    const { clock, backend, pool, acquire, started, got } = setUp({ maxContainers: 3, idleTtlS: 300 });
    await started();
    const asks = Array.from({ length: 6 }, () => acquire());
    await clock.advance(1000);
    for (const ask of asks.slice(1)) void pool.release(got(ask));
    await clock.advance(299_000);
    assert.equal(backend.containers.size, 3);
    await clock.advance(2000);
    assert.deepEqual(ids(backend), ["c1"]);
    await clock.advance(1_000_000);
    assert.equal(backend.containers.size, 1);
    assert.equal(clock.timers, 0);
  });
});

describe("close", () => {
  test("rejects who waits, tells who holds, stops what starts, destroys the rest", async () => {
    const { clock, backend, pool, acquire, started } = setUp({ slotsPerContainer: 1 });
    await started();
    const holder = acquire();
    await settled();
    const waiter = acquire();
    await clock.advance(100);
    assert.equal(backend.starts, 2);
    const closed = pool.close();
    await clock.advance(100);
    await closed;
    const late = acquire();
    await settled();
    assert.deepEqual(holder.lost, ["pool p is shutting down"]);
    assert.equal(messageOf(waiter.error), "Failed to acquire slot: shutting down");
    for (const ask of [waiter, late]) assert.equal(reasonOf(ask), "SHUTTING_DOWN");
    assert.equal(backend.containers.size, 0);
    assert.equal(clock.timers, 0);
    assert.equal(pool.close(), closed);
    await assert.rejects(pool.start(), { reason: "SHUTTING_DOWN" });
  });

  test("while it starts: start() rejects, and nothing is left", async () => {
    const { clock, backend, pool } = setUp({}, { openMs: 1000 });
    const up = assert.rejects(pool.start(), { reason: "SHUTTING_DOWN" });
    await clock.advance(600);
    const closed = pool.close();
    await clock.advance(2000);
    await Promise.all([closed, up]);
    assert.equal(backend.containers.size, 0);
    assert.equal(clock.timers, 0);
  });

  test("waits for a start that does not heed the abort, and destroys what comes up", async () => {
    const { clock, backend, pool } = setUp({}, { heedsAbort: false });
    const up = assert.rejects(pool.start(), { reason: "SHUTTING_DOWN" });
    await clock.advance(100);
    let closed = false;
    void pool.close().then(() => {
      closed = true;
    });
    await clock.advance(400);
    assert.equal(closed, false);
    await clock.advance(100);
    assert.equal(closed, true);
    await up;
    assert.equal(backend.containers.size, 0);
  });

  test("does not wait for the next attempt of a destroy() that failed", async () => {
    const { clock, backend, pool, started, container } = setUp(
      { backoffMs: 20_000 },
      { onDestroy: failing(atCalls(1)) },
    );
    await started();
    container().kill();
    await clock.advance(1000);
    assert.equal(backend.containers.size, 2);
    const closed = pool.close();
    await clock.advance(100);
    await closed;
    assert.equal(backend.containers.size, 0);
  });

  test("during a wipe, and with an engine that refuses: it still ends", async () => {
    const { clock, pool, acquire, started, got } = setUp({}, { closeMs: 1e9, onDestroy: failing(() => true) });
    await started();
    const ask = acquire();
    await settled();
    const released = pool.release(got(ask));
    const closed = pool.close();
    await clock.advance(1000);
    await closed;
    assert.equal(await released, false);
  });
});
