// The server dies in the middle of its work, and the next one of its instance goes on: nothing is lost, nothing runs twice.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallStatus, Fault } from "../../src/gen/switchyard/v1/call.js";
import { CallState } from "../../src/gen/switchyard/v1/trajectory.js";
import { containersOf, countProcesses, eventually, onlyContainerOf } from "../support/docker-engine.js";
import { instanceSettings, ServerProcess } from "../support/server-process.js";

const TOKEN = "a-token";

/** Runs once a call: what a call leaves to be counted. */
const mark = (name: string) => `echo ${name} >> runs`;

test("kill -9 of the server: the trajectory goes on where it was", async (t) => {
  const settings = instanceSettings(t);
  const first = new ServerProcess(t, settings);
  const before = await first.open(t, { trajectoryId: "a", resumeToken: TOKEN, env: { NAME: "x" } });
  assert.equal((await before.bash(`${mark("acked")}; (sleep 300 & echo $! > daemon)`, { uniqId: "acked" })).output, "");
  before.ack("acked");
  await before.bash(mark("finished"), { uniqId: "finished" });
  const running = `${mark("running")}; while [ ! -e go ]; do sleep 0.05; done; echo done`;
  before.bash(running, { uniqId: "running" }).catch(() => undefined);
  before.bash(mark("queued"), { uniqId: "queued" }).catch(() => undefined);
  const [container] = await containersOf(settings.instance);
  await eventually("the call runs", async () => {
    const other = await first.open(t, { trajectoryId: "b" });
    return (await other.bash("true")).status === CallStatus.CALL_STATUS_OK;
  });
  await first.kill("SIGKILL");
  await before.ended;

  const second = new ServerProcess(t, settings);
  const after = await second.open(t, {
    trajectoryId: "a",
    resumeToken: TOKEN,
    env: { NAME: "x" },
    requireResume: true,
  });
  assert.deepEqual(await containersOf(settings.instance), [container]);
  const { opened } = after;
  assert.equal(opened.resumed, true);
  assert.equal(opened.incarnation, before.opened.incarnation);
  assert.equal(opened.epoch, 2n);
  assert.equal(opened.slotGeneration, 1);
  assert.notEqual(opened.serverId, before.opened.serverId);
  assert.deepEqual(
    opened.known.map(({ uniqId, state }) => [uniqId, state]),
    [
      ["finished", CallState.CALL_STATE_FINISHED],
      ["running", CallState.CALL_STATE_RUNNING],
    ],
  );
  const finished = await after.resultOf("finished");
  assert.equal(finished.status, CallStatus.CALL_STATUS_OK);
  assert.deepEqual(finished.metadata, {
    exit_code: 0,
    timeout: 30,
    isolation: "namespace",
    sandboxed: true,
    network_isolated: true,
  });
  await assert.rejects(
    after.bash(`${mark("acked")}; (sleep 300 & echo $! > daemon)`, { uniqId: "acked" }),
    /no longer kept/,
  );
  // What never began is not known; it runs once when it is sent again, behind what still runs.
  const again = after.bash(mark("queued"), { uniqId: "queued" });
  const repeated = after.bash(running, { uniqId: "running" });
  const go = await second.open(t, { trajectoryId: "a2" });
  assert.equal((await go.bash("true")).status, CallStatus.CALL_STATUS_OK);
  after.send({ $case: "cancel", value: { uniqId: "no such call" } });
  after.send({ $case: "cancel", value: { uniqId: "running" } });
  assert.equal((await repeated).status, CallStatus.CALL_STATUS_CANCELLED);
  assert.equal((await again).status, CallStatus.CALL_STATUS_OK);
  assert.equal(
    (await after.bash("cat runs; kill -0 $(cat daemon) && echo alive; echo $NAME")).output,
    "acked\nfinished\nrunning\nqueued\nalive\nx",
  );
  await second.kill("SIGTERM");
  assert.deepEqual(await containersOf(settings.instance), []);
});

test("a running call that ends while no server lives is answered by the next one", async (t) => {
  const settings = instanceSettings(t);
  const first = new ServerProcess(t, settings);
  const before = await first.open(t, { trajectoryId: "a", resumeToken: TOKEN });
  assert.equal((await before.bash("true")).status, CallStatus.CALL_STATUS_OK);
  before
    .bash(`${mark("long")}; sleep 2; head -c 3000000 /dev/zero | tr '\\0' x; exit 7`, { uniqId: "long" })
    .catch(() => undefined);
  const executed = await first.open(t, { trajectoryId: "b", resumeToken: TOKEN });
  assert.equal((await executed.bash("true")).status, CallStatus.CALL_STATUS_OK);
  await first.kill("SIGKILL");
  await new Promise((resolve) => setTimeout(resolve, 2500));
  const second = new ServerProcess(t, settings);
  const after = await second.open(t, { trajectoryId: "a", resumeToken: TOKEN });
  const result = await after.resultOf("long");
  assert.equal(result.status, CallStatus.CALL_STATUS_NONZERO_EXIT);
  assert.equal(result.exitCode, 7);
  assert.equal(result.outputBytesTotal, 3_000_000n);
  assert.equal(result.truncated, true);
  assert.equal((await after.bash("cat runs", { uniqId: "look" })).output, "long");
  await second.kill("SIGTERM");
});

test("another token, pool or env is refused after the server's death as before", async (t) => {
  const settings = instanceSettings(t);
  const first = new ServerProcess(t, settings);
  const before = await first.open(t, { trajectoryId: "a", resumeToken: TOKEN, group: "g" });
  await before.bash("true");
  await first.kill("SIGKILL");
  const second = new ServerProcess(t, settings);
  await assert.rejects(second.open(t, { trajectoryId: "a", resumeToken: "another", group: "g" }), /PERMISSION_DENIED/);
  await assert.rejects(second.open(t, { trajectoryId: "a", resumeToken: TOKEN }), /FAILED_PRECONDITION/);
  const after = await second.open(t, { trajectoryId: "a", resumeToken: TOKEN, group: "g" });
  assert.equal(after.opened.resumed, true);
  await second.kill("SIGTERM");
});

test("a trajectory that nobody comes back for ends with its lease, and its slot serves others", async (t) => {
  const settings = { ...instanceSettings(t, { slots_per_container: 1 }), lease: { default_s: 1 } };
  const first = new ServerProcess(t, settings);
  const before = await first.open(t, { trajectoryId: "a", resumeToken: TOKEN });
  await before.bash("echo secret > file");
  await first.kill("SIGKILL");
  const second = new ServerProcess(t, settings);
  const other = await second.open(t, { trajectoryId: "b" });
  assert.equal((await other.bash("ls -A")).output, "");
  const late = await second.open(t, { trajectoryId: "a", resumeToken: TOKEN });
  assert.equal(late.opened.resumed, false);
  await second.kill("SIGTERM");
});

test("ten deaths in a row, calls running at each: every call once, one result each", async (t) => {
  const settings = instanceSettings(t);
  const results = new Map<string, CallStatus>();
  let server = new ServerProcess(t, settings);
  for (let round = 0; round < 10; round += 1) {
    const stream = await server.open(t, { trajectoryId: "a", resumeToken: TOKEN });
    assert.equal(stream.opened.resumed, round > 0);
    for (const { uniqId } of stream.opened.known) {
      assert(!results.has(uniqId), `${uniqId} came again after its ack`);
      results.set(uniqId, (await stream.resultOf(uniqId)).status);
      stream.ack(uniqId);
    }
    assert.equal((await stream.bash(mark(`s${round}`), { uniqId: `s${round}` })).fault, Fault.FAULT_NONE);
    const long = stream.bash(`${mark(`l${round}`)}; sleep 0.5`, { uniqId: `l${round}` });
    long.catch(() => undefined);
    await eventually("the call began", async () => {
      const look = await server.open(t, { trajectoryId: `look${round}` });
      const { pools } = await server.status(t);
      await look.halfClose();
      return (pools[0]?.slotsLeased ?? 0) > 0;
    });
    await server.kill("SIGKILL");
    server = new ServerProcess(t, settings);
  }
  const stream = await server.open(t, { trajectoryId: "a", resumeToken: TOKEN });
  for (const { uniqId } of stream.opened.known) results.set(uniqId, (await stream.resultOf(uniqId)).status);
  const runs = (await stream.bash("cat runs")).output.split("\n");
  assert.equal(new Set(runs).size, runs.length, "a call ran twice");
  for (const uniqId of runs) assert.equal(results.get(uniqId), CallStatus.CALL_STATUS_OK, uniqId);
  assert.equal((await containersOf(settings.instance)).length, 1);
  await server.kill("SIGTERM");
});

test("its container dies, then the server: calls of the slot before are not run again, and their results come", async (t) => {
  const settings = instanceSettings(t);
  const first = new ServerProcess(t, settings);
  const before = await first.open(t, { trajectoryId: "a", resumeToken: TOKEN });
  assert.equal((await before.bash(`${mark("kept")}; echo kept`, { uniqId: "kept" })).output, "kept");
  assert.equal((await before.bash(mark("acked"), { uniqId: "acked" })).error, "");
  before.ack("acked");
  const lost = before.bash(`${mark("lost")}; sleep 100`, { uniqId: "lost" });
  const container = await onlyContainerOf(settings.instance);
  await eventually("the call runs", () => countProcesses(container, /sleep 100/));
  await container.kill();
  assert.equal((await lost).status, CallStatus.CALL_STATUS_LOST);
  assert.equal((await before.bash(mark("anew"), { uniqId: "anew" })).slotGeneration, 2);
  await first.kill("SIGKILL");

  const second = new ServerProcess(t, settings);
  const after = await second.open(t, { trajectoryId: "a", resumeToken: TOKEN });
  assert.equal(after.opened.incarnation, before.opened.incarnation);
  assert.deepEqual(after.opened.known.map(({ uniqId }) => uniqId).sort(), ["anew", "kept", "lost"]);
  const kept = await after.bash(`${mark("kept")}; echo kept`, { uniqId: "kept" });
  assert.deepEqual([kept.output, kept.slotGeneration, kept.exitCode], ["kept", 1, 0]);
  assert.equal(
    (await after.bash(`${mark("lost")}; sleep 100`, { uniqId: "lost" })).status,
    CallStatus.CALL_STATUS_LOST,
  );
  await assert.rejects(after.bash(mark("acked"), { uniqId: "acked" }), /no longer kept/);
  assert.equal((await after.bash("cat runs", { uniqId: "look" })).output, "anew");
  await second.kill("SIGTERM");
});

test("a container with a network that the policy allows no more is not taken over", async (t) => {
  const settings = instanceSettings(t, { network: "bridge" });
  const first = new ServerProcess(t, { ...settings, policy: { allow_network: true } });
  const before = await first.open(t, { trajectoryId: "a", resumeToken: TOKEN });
  assert.equal((await before.bash("echo kept > file")).metadata?.network_isolated, false);
  const [container = ""] = await containersOf(settings.instance);
  await first.kill("SIGKILL");

  const second = new ServerProcess(t, settings);
  const after = await second.open(t, { trajectoryId: "a", resumeToken: TOKEN });
  assert.equal(after.opened.resumed, false);
  const { metadata, output } = await after.bash("cat file");
  assert.equal(metadata?.network_isolated, true);
  assert.match(output, /No such file/);
  assert.ok(!(await containersOf(settings.instance)).includes(container));
});
