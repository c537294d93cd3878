// Seeded simulation of the Batcher and the Pool together. A failing run prints its seed; SIM_SEED=N replays it alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { messageOf } from "../../src/core/errors.js";
import { Random } from "../../src/load/random.js";
import { World } from "../support/batch-pool-world.js";

const TRAJECTORIES = 200;
const SEEDS = [1, 2, 3, 4];

function seeds(): number[] {
  const given = process.env.SIM_SEED;
  return given ? [Number(given)] : [...SEEDS, Date.now() % 1_000_000];
}

for (const seed of seeds()) {
  test(`seed ${seed}: every call ends once, every slot is clean and held by one, nobody waits for ever`, async (t) => {
    const world = new World(new Random(seed));
    t.diagnostic(`replay with SIM_SEED=${seed}`);
    await runWorld(world).catch((error: unknown) => {
      throw new Error(`SIM_SEED=${seed}: ${messageOf(error)}`, { cause: error });
    });
    t.diagnostic(`${world.calls} calls, ${world.backend.starts} starts, ends ${JSON.stringify([...world.ends])}`);
  });
}

async function runWorld(world: World): Promise<void> {
  world.populate(TRAJECTORIES);
  await world.clock.until(() => world.alive === 0, 600_000);
  assert.deepEqual(world.broken, []);
  assert.deepEqual(world.backend.violations, []);
  assert.ok(world.calls > TRAJECTORIES, `only ${world.calls} calls were made`);
  assert.equal(
    [...world.ends.values()].reduce((sum, count) => sum + count, 0),
    world.calls,
  );
  assert.ok(world.backend.peak <= world.containersMax, `${world.backend.peak} containers at once`);

  world.chaos = false;
  await world.clock.advance(120_000);
  const { waiting, slotsLeased, slotsReady, slotsTotal, containers } = world.pool.status();
  assert.deepEqual({ waiting, slotsLeased, containers }, { waiting: 0, slotsLeased: 0, containers: 1 });
  assert.equal(slotsReady, slotsTotal);
  assert.equal(world.batcher.stats.queueSize, 0);

  const closed = world.pool.close();
  world.batcher.close();
  await world.clock.advance(10_000);
  await closed;
  assert.equal(world.backend.containers.size, 0);
  assert.equal(world.clock.timers, 0, "timers were left behind");
}
