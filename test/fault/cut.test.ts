// Row 1: the connection is cut, at every byte of a whole session and while a call runs: one result and one execution.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { CheckedTrajectory, ownService } from "../support/checked-trajectory.js";
import { type Break, type Direction, FaultProxy, type Faults } from "../support/fault-proxy.js";
import { type LiveService, startLive } from "../support/live-service.js";
import { bySize } from "../support/suite-size.js";

const AT_ONCE = 16;
const SESSION_MS_MAX = 30_000;
const BREAKS: readonly Break[] = ["end", "reset"];
const STRIDE = bySize(37, 1);
let live: LiveService;

before(async () => {
  live = await startLive("process", {
    pools: { default: { slots_per_container: AT_ONCE, min_containers: 1, max_containers: 2 } },
  });
});

after(() => live.close());

interface Session {
  readonly trajectory: CheckedTrajectory;
  readonly proxy: FaultProxy;
}

async function inSession(id: string, faults: Faults, act: (session: Session) => Promise<void>): Promise<void> {
  const proxy = await FaultProxy.start(live.address);
  proxy.set(faults);
  const service = ownService(proxy.address);
  const trajectory = new CheckedTrajectory(service, { trajectoryId: id, resumeToken: `token of ${id}` });
  const stuck = new AbortController();
  try {
    await Promise.race([act({ trajectory, proxy }), late(id, stuck.signal)]);
  } finally {
    stuck.abort();
    service.close();
    await proxy.close();
  }
}

/** Names the session that never ends. */
async function late(id: string, signal: AbortSignal): Promise<never> {
  await pause(SESSION_MS_MAX, undefined, { signal });
  throw new Error(`session ${id} did not end within ${SESSION_MS_MAX} ms`);
}

/** Two calls, their results, an acknowledgement between them, the checker, and an orderly end. */
async function wholeSession({ trajectory }: Session): Promise<void> {
  await trajectory.call("one");
  await trajectory.ack("one");
  await trajectory.call("two");
  await trajectory.check();
  await trajectory.finish();
  await trajectory.check();
}

test("cut while calls run and wait behind them: each ends once, in the same slot", async () => {
  // Of each three calls, one runs.
  const allRun = live.statusIs(
    ({ totalRequests, queueSize }) => totalRequests === BigInt(3 * AT_ONCE) && queueSize === BigInt(2 * AT_ONCE),
  );
  await eachOf(range(0, AT_ONCE, 1), AT_ONCE, (at) =>
    inSession(`running.${at}`, {}, async ({ trajectory, proxy }) => {
      const calls = [trajectory.call("running", "sleep 3"), trajectory.call("queued"), trajectory.call("last")];
      await allRun;
      proxy.breakAll(BREAKS[at % 2] ?? "end");
      for (const { status, slotGeneration } of await Promise.all(calls)) {
        assert.deepEqual([status, slotGeneration], [CallStatus.CALL_STATUS_OK, 1]);
      }
      assert.equal(trajectory.log.opens, 2);
      await trajectory.check();
      await trajectory.finish();
    }),
  );
});

test(`a session cut at every ${STRIDE === 1 ? "" : `${STRIDE}th `}byte of either direction`, async (t) => {
  const length = await recordedLength();
  const cuts = (["up", "down"] as const).flatMap((direction) =>
    range(0, length[direction], STRIDE).map((atByte) => ({ direction, atByte, how: BREAKS[atByte % 2] ?? "end" })),
  );
  const before = await live.status();
  let broken = 0;
  let calls = 0;
  const beganMs = performance.now();
  await eachOf(cuts, AT_ONCE, async (cut) => {
    const id = `${cut.direction}.${cut.atByte}`;
    await inSession(id, { cut }, async (session) => {
      await wholeSession(session);
      calls += session.trajectory.log.results.size;
      if (session.proxy.faults.cut === undefined) broken += 1;
    });
  });
  t.diagnostic(`${cuts.length} sessions of ${length.up} bytes up, ${length.down} down; ${broken} were cut`);
  t.diagnostic(`${((performance.now() - beganMs) / 1000).toFixed(1)} s`);
  assert.equal((await live.status()).totalRequests - before.totalRequests, BigInt(calls), "a call was accepted twice");
  assert.ok(broken >= cuts.length * 0.98, `only ${broken} of ${cuts.length} sessions were cut`);
});

async function recordedLength(): Promise<Record<Direction, number>> {
  const length = { up: 0, down: 0 };
  await inSession("recorded", {}, async (session) => {
    await wholeSession(session);
    const [connection] = session.proxy.connections;
    Object.assign(length, connection?.passed);
  });
  return length;
}

function range(first: number, end: number, step: number): number[] {
  return Array.from({ length: Math.ceil((end - first) / step) }, (_, at) => first + at * step);
}

async function eachOf<T>(items: readonly T[], atOnce: number, act: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const worker = async () => {
    for (const item of left) await act(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
