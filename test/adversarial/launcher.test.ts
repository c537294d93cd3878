// The launcher, and the folder in which it meets the runner: who spoils them spoils the own slot, and no more.
import assert from "node:assert/strict";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { attack, seconds } from "../support/attack.js";

const OWN_CALLS = "only its own calls fail";
const OWN_SLOT = "its own slot at most";
/** Stops whatever begins in its slot, also what has not yet become its program. */
const STOPPER = `
import os, signal, time
newest, end = os.getpid(), time.time() + 20
while time.time() < end:
    for pid in range(newest + 1, newest + 17):
        try:
            os.kill(pid, signal.SIGSTOP)
            newest = pid
        except OSError:
            pass
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
    const slot = await arena.slotAfter(async (stream) => {
      await stream.call("write_file", { path: "stopper.py", content: STOPPER });
      const begun = await stream.bash("python3 stopper.py > /dev/null 2>&1 & echo begun");
      assert.equal(begun.output, "begun");
      for (const end = performance.now() + 21_000; performance.now() < end; ) {
        const { slotGeneration } = await stream.bash("true", { timeout: seconds(1) });
        if (slotGeneration !== 1) return;
        await arena.assertNeighbourUnharmed();
      }
    });
    // Lost where it met the launcher while that waits for a shell, which is a matter of microseconds.
    arena.test.diagnostic(slot);
    return OWN_SLOT;
  },
});
