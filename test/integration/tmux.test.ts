// The `tmux` tool on the process backend, at the strongest isolation that there is and at none; and the policy about it.
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { type LiveService, startLive } from "../support/live-service.js";
import { livingAre, uniqueSleep } from "../support/processes.js";
import { Terminal } from "../support/terminal.js";
import { KILL_CHECKS, RECORDING_CHECKS, TMUX_CHECKS } from "../support/tmux-checks.js";

const CHECKS = { ...TMUX_CHECKS, ...RECORDING_CHECKS, ...KILL_CHECKS };

for (const isolation of ["auto", "none"]) {
  describe(`isolation ${isolation}`, () => {
    let live: LiveService;
    before(async () => {
      live = await startLive("process", { pools: { default: { isolation, slots_per_container: 12 } } });
    });
    after(() => live.close());

    for (const [index, [name, check]] of Object.entries(CHECKS).entries()) {
      test(name, async () => {
        const terminal = await Terminal.open(live, `t${index}`);
        await check(terminal);
        await terminal.stream.halfClose();
      });
    }
  });
}

test("a session ends with its slot, whatever runs in it, and the next trajectory has none", async () => {
  for (const isolation of ["auto", "none"]) {
    const live = await startLive("process", {
      pools: { default: { isolation, slots_per_container: 1, max_containers: 1 } },
    });
    const terminal = await Terminal.open(live, "first");
    await terminal.start();
    const word = uniqueSleep();
    await terminal.type(`trap '' HUP TERM; (setsid -f sleep ${word}); sleep ${word}`, "Enter");
    await livingAre(word, 2);
    await terminal.stream.halfClose();
    const next = await Terminal.open(live, "second");
    assert.equal((await next.tmux("capture")).error, "No tmux session: use action start first");
    await livingAre(word, 0);
    assert.equal((await next.start()).metadata?.recording, ".tmux-1.asciinema.cast");
    await live.close();
  }
});

test("a start that is over its time takes what it made along", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-slow-tmux-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const word = uniqueSleep();
  writeFileSync(join(folder, "tmux"), `#!/bin/bash\n/usr/bin/tmux "$@"\nsleep ${word}\n`, { mode: 0o755 });
  chmodSync(folder, 0o755);
  const live = await startLive("process", { pools: { default: { isolation: "none" } } });
  const slow = Terminal.over(await live.open({ trajectoryId: "t", env: { PATH: `${folder}:/usr/bin:/bin` } }));
  const late = await slow.tmux("start", { timeout: 2 });
  assert.equal(late.status, CallStatus.CALL_STATUS_TIMED_OUT);
  assert.equal((await slow.tmux("capture")).error, "No tmux session: use action start first");
  const { output } = await slow.stream.bash(`ps -eo args= | grep "[t]mux -u -S $(dirname "$PWD")" | wc -l`);
  assert.equal(output, "0");
  await livingAre(word, 0);
  await live.close();
});

test("policy.require_stateful_sandbox holds for it", async () => {
  const live = await startLive("process", {
    policy: { require_stateful_sandbox: true },
    pools: { default: { isolation: "none" } },
  });
  const terminal = await Terminal.open(live, "t");
  const result = await terminal.tmux("start", { require_stateful_sandbox: false });
  assert.equal(result.status, CallStatus.CALL_STATUS_SANDBOX_UNAVAILABLE);
  await live.close();
});
