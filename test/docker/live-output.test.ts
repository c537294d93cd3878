// Live output over Docker's attach stream, and beyond the end of the server that asked for it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SwitchyardClient } from "../../src/client/index.js";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { newInstance, removeContainersOf, startDocker } from "../support/docker-engine.js";
import { heard, outputsOf } from "../support/output-frames.js";
import { ServerProcess } from "../support/server-process.js";

const FLOOD_BYTES = 30_000_000;

for (const isolation of ["namespace", "container"]) {
  test(`at level ${isolation} both channels arrive exactly, also much of it`, async (t) => {
    const service = await startDocker(t, { isolation, slots_per_container: 1, max_containers: 1 });
    const client = new SwitchyardClient(service.address);
    t.after(() => client.close());
    const trajectory = await client.open();
    let [text, missing] = ["", 0];
    const command = `echo begun >&2; seq 1 100000000 | head -c ${FLOOD_BYTES}`;
    const result = await trajectory.call(
      "bash",
      { command },
      {
        onOutput: ({ data, missing: gap }) => {
          text += Buffer.from(data).toString("latin1");
          missing += gap;
        },
      },
    );
    assert.deepEqual([result.status, missing, result.outputBytes], ["OK", 0, FLOOD_BYTES + 6]);
    const stdout = text.replace("begun\n", "");
    assert.equal(stdout.length, FLOOD_BYTES);
    const lines = stdout.split("\n").slice(0, -1);
    assert.ok(lines.every((line, index) => line === String(index + 1)));
    await trajectory.close();
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
  assert.deepEqual([rest.missing, BigInt(rest.end)], [0, result.outputBytes]);
  const lines = (text + rest.text).trimEnd().split("\n");
  assert.ok(lines.length > 2);
  assert.ok(lines.every((line, index) => line === String(index + 1)));
  assert.equal((await second.kill("SIGTERM")).code, 0);
});
