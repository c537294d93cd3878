// bash_stateful on the process backend, at the strongest isolation that there is and at none; and the policy about it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CallStatus, Fault } from "../../src/gen/switchyard/v1/call.js";
import { type LiveService, startLive } from "../support/live-service.js";
import { Session, STATEFUL_CHECKS } from "../support/stateful-checks.js";

for (const isolation of ["auto", "none"]) {
  describe(`isolation ${isolation}`, () => {
    let live: LiveService;
    before(async () => {
      live = await startLive("process", { pools: { default: { isolation, slots_per_container: 10 } } });
    });
    after(() => live.close());

    for (const [index, [name, check]] of Object.entries(STATEFUL_CHECKS).entries()) {
      test(name, async () => check(await Session.open(live, `t${index}`)));
    }
  });
}

test("the shell ends with the slot, and the next trajectory gets its own", async () => {
  const live = await startLive("process", { pools: { default: { slots_per_container: 1, max_containers: 1 } } });
  const first = await Session.open(live, "first");
  await first.run("X=secret; cd /tmp");
  await first.stream.halfClose();
  const second = await Session.open(live, "second");
  const result = await second.run('echo "[$X] $(basename "$PWD")"');
  assert.deepEqual([result.output, result.metadata?.restarted], ["[] workspace", undefined]);
  await live.close();
});

test("policy.require_stateful_sandbox: no stateful call without a sandbox; bash is not concerned", async () => {
  const live = await startLive("process", {
    policy: { require_stateful_sandbox: true },
    pools: { default: { isolation: "none" } },
  });
  const session = await Session.open(live, "t");
  for (const tool of ["bash_stateful", "terminal_stateful"]) {
    const result = await session.stream.call(tool, { command: "echo hi", require_stateful_sandbox: false });
    assert.equal(result.status, CallStatus.CALL_STATUS_SANDBOX_UNAVAILABLE);
    assert.equal(result.fault, Fault.FAULT_INFRASTRUCTURE);
    assert.equal(result.error, "policy.require_stateful_sandbox is on, but the slot has no sandbox");
  }
  assert.equal((await session.stream.bash("echo hi")).output, "hi");
  await live.close();
});
