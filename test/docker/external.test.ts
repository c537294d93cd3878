// What a ToolServer is told of a trajectory whose slot is in a Docker container.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startLive } from "../support/live-service.js";
import { TestToolServer } from "../support/tool-server.js";

test("container_addr names the container, and slot_id the slot", async () => {
  const toolServer = await TestToolServer.start();
  const live = await startLive("docker", { tool_server: { url: toolServer.url } });
  try {
    const stream = await live.open({ trajectoryId: "t" });
    const long = stream.bash("sleep 3; echo long");
    await stream.call("echo", {}, { uniqId: "before" });
    while ((await live.status()).pools[0]?.slotsLeased === 0) await stream.call("echo", {});
    await stream.call("echo", {}, { uniqId: "after" });
    const { container_addr = "", slot_id = "" } = (await toolServer.askedBy("after")).body;
    assert.match(container_addr, /^docker:[0-9a-f]{64}$/);
    assert.match(slot_id, /:\d+$/);
    assert.equal((await long).output, "long");
    await stream.halfClose();
  } finally {
    await live.close();
    await toolServer.close();
  }
});
