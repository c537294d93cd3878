// The volume that brings the runner into images: servers that start at once, one that is killed while it fills it, and a
// volume that is pruned under a server.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { containersOf, docker, newInstance, removeContainersOf } from "../support/docker-engine.js";
import { copyPackage } from "../support/package-copy.js";
import { ServerProcess } from "../support/server-process.js";

const POOL = { slots_per_container: 1, min_containers: 0, max_containers: 1 };

function serve(t: TestContext, command: string): { instance: string; server: ServerProcess } {
  const instance = newInstance();
  t.after(() => removeContainersOf(instance));
  const settings = { instance, pools: { default: POOL }, log: { level: "error" } };
  return { instance, server: new ServerProcess(t, settings, { command }) };
}

async function assertServes(t: TestContext, server: ServerProcess, trajectoryId: string): Promise<void> {
  const stream = await server.open(t, { trajectoryId });
  assert.equal((await stream.bash("echo hi")).output, "hi");
}

async function assertEnds(server: ServerProcess): Promise<void> {
  const { code, stderr } = await server.kill("SIGTERM");
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
}

test("servers that start at once on a daemon without the volume: all of them serve, and so does the next", async (t) => {
  const { command, volumes } = await copyPackage(t);
  const servers = [1, 2, 3].map(() => serve(t, command).server);
  await Promise.all(servers.map((server) => server.ready));
  await Promise.all(servers.map((server) => assertServes(t, server, "a")));
  const made = await volumes();
  const next = serve(t, command).server;
  await assertServes(t, next, "a");
  assert.deepEqual(await volumes(), made);
  await Promise.all([...servers, next].map(assertEnds));
});

test("a server that is killed while it fills the volume: nobody takes that for a filled one", async (t) => {
  const { command, volumes, filling } = await copyPackage(t);
  const { server } = serve(t, command);
  await filling();
  await server.kill("SIGKILL");
  const [halfFilled, ...more] = await volumes();
  assert.ok(halfFilled);
  assert.deepEqual(more, [], "it was filled already");
  const next = serve(t, command);
  await assertServes(t, next.server, "a");
  const [container] = await containersOf(next.instance);
  const { Mounts } = await docker.getContainer(container ?? "").inspect();
  const [used] = Mounts.filter(({ Destination }) => Destination === "/switchyard/runtime").map(({ Name }) => Name);
  assert.ok(used);
  assert.notEqual(used, halfFilled);
  await assertEnds(next.server);
});

test("a volume that is pruned while its server has no container: the next container gets a new one", async (t) => {
  const { command, volumes } = await copyPackage(t);
  const { server } = serve(t, command);
  await server.ready;
  for (const name of await volumes()) await docker.getVolume(name).remove();
  await assertServes(t, server, "a");
  await assertEnds(server);
});
