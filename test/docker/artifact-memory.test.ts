// What large artifacts cost the server, as a process of its own with real containers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SwitchyardClient } from "../../src/client/index.js";
import { spell, thereAndBack } from "../support/artifact-load.js";
import { instanceSettings, ServerProcess } from "../support/server-process.js";

const BYTES = 200_000_000;
const GROWTH_MAX = 64_000_000;

test("a 200 MB upload and a 200 MB archive: the server's memory grows by less than 64 MB", async (t) => {
  const server = new ServerProcess(t, instanceSettings(t));
  const { address } = await server.ready;
  const client = new SwitchyardClient(address);
  t.after(() => client.close());
  const trajectory = await client.open();
  await trajectory.call("bash", { command: "true" });
  // What the first transfer of any size brings into memory is no growth.
  await thereAndBack(client, trajectory, server.pid, 1_000_000);
  const { up, down } = await thereAndBack(client, trajectory, server.pid, BYTES);
  t.diagnostic(`upload: ${spell(up)}`);
  t.diagnostic(`archive: ${spell(down)}`);
  for (const load of [up, down]) assert.ok(load.grownBytes < GROWTH_MAX, spell(load));
  await trajectory.close();
  assert.equal((await server.kill("SIGTERM")).code, 0);
});
