// A container is removed under the server, a start is given up, or the code in a slot tries to end it all: who suffers, and
// what is left. How calls end with a dying container is told by test/fault/runner-death.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { DockerBackend } from "../../src/backend/docker/docker-backend.js";
import { UidBlock } from "../../src/backend/uid-block.js";
import { poolSettings } from "../../src/cli/backend.js";
import { loadConfig } from "../../src/config/load.js";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import {
  ContainerWatch,
  containersOf,
  docker,
  newInstance,
  onlyContainerOf,
  runBeside,
  startDocker,
} from "../support/docker-engine.js";

const LONG = { timeout: { seconds: 600n, nanos: 0 } };

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
    await assert.rejects(backend.startContainer("default", begun, () => assert.fail()));
  }
  await backend.close();
  assert.deepEqual(await containersOf(instance), []);
});
