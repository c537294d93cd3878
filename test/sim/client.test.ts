// Seeded simulation of the client's session against a model of the server: streams that break anywhere, lives that end, `known`
// that is truncated, a small limit of calls in flight. A failing run prints its seed; SIM_SEED=N replays it alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ToolResult } from "../../src/client/tool-result.js";
import { Trajectory } from "../../src/client/trajectory.js";
import { Random } from "../../src/load/random.js";
import { FakeClock } from "../support/fake-clock.js";
import { ModelServer } from "../support/model-server.js";

const CALLS = 1_000;
const SEEDS = [1, 2, 3, 4];

function seeds(): number[] {
  const given = process.env.SIM_SEED;
  return given ? [Number(given)] : [...SEEDS, Date.now() % 1_000_000];
}

for (const seed of seeds()) {
  test(`seed ${seed}: every call gets one result, and none runs in two lives`, async (t) => {
    t.diagnostic(`replay with SIM_SEED=${seed}`);
    const random = new Random(seed);
    const clock = new FakeClock();
    const server = new ModelServer(clock, () => random.next(), random.whole(3, 20), random.whole(1, 20));
    const results: ToolResult[] = [];
    const events = new Map<string, number>();
    const trajectory = await opened(clock, server, random);
    const reading = (async () => {
      for await (const { type } of trajectory.events()) events.set(type, (events.get(type) ?? 0) + 1);
    })();
    let made = 0;
    while (made < CALLS) {
      for (let burst = random.whole(0, 4); burst > 0 && made < CALLS; burst -= 1) {
        made += 1;
        trajectory.call("bash", {}, { uniqId: `call-${made}` }).then(
          (result) => results.push(result),
          (error: unknown) => assert.fail(`call-${made}: ${error}`),
        );
      }
      disturb(server, random);
      await clock.advance(random.next() * 10);
    }
    const closed = trajectory.close();
    let isClosed = false;
    void closed.then(() => {
      isClosed = true;
    });
    for (let round = 0; !isClosed; round += 1) {
      assert.ok(round < 10_000, `never closed; ${results.length} of ${made} results`);
      server.work();
      if (round < 100) disturb(server, random);
      await clock.advance(5);
    }
    await reading;
    verify(server, results);
    assert.equal(events.get("result"), CALLS);
    // What the model still has on its way to a stream that is over.
    await clock.advance(5);
    assert.equal(clock.timers, 0);
    const lost = results.filter(({ status }) => status === "LOST").length;
    t.diagnostic(`${lost} lost, events ${JSON.stringify(Object.fromEntries(events))}`);
  });
}

async function opened(clock: FakeClock, server: ModelServer, random: Random): Promise<Trajectory> {
  const opening = Trajectory.open(
    {
      connect: server.connect,
      clock,
      random: () => random.next(),
      open: { trajectoryId: "t", resumeToken: "", group: "", pool: "", env: {}, acquireSlot: false, lease: undefined },
      requireResume: false,
      onLifeLost: "restart",
      backoff: { initialMs: 5, maxMs: 50 },
      openTimeoutMs: 30_000,
      reconnectTimeoutMs: 600_000,
      attemptTimeoutMs: 20_000,
      silenceMs: 60_000,
    },
    undefined,
    { began: () => {}, ended: () => {} },
  );
  await clock.advance(20);
  return opening;
}

function disturb(server: ModelServer, random: Random): void {
  for (let share = random.whole(0, 3); share > 0; share -= 1) server.work();
  if (random.chance(0.1)) server.cut();
  if (random.chance(0.01)) server.forget();
}

function verify(server: ModelServer, results: readonly ToolResult[]): void {
  assert.deepEqual(server.violations, []);
  assert.equal(results.length, CALLS);
  assert.equal(new Set(results.map(({ uniqId }) => uniqId)).size, CALLS);
  const runs = new Map<string, string[]>();
  for (const [key, count] of server.executions) {
    const [life = "", uniqId = ""] = key.split(" ");
    assert.equal(count, 1, key);
    runs.set(uniqId, [...(runs.get(uniqId) ?? []), life]);
  }
  for (const { uniqId, status, local, output } of results) {
    const lives = runs.get(uniqId) ?? [];
    if (status === "OK") assert.deepEqual(lives, [output], uniqId);
    else assert.deepEqual([status, local, lives.length <= 1], ["LOST", true, true], uniqId);
  }
}
