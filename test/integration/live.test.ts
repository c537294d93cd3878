import assert from "node:assert/strict";
import { test } from "node:test";
import { startLive } from "../support/live-service.js";

test("a call goes from a stream to a slot and back", async () => {
  const live = await startLive("process");
  try {
    const stream = await live.open({ trajectoryId: "t" });
    const result = await stream.bash("echo hi");
    assert.equal(result.output, "hi");
    assert.equal(await stream.halfClose(), undefined);
  } finally {
    await live.close();
  }
});
