// What large artifacts cost the server, as a process of its own with real containers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SwitchyardClient } from "../../src/client/index.js";
import { spell, thereAndBack } from "../support/artifact-load.js";
import { instanceSettings, ServerProcess } from "../support/server-process.js";
import { bySize } from "../support/suite-size.js";

const [MEGABYTES, GROWTH_MB_MAX] = bySize([60, 32], [200, 64]);

test(`an upload and an archive of ${MEGABYTES} MB: the server's memory grows by less than ${GROWTH_MB_MAX} MB`, async (t) => {
  const server = new ServerProcess(t, instanceSettings(t));
  const { address } = await server.ready;
  const client = new SwitchyardClient(address);
  t.after(() => client.close());
  const trajectory = await client.open();
  await trajectory.call("bash", { command: "true" });
  // What the first transfer of any size brings into memory is no growth.
  await thereAndBack(client, trajectory, server.pid, 1_000_000);
  const { up, down } = await thereAndBack(client, trajectory, server.pid, MEGABYTES * 1e6);
  t.diagnostic(`upload: ${spell(up)}`);
  t.diagnostic(`archive: ${spell(down)}`);
  for (const load of [up, down]) assert.ok(load.grownBytes < GROWTH_MB_MAX * 1e6, spell(load));
  await trajectory.close();
  assert.equal((await server.kill("SIGTERM")).code, 0);
});
