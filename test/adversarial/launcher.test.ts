// The launcher, and the folder in which it meets the runner: who spoils them spoils the own slot, and no more.
import assert from "node:assert/strict";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { attack, seconds } from "../support/attack.js";

const OWN_CALLS = "only its own calls fail";
const OWN_SLOT = "its own slot at most";
/** For twenty seconds stops whatever begins in its slot, also what has not yet become its program. */
const STOPPER = `
import os, signal, time
def latest():
    pid = os.fork()
    if pid == 0: os._exit(0)
    os.waitpid(pid, 0)
    return pid
newest, misses, end = latest(), 0, time.time() + 20
open("stopping", "w").close()
while time.time() < end:
    for pid in range(newest + 1, newest + 17):
        try:
            os.kill(pid, signal.SIGSTOP)
            newest, misses = pid, 0
        except OSError:
            misses += 1
    if misses > 5000: newest, misses = latest(), 0
`;

attack({
  name: "puts links, files and FIFOs of its own where its launcher makes FIFOs",
  expected: { namespace: "prevented", uid: "prevented", container: "prevented", "container (runsc)": "prevented" },
  run: async (arena) => {
    await arena.assertNeighbourUnharmed();
    const stream = await arena.attacker;
    const spoilt = await stream.bash(
      `echo own > own; for run in /run/switchyard $PWD/../run; do cd $run 2>/dev/null || continue; rm -f *
       for id in $(seq 100); do ln -s /etc/passwd $id.out; mkfifo $id.in; echo garbage > $id.err; done; done 2>/dev/null; echo tried`,
    );
    assert.match(spoilt.output, /tried/);
    // The first may still get the child that was armed before.
    const results = [await stream.bash("echo a"), await stream.bash("echo b"), await stream.bash("echo c")];
    await arena.assertNeighbourUnharmed();
    const failed = results.filter(({ success }) => !success);
    for (const { status } of failed) {
      const ends = [
        CallStatus.CALL_STATUS_TOOL_FAILED,
        CallStatus.CALL_STATUS_NOT_STARTED,
        CallStatus.CALL_STATUS_LOST,
      ];
      assert.ok(ends.includes(status), CallStatus[status]);
    }
    await arena.release("attacker");
    assert.equal((await (await arena.stream("next")).bash("cat own; echo clean")).output.split("\n")[0], "clean");
    return failed.length > 0 ? OWN_CALLS : "prevented";
  },
});

attack({
  name: "stops each process of its slot as it begins, also a shell that is not yet one, for which the launcher waits",
  expected: { namespace: OWN_SLOT, uid: OWN_SLOT, container: OWN_SLOT, "container (runsc)": OWN_SLOT },
  run: async (arena) => {
    const ends = new Set<CallStatus>();
    const slot = await arena.slotAfter(async (stream) => {
      await stream.call("write_file", { path: "stopper.py", content: STOPPER });
      // After two commands a shell waits.
      for (let call = 0; call < 3; call++) await stream.bash("true");
      await stream.bash("python3 stopper.py > /dev/null 2>&1 & until [ -e stopping ]; do :; done");
      for (const end = performance.now() + 21_000; performance.now() < end; ) {
        const { status, slotGeneration } = await stream.bash("true", { timeout: seconds(1) });
        ends.add(status);
        if (slotGeneration !== 1) return;
        await arena.assertNeighbourUnharmed();
      }
    });
    const wasHit = [CallStatus.CALL_STATUS_TIMED_OUT, CallStatus.CALL_STATUS_LOST, CallStatus.CALL_STATUS_NOT_STARTED];
    assert.ok(
      wasHit.some((status) => ends.has(status)),
      `nothing was stopped: ${[...ends].map((status) => CallStatus[status])}`,
    );
    // Lost where it met the launcher while that waits for a shell, which is a matter of microseconds.
    arena.test.diagnostic(slot);
    return OWN_SLOT;
  },
});
