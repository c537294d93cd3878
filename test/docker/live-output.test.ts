// Live output over Docker's attach stream, and beyond the end of the server that asked for it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SwitchyardClient } from "../../src/client/index.js";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { newInstance, removeContainersOf, startDocker } from "../support/docker-engine.js";
import { floodIsExact, linesComeAtOnce } from "../support/live-checks.js";
import { heard, outputsOf } from "../support/output-frames.js";
import { ServerProcess } from "../support/server-process.js";

const HUNDRED_MB = 100_000_000;

for (const isolation of ["namespace", "container"]) {
  test(`isolation ${isolation}`, async (t) => {
    const service = await startDocker(t, { isolation, slots_per_container: 1, max_containers: 3 });
    const client = new SwitchyardClient(service.address);
    t.after(() => client.close());
    await t.test("a line a second is at the client within 200 ms, each", (step) => linesComeAtOnce(step, client));
    await t.test("100 MB arrive byte by byte", (step) => floodIsExact(step, client, HUNDRED_MB));
  });
}

test("kill -9 of the server: what runs goes on with its output, each byte once", async (t) => {
  const instance = newInstance();
  t.after(() => removeContainersOf(instance));
  const settings = { instance, pools: { default: { slots_per_container: 1, max_containers: 1 } } };
  const first = new ServerProcess(t, settings);
  const before = await first.open(t, { trajectoryId: "a", resumeToken: "t" });
  const endless = "i=0; while true; do i=$((i + 1)); echo $i; sleep 0.05; done";
  before.bash(endless, { uniqId: "count", streamOutput: true }).catch(() => undefined);
  await before.first("output");
  await first.kill("SIGKILL");
  await before.ended;
  const { text, end } = heard(outputsOf(before.frames, "count"));

  const second = new ServerProcess(t, settings);
  const position = { uniqId: "count", stdoutOffset: BigInt(end), stderrOffset: 0n };
  const after = await second.open(t, {
    trajectoryId: "a",
    resumeToken: "t",
    requireResume: true,
    outputPositions: [position],
  });
  await after.first("output");
  after.send({ $case: "cancel", value: { uniqId: "count" } });
  const result = await after.resultOf("count");
  assert.equal(result.status, CallStatus.CALL_STATUS_CANCELLED);
  const rest = heard(outputsOf(after.frames, "count"), "stdout", end);
  assert.deepEqual([rest.missing, BigInt(rest.end)], [0, result.outputBytesTotal]);
  const lines = (text + rest.text).trimEnd().split("\n");
  assert.ok(lines.length > 2);
  assert.ok(lines.every((line, index) => line === String(index + 1)));
  assert.equal((await second.kill("SIGTERM")).code, 0);
});
