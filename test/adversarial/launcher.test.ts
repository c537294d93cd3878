// The launcher, and the folder in which it meets the runner: who spoils them spoils the own slot, and no more.
import assert from "node:assert/strict";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { attack } from "../support/attack.js";

const OWN_CALLS = "only its own calls fail";

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
