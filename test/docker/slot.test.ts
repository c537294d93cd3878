// What outlives a call, and what outlives a trajectory: counted from outside, by the daemon's own list of processes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallStatus, Fault } from "../../src/gen/switchyard/v1/call.js";
import { countProcesses, eventually, onlyContainerOf, processesOf, startDocker } from "../support/docker-engine.js";

const ONE_SLOT = { slots_per_container: 1, min_containers: 1, max_containers: 1 };

test("the next trajectory in a slot finds nothing of the one before", async (t) => {
  const live = await startDocker(t, ONE_SLOT);
  const container = await onlyContainerOf(live.instance);
  const before = (await processesOf(container)).length;
  const first = await live.open({ trajectoryId: "first" });
  const litter = [
    "for folder in /workspace /tmp /dev/shm /var/tmp /run /run/switchyard; do",
    "  mkdir -p $folder/xyzzy/deep && echo xyzzy > $folder/xyzzy/deep/file; ln -s / $folder/xyzzy/link",
    "done 2>/dev/null",
    "mkdir -m 0 /workspace/locked; mkfifo /workspace/fifo; echo 'alias ls=xyzzy' > ~/.bashrc",
    "setsid -f sleep 901; env -i setsid -f sleep 902; nohup sleep 903 & ipcmk -M 4096; ipcmk -Q",
    "true",
  ];
  assert.equal((await first.bash(litter.join("\n"))).status, CallStatus.CALL_STATUS_OK);
  assert.equal(await countProcesses(container, /^sleep 90/), 3);
  first.send({ $case: "release", value: { resetWorkspace: true } });
  assert.equal((await first.first("released")).wiped, true);
  assert.equal(await countProcesses(container, /^sleep 90/), 0);

  const second = await live.open({ trajectoryId: "second" });
  assert.equal((await second.bash("find / -name 'xyzzy*' 2>/dev/null")).output, "");
  assert.equal((await second.bash("find /workspace /tmp /dev/shm /var/tmp -mindepth 1")).output, "");
  assert.equal((await second.bash("ps -eo comm= | grep -vE '^(perl|switchyard-laun|bash|ps|grep)$'")).output, "");
  assert.equal((await second.bash("ipcs -m | grep -c 0x; ipcs -q | grep -c 0x")).output, "0\n0");
  assert.equal((await second.bash("echo $HOME; type ls")).output, "/workspace\nls is /usr/bin/ls");
  // The next child is armed a moment after the result.
  await eventually("as many processes as before", async () => (await processesOf(container)).length === before);
  assert.equal((await onlyContainerOf(live.instance)).id, container.id);
});

test("thirty leases of one slot leave no process and no folder behind", async (t) => {
  const live = await startDocker(t, ONE_SLOT);
  const container = await onlyContainerOf(live.instance);
  const before = (await processesOf(container)).length;
  for (let index = 0; index < 30; index += 1) {
    const stream = await live.open({ trajectoryId: `t${index}` });
    const { output } = await stream.bash("ls -A | wc -l; touch a b c; setsid -f sleep 900");
    assert.equal(output, "0");
    assert.equal(await stream.halfClose(), undefined);
  }
  const last = await live.open({ trajectoryId: "last" });
  assert.equal((await last.bash("true")).status, CallStatus.CALL_STATUS_OK);
  // The next child is armed a moment after the result.
  await eventually("as many processes as before", async () => (await processesOf(container)).length === before);
});

test("after a timeout everything that the call started is dead, and nothing that an earlier one left", async (t) => {
  const live = await startDocker(t, ONE_SLOT);
  const container = await onlyContainerOf(live.instance);
  const stream = await live.open({ trajectoryId: "a" });
  assert.equal((await stream.bash("setsid -f sleep 800; nohup sleep 800 >/dev/null & true")).error, "");
  const command = [
    "trap '' TERM INT HUP",
    "sleep 901 & (setsid sleep 902 &) ; env -i setsid -f sleep 903 ; (setsid bash -c 'trap \"\" TERM; sleep 904' &)",
    "setsid -f bash -c 'setsid -f bash -c \"setsid -f sleep 905\"'",
    "echo partial; echo oops >&2",
    "sleep 906",
  ];
  const result = await stream.bash(command.join("\n"), { timeout: { seconds: 1n, nanos: 0 } });
  assert.equal(result.status, CallStatus.CALL_STATUS_TIMED_OUT);
  assert.equal(result.fault, Fault.FAULT_POLICY);
  assert.equal(result.error, "Command timed out after 1s");
  assert.equal(result.output, "partial\n\n[stderr]\noops");
  assert.equal(await countProcesses(container, /sleep 90/), 0);
  assert.equal(await countProcesses(container, /^sleep 800/), 2);
  assert.equal((await stream.bash("echo on")).output, "on");
});

test("after a cancel everything that the call started is dead", async (t) => {
  const live = await startDocker(t, ONE_SLOT);
  const container = await onlyContainerOf(live.instance);
  const stream = await live.open({ trajectoryId: "a" });
  const running = stream.bash("env -i setsid -f sleep 901; sleep 902", {
    uniqId: "long",
    timeout: { seconds: 600n, nanos: 0 },
  });
  await eventually("both sleep", async () => (await countProcesses(container, /^sleep 90/)) === 2);
  stream.send({ $case: "cancel", value: { uniqId: "long" } });
  assert.equal((await running).status, CallStatus.CALL_STATUS_CANCELLED);
  assert.equal(await countProcesses(container, /sleep 90/), 0);
});

test("two hundred daemons of one call end with its timeout, and its neighbour's calls work", async (t) => {
  const live = await startDocker(t, { slots_per_container: 2, max_containers: 1 });
  const container = await onlyContainerOf(live.instance);
  const [busy, neighbour] = await Promise.all(["a", "b"].map((trajectoryId) => live.open({ trajectoryId })));
  assert.ok(busy && neighbour);
  // It is silent only once all have begun, however long that takes.
  const many = busy.bash("for i in $(seq 200); do setsid -f sleep 900; echo $i; done; echo started; sleep 900", {
    timeout: { seconds: 120n, nanos: 0 },
    noOutputTimeout: { seconds: 5n, nanos: 0 },
  });
  assert.equal((await neighbour.bash("echo fine")).output, "fine");
  assert.equal((await many).status, CallStatus.CALL_STATUS_TIMED_OUT);
  assert.match((await many).output, /\n200\nstarted$/);
  assert.equal(await countProcesses(container, /sleep 900/), 0);
  assert.equal((await busy.bash("echo on")).output, "on");
});
