// A container or its runner dies, or the code in a slot tries to make it so: whose calls end, how, how soon, and who is
// none the wiser.
import assert from "node:assert/strict";
import { test } from "node:test";
import type Docker from "dockerode";
import { pino } from "pino";
import { DockerBackend } from "../../src/backend/docker/docker-backend.js";
import { UidBlock } from "../../src/backend/uid-block.js";
import { poolSettings } from "../../src/cli/compose.js";
import { loadConfig } from "../../src/config/load.js";
import { CallStatus, Fault, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import {
  ContainerWatch,
  containersOf,
  countProcesses,
  type DockerService,
  docker,
  eventually,
  newInstance,
  onlyContainerOf,
  runBeside,
  startDocker,
} from "../support/docker-engine.js";
import type { TrajectoryClient } from "../support/trajectory-client.js";

const POOL = { slots_per_container: 4, min_containers: 1, max_containers: 2 };
/** From issue 2: a dead container's calls end within so many milliseconds. */
const LOST_MS_MAX = 2000;
const LONG = { timeout: { seconds: 600n, nanos: 0 } };

interface Busy {
  readonly live: DockerService;
  readonly container: Docker.Container;
  readonly streams: readonly TrajectoryClient[];
  readonly running: readonly Promise<ToolResult>[];
  readonly queued: readonly Promise<ToolResult>[];
}

/** Three slots of one container with a call that runs and a call behind it. */
async function busyContainer(t: Parameters<typeof startDocker>[0]): Promise<Busy> {
  const live = await startDocker(t, POOL);
  const container = await onlyContainerOf(live.instance);
  const streams = await Promise.all(["a", "b", "c"].map((trajectoryId) => live.open({ trajectoryId })));
  const running = streams.map((stream) => stream.bash("sleep 900", LONG));
  const queued = streams.map((stream) => stream.bash("echo never"));
  await eventually("three calls run", async () => (await countProcesses(container, /^sleep 900/)) === 3);
  return { live, container, streams, running, queued };
}

async function assertLost(busy: Busy, killedAtMs: number): Promise<number> {
  const lost = await Promise.all(busy.running);
  const tookMs = performance.now() - killedAtMs;
  for (const { status, fault } of lost) {
    assert.equal(status, CallStatus.CALL_STATUS_LOST);
    assert.equal(fault, Fault.FAULT_INFRASTRUCTURE);
  }
  for (const { status, fault } of await Promise.all(busy.queued)) {
    assert.equal(status, CallStatus.CALL_STATUS_NOT_STARTED);
    assert.equal(fault, Fault.FAULT_INFRASTRUCTURE);
  }
  for (const stream of busy.streams) assert.equal((await stream.first("slotLost")).slotGeneration, 1);
  assert.ok(tookMs < LOST_MS_MAX, `the calls ended ${Math.round(tookMs)} ms after the kill`);
  return Math.round(tookMs);
}

/** New trajectories work, old ones go on in a slot of their next generation, and the pool is as full as before. */
async function assertRefilled({ live, container, streams }: Busy): Promise<void> {
  const fresh = await live.open({ trajectoryId: "fresh" });
  assert.equal((await fresh.bash("echo new")).output, "new");
  const again = await Promise.all(streams.map((stream) => stream.bash("ls -A; echo again")));
  for (const { output, slotGeneration } of again) {
    assert.equal(output, "again");
    assert.equal(slotGeneration, 2);
  }
  const [pool] = (await live.status()).pools;
  assert.equal(pool?.slotsLeased, 4);
  assert.equal(pool?.waiting, 0);
  const now = await containersOf(live.instance);
  assert.ok(!now.includes(container.id), "the dead container is still there");
}

test("docker kill during calls: LOST within 2 s, slot_lost, and the pool refills", async (t) => {
  const busy = await busyContainer(t);
  const killedAtMs = performance.now();
  await busy.container.kill();
  t.diagnostic(`LOST ${await assertLost(busy, killedAtMs)} ms after docker kill`);
  await assertRefilled(busy);
});

test("kill -9 of the runner in its container: the same", async (t) => {
  const busy = await busyContainer(t);
  const killedAtMs = performance.now();
  await runBeside(busy.container, "pkill", "-9", "-f", "^/switchyard/runtime/ld.so");
  t.diagnostic(`LOST ${await assertLost(busy, killedAtMs)} ms after the runner's end`);
  await assertRefilled(busy);
});

test("a container that is removed under the server is replaced, without any call", async (t) => {
  const live = await startDocker(t, { slots_per_container: 2, min_containers: 1, max_containers: 1 });
  const watch = await ContainerWatch.of(t, live.instance);
  const before = await onlyContainerOf(live.instance);
  await before.remove({ force: true });
  await watch.until(({ events }) => events.some(({ action, id }) => action === "start" && id !== before.id));
  const stream = await live.open({ trajectoryId: "a" });
  assert.equal((await stream.bash("echo hi")).output, "hi");
});

test("killing everything from inside a slot harms nobody else", async (t) => {
  const live = await startDocker(t, { slots_per_container: 2, max_containers: 1 });
  const container = await onlyContainerOf(live.instance);
  const [attacker, neighbour] = await Promise.all(
    ["attacker", "neighbour"].map((trajectoryId) => live.open({ trajectoryId })),
  );
  assert.ok(attacker && neighbour);
  await neighbour.bash("echo kept > file");
  const bystander = neighbour.bash("until [ -e go ]; do sleep 0.05; done; cat file", LONG);
  const attacks = [
    "kill -9 -1",
    "kill -9 1",
    "kill -9 $PPID",
    "pkill -9 -f runner; pkill -9 node; pkill -9 -f switchyard; pkill -9 bwrap; pkill -9 docker-init; true",
    "for pid in $(seq 1 400); do kill -9 $pid 2>/dev/null; done; true",
    "kill -STOP -1; kill -TERM 1; kill -STOP 1; true",
  ];
  for (const attack of attacks) {
    const { status } = await attacker.bash(attack);
    const ends = [CallStatus.CALL_STATUS_OK, CallStatus.CALL_STATUS_SIGNALED, CallStatus.CALL_STATUS_NONZERO_EXIT];
    assert.ok(ends.includes(status), `${attack} ended ${CallStatus[status]}`);
    const { output, slotGeneration } = await attacker.bash("echo alive");
    assert.equal(output, "alive", `after ${attack}`);
    assert.equal(slotGeneration, 1, `after ${attack}`);
  }
  await runBeside(container, "sh", "-c", "for slot in /switchyard/slots/*; do touch $slot/workspace/go; done");
  assert.equal((await bystander).output, "kept");
  assert.equal((await bystander).slotGeneration, 1);
  assert.deepEqual(await containersOf(live.instance), [container.id]);
  assert.equal((await docker.getContainer(container.id).inspect()).RestartCount, 0);
});

test("a start that is given up while its container is being made leaves none behind", async (t) => {
  const config = loadConfig({ env: {}, flags: {} });
  const [pool] = Object.values(config.pools);
  assert.ok(pool);
  const uids = await UidBlock.claim();
  t.after(uids.release);
  const instance = newInstance();
  const pools = new Map([["default", poolSettings(config, pool)]]);
  const backend = new DockerBackend({
    instance,
    pools,
    uids,
    log: pino({ level: "fatal" }),
    onFenced: () => assert.fail(),
  });
  await backend.start();
  for (const ms of [1, 3, 10, 30, 100]) {
    const begun = AbortSignal.timeout(ms);
    await assert.rejects(backend.startContainer("default", begun));
  }
  await backend.close();
  assert.deepEqual(await containersOf(instance), []);
});
