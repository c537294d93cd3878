// The server goes in order and leaves its trajectories to the next one of its instance; and an old server that stood still
// and wakes up, when the next one has long taken over, changes nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { containersOf, countProcesses, eventually, onlyContainerOf, runBeside } from "../support/docker-engine.js";
import { instanceSettings, ServerProcess } from "../support/server-process.js";

const TOKEN = "a-token";
const HANDOVER = { shutdown: { handover: true, grace_s: 30 } };

/** Ends the calls that wait for a file `go`. */
async function letGo(container: Awaited<ReturnType<typeof onlyContainerOf>>): Promise<void> {
  await runBeside(container, "sh", "-c", "for slot in /switchyard/slots/*; do touch $slot/workspace/go; done");
}

test("--handover: running calls may end, what waits is not answered, and the next server goes on", async (t) => {
  const settings = instanceSettings(t, {}, HANDOVER);
  const first = new ServerProcess(t, settings);
  const before = await first.open(t, { trajectoryId: "a", resumeToken: TOKEN });
  const container = await onlyContainerOf(settings.instance);
  await before.bash("echo kept > file");
  const running = before.bash("until [ -e go ]; do sleep 0.05; done; echo went", { uniqId: "running" });
  const queued = before.bash("echo later", { uniqId: "queued" });
  await eventually("the call runs", () => countProcesses(container, /until \[ -e go \]/));
  const exit = first.kill("SIGTERM");
  const goAway = await before.first("goAway");
  assert.match(goAway.reason, /shutting down/);
  const late = before.bash("true", { uniqId: "late" });
  late.catch(() => undefined);
  await letGo(container);
  assert.equal((await running).output, "went");
  await assert.rejects(queued, /shutting down/);
  await assert.rejects(late, /shutting down/);
  const { code, stderr } = await exit;
  assert.equal(code, 0, stderr);
  assert.deepEqual(await containersOf(settings.instance), [container.id]);

  const second = new ServerProcess(t, settings);
  const after = await second.open(t, { trajectoryId: "a", resumeToken: TOKEN });
  assert.equal(after.opened.resumed, true);
  assert.equal((await after.resultOf("running")).output, "went");
  assert.equal((await after.bash("echo later", { uniqId: "queued" })).output, "later");
  assert.equal((await after.bash("cat file", { uniqId: "look" })).output, "kept");
  assert.equal(await after.halfClose(), undefined);
  await second.kill("SIGTERM");
  // Nobody has a slot any more, so nothing is left to anyone.
  assert.deepEqual(await containersOf(settings.instance), []);
});

test("--handover with a call that outlasts the grace: it runs on, and its result comes from the next server", async (t) => {
  const settings = instanceSettings(t, {}, { shutdown: { handover: true, grace_s: 0.2 } });
  const first = new ServerProcess(t, settings);
  const before = await first.open(t, { trajectoryId: "a", resumeToken: TOKEN });
  const running = before.bash("echo once >> runs; until [ -e go ]; do sleep 0.05; done; cat runs", {
    uniqId: "running",
  });
  running.catch(() => undefined);
  const container = await onlyContainerOf(settings.instance);
  await eventually("the call runs", () => countProcesses(container, /until \[ -e go \]/));
  assert.equal((await first.kill("SIGTERM")).code, 0);
  const second = new ServerProcess(t, settings);
  const after = await second.open(t, { trajectoryId: "a", resumeToken: TOKEN });
  await letGo(container);
  assert.equal((await after.resultOf("running")).output, "once");
  after.send({ $case: "release", value: { resetWorkspace: true } });
  await after.ended;
  await second.kill("SIGTERM");
});

test("a server that was stopped and wakes up behind its successor ends, and harms nothing", async (t) => {
  // On waking, all of its timers are over at once: leases, idle containers, pings.
  const settings = instanceSettings(
    t,
    { idle_ttl_s: 1, min_containers: 0, slots_per_container: 2 },
    { lease: { default_s: 2 } },
  );
  const first = new ServerProcess(t, settings);
  const before = await first.open(t, { trajectoryId: "a", resumeToken: TOKEN, lease: { seconds: 60n, nanos: 0 } });
  await before.bash("echo kept > file", { uniqId: "acked" });
  before
    .bash("echo once >> runs; until [ -e go ]; do sleep 0.05; done; cat runs", { uniqId: "running" })
    .catch(() => {});
  const container = await onlyContainerOf(settings.instance);
  await eventually("the call runs", () => countProcesses(container, /until \[ -e go \]/));
  const short = await first.open(t, { trajectoryId: "short", resumeToken: TOKEN });
  await short.bash("echo kept > file", { uniqId: "c" });
  process.kill(first.pid, "SIGSTOP");

  const second = new ServerProcess(t, settings);
  const after = await second.open(t, { trajectoryId: "a", resumeToken: TOKEN, lease: { seconds: 60n, nanos: 0 } });
  const shortAfter = await second.open(t, { trajectoryId: "short", resumeToken: TOKEN });
  assert.equal(after.opened.resumed, true);
  assert.equal(shortAfter.opened.resumed, true);
  const big = "x".repeat(90_000);
  assert.equal((await shortAfter.call("write_file", { path: "big", content: big }, { uniqId: "w" })).success, true);
  process.kill(first.pid, "SIGCONT");
  const { code, stderr } = await first.exited;
  assert.equal(code, 1);
  assert.match(stderr, /another server of this instance has taken over/);
  assert.equal(await before.ended.then((error) => error !== undefined), true);
  assert.deepEqual(
    before.frames.flatMap((frame) => (frame.$case === "result" ? [frame.value.uniqId] : [])),
    ["acked"],
    "the old server gave out a result that was not its own to give",
  );

  const [id] = await containersOf(settings.instance);
  assert.equal(id, container.id);
  assert.equal((await shortAfter.bash("cat file; wc -c < big", { uniqId: "d" })).output, "kept\n90000");
  await letGo(container);
  assert.equal((await after.resultOf("running")).output, "once");
  assert.equal((await after.bash("cat file", { uniqId: "e" })).output, "kept");
  assert.equal(
    after.frames.some(({ $case }) => $case === "slotLost"),
    false,
  );
  await second.kill("SIGTERM");
  assert.equal((await containersOf(settings.instance)).length, 0);
});

test("a second server of an instance that lives is refused", async (t) => {
  const settings = instanceSettings(t);
  const first = new ServerProcess(t, settings);
  await first.ready;
  const second = new ServerProcess(t, settings);
  const { code, stderr } = await second.exited;
  assert.equal(code, 1);
  assert.match(stderr, /already runs on this machine/);
  await first.kill("SIGTERM");
});

test("two hundred trajectories with slots are handed over, all of them", async (t) => {
  const settings = instanceSettings(
    t,
    { slots_per_container: 100, min_containers: 2, max_containers: 2, memory_mb: 8192, pids: 20_000 },
    HANDOVER,
  );
  const names = Array.from({ length: 200 }, (_, at) => `t${at}`);
  const first = new ServerProcess(t, settings);
  const before = await Promise.all(names.map((trajectoryId) => first.open(t, { trajectoryId, resumeToken: TOKEN })));
  const written = await Promise.all(
    before.map((stream, at) => stream.bash(`echo ${names[at]} > name`, { uniqId: "w" })),
  );
  assert(written.every(({ status }) => status === CallStatus.CALL_STATUS_OK));
  assert.equal((await first.kill("SIGTERM")).code, 0);
  assert(before.every((stream) => stream.frames.some(({ $case }) => $case === "goAway")));
  const second = new ServerProcess(t, settings);
  const after = await Promise.all(names.map((trajectoryId) => second.open(t, { trajectoryId, resumeToken: TOKEN })));
  assert(after.every(({ opened }) => opened.resumed));
  const read = await Promise.all(after.map((stream) => stream.bash("cat name", { uniqId: "r" })));
  assert.deepEqual(
    read.map(({ output }) => output),
    names,
  );
  await Promise.all(after.map((stream) => stream.halfClose()));
  assert.equal((await second.kill("SIGTERM")).code, 0);
});
