// The client library against a real server, over connections that break.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { TrajectoryEvent } from "../../src/client/events.js";
import { CallRejectedError, SwitchyardClient, type ToolResult, type Trajectory } from "../../src/client/index.js";
import { FaultProxy } from "../support/fault-proxy.js";
import { type LiveService, startLive } from "../support/live-service.js";

const BACKOFF = { initialMs: 10, maxMs: 200 };

let live: LiveService;
before(async () => {
  live = await startLive("process");
});
after(async () => {
  await live.close();
});

/** Resolves when the calls made so far have been accepted and none of them waits: an unknown tool is answered on arrival. */
async function underWay(trajectory: Trajectory, service = live): Promise<void> {
  await trajectory.call("nonsense");
  await service.statusIs(({ queueSize }) => queueSize === 0n);
}

interface Scope {
  after(cleanUp: () => unknown): void;
}

function clientOf(scope: Scope, address: string, options = {}): SwitchyardClient {
  const client = new SwitchyardClient(address, { backoff: BACKOFF, ...options });
  scope.after(() => client.close());
  return client;
}

async function proxied(scope: Scope): Promise<{ proxy: FaultProxy; client: SwitchyardClient }> {
  const proxy = await FaultProxy.start(live.address);
  scope.after(() => proxy.close());
  return { proxy, client: clientOf(scope, proxy.address) };
}

/** The next event of a type. */
async function next<T extends TrajectoryEvent["type"]>(
  events: AsyncIterableIterator<TrajectoryEvent>,
  type: T,
): Promise<Extract<TrajectoryEvent, { type: T }>> {
  for (;;) {
    const step = await events.next();
    if (step.done) throw new Error(`the trajectory ended before ${type}`);
    if (step.value.type === type) return step.value as Extract<TrajectoryEvent, { type: T }>;
  }
}

test("runs tools, and says how each call ended", async (t) => {
  const client = clientOf(t, live.address);
  const trajectory = await client.open({ env: { NAME: "world" }, group: "g" });
  const [written, ran, slow, unknown] = await Promise.all([
    trajectory.call("write_file", { path: "hello.sh", content: "echo hello $NAME\n" }),
    trajectory.call("bash", { command: "bash hello.sh; exit 3" }),
    trajectory.call("bash", { command: "sleep 20" }, { timeoutS: 1 }),
    trajectory.call("nonsense"),
  ]);
  assert.equal(written.success, true);
  assert.deepEqual([ran.status, ran.fault, ran.exitCode, ran.output], ["NONZERO_EXIT", "NONE", 3, "hello world"]);
  assert.equal(ran.metadata.exit_code, 3);
  assert.equal(trajectory.slotGeneration, 1);
  assert.deepEqual([slow.status, slow.fault, slow.exitCode], ["TIMED_OUT", "POLICY", undefined]);
  assert.ok(slow.execMs >= 1_000 && slow.execMs < 20_000, String(slow.execMs));
  assert.deepEqual([unknown.status, unknown.error], ["UNKNOWN_TOOL", "Unknown tool: nonsense"]);
  await trajectory.close();
  await live.statusIs(({ pools }) => pools.every(({ slotsLeased }) => slotsLeased === 0));
});

test("a connection that is cut again and again: each call runs once, and its result comes once", async (t) => {
  const { proxy, client } = await proxied(t);
  const trajectory = await client.open({ acquireSlot: true });
  const events = trajectory.events();
  const results: string[] = [];
  const read = (async () => {
    for await (const event of events) if (event.type === "result") results.push(event.result.uniqId);
  })();
  const outcomes: ToolResult[] = [];
  for (let round = 0; round < 40; round += 1) {
    const reconnected = trajectory.events();
    const calls = Array.from({ length: 5 }, (_, index) =>
      trajectory.call("bash", { command: `echo ${round}.${index} >> log; sleep 0.0${index}` }),
    );
    // At another moment of the calls each time: as they are written, or after the result of one of them.
    if (round % 5 > 0) await calls[(round % 5) - 1];
    proxy.breakAll("reset");
    await next(reconnected, "reconnected");
    outcomes.push(...(await Promise.all(calls)));
  }
  const log = await trajectory.call("bash", { command: "cat log" });
  await trajectory.close();
  await read;
  const expected = Array.from({ length: 40 }, (_, round) => [0, 1, 2, 3, 4].map((index) => `${round}.${index}`)).flat();
  assert.equal(log.output, expected.join("\n"));
  assert.deepEqual(new Set(outcomes.map(({ status }) => status)), new Set(["OK"]));
  assert.equal(results.length, 201);
  assert.equal(new Set(results).size, 201);
  assert.equal(trajectory.incarnation !== "" && proxy.accepted > 40, true);
});

test("a connection that falls silent: the stream moves to another one", async (t) => {
  const proxy = await FaultProxy.start(live.address);
  t.after(() => proxy.close());
  const client = clientOf(t, proxy.address, { silenceMs: 200 });
  const trajectory = await client.open();
  const events = trajectory.events();
  await trajectory.call("bash", { command: "echo once >> log" });
  const { accepted } = proxy;
  for (const connection of proxy.connections) connection.freeze();
  const result = trajectory.call("bash", { command: "echo twice >> log; cat log" });
  assert.match((await next(events, "disconnected")).error.message, /silent for 200 ms/);
  assert.equal((await next(events, "reconnected")).resumed, true);
  assert.equal((await result).output, "once\ntwice");
  assert.ok(proxy.accepted > accepted);
  await trajectory.close();
});

test("after the lease: calls that were sent end LOST, those that were not are sent to the new life", async (t) => {
  const { proxy, client } = await proxied(t);
  const trajectory = await client.open({ leaseS: 0.05 });
  const { incarnation } = trajectory;
  await trajectory.call("bash", { command: "echo here > file" });
  const events = trajectory.events();
  const sent = trajectory.call("bash", { command: "sleep 60" });
  await underWay(trajectory);
  proxy.sever();
  await next(events, "disconnected");
  const unsent = trajectory.call("bash", { command: "ls" });
  const guarded = trajectory.call("bash", { command: "cat file" }, { slotGeneration: trajectory.slotGeneration });
  await live.statusIs(({ pools }) => pools.every(({ slotsLeased }) => slotsLeased === 0));
  proxy.target = live.address;
  const lost = await sent;
  assert.deepEqual([lost.status, lost.fault, lost.local], ["LOST", "INFRASTRUCTURE", true]);
  assert.deepEqual([(await guarded).status, (await guarded).local], ["NOT_STARTED", true]);
  assert.deepEqual([(await unsent).status, (await unsent).output], ["OK", ""]);
  const reconnected = await next(events, "reconnected");
  assert.deepEqual([reconnected.resumed, reconnected.lost], [false, [lost.uniqId]]);
  assert.notEqual(trajectory.incarnation, incarnation);
  await trajectory.close();
});

test("onLifeLost fail: the trajectory fails with TRAJECTORY_UNKNOWN instead of beginning anew", async (t) => {
  const { proxy, client } = await proxied(t);
  const trajectory = await client.open({ leaseS: 0.05, onLifeLost: "fail" });
  const events = trajectory.events();
  await trajectory.call("bash", { command: "true" });
  proxy.sever();
  await next(events, "disconnected");
  await live.statusIs(({ pools }) => pools.every(({ slotsLeased }) => slotsLeased === 0));
  const call = trajectory.call("bash", { command: "true" });
  proxy.target = live.address;
  await assert.rejects(call, { reason: "TRAJECTORY_UNKNOWN", code: "NOT_FOUND" });
});

test("a takeover ends the older client's calls with SUPERSEDED; the newer one gets their results", async (t) => {
  const client = clientOf(t, live.address);
  const old = await client.open();
  const pending = assert.rejects(old.call("bash", { command: "sleep 0.3; echo done" }, { uniqId: "slow" }), {
    reason: "SUPERSEDED",
    code: "ABORTED",
  });
  const other = clientOf(t, live.address);
  const { trajectoryId, resumeToken } = old;
  await underWay(old);
  const taker = await other.open({ trajectoryId, resumeToken, requireResume: true });
  await pending;
  assert.equal(taker.resumed, true);
  assert.deepEqual([...taker.unclaimed.keys()], ["slow"]);
  const result = await taker.call("bash", { command: "sleep 0.3; echo done" }, { uniqId: "slow" });
  assert.equal(result.output, "done");
  await assert.rejects(taker.call("bash", { command: "other" }, { uniqId: "slow" }), (error: unknown) => {
    assert.ok(error instanceof CallRejectedError);
    assert.deepEqual([error.status, error.fault, error.uniqId], ["INVALID", "CLIENT", "slow"]);
    return true;
  });
  await assert.rejects(other.open({ trajectoryId }), { reason: "WRONG_TOKEN", code: "PERMISSION_DENIED" });
  await taker.close();
});

test("mistakes in open are final, and named", async (t) => {
  const client = clientOf(t, live.address);
  await assert.rejects(client.open({ pool: "nowhere" }), { reason: "UNKNOWN_POOL", code: "INVALID_ARGUMENT" });
  await assert.rejects(client.open({ trajectoryId: "a b" }), { reason: "INVALID_FIELD" });
  await assert.rejects(client.open({ trajectoryId: "never", requireResume: true }), { reason: "TRAJECTORY_UNKNOWN" });
  const nobody = clientOf(t, "127.0.0.1:1", { openTimeoutMs: 200 });
  await assert.rejects(nobody.open(), { reason: "UNREACHABLE" });
});

test("signals: of a call, which ends CANCELLED, and of a trajectory, which is released", async (t) => {
  const client = clientOf(t, live.address);
  const whole = new AbortController();
  const trajectory = await client.open({ signal: whole.signal });
  const one = new AbortController();
  const slow = trajectory.call("bash", { command: "echo begun; sleep 60" }, { signal: one.signal });
  await underWay(trajectory);
  one.abort();
  const { status, fault, local } = await slow;
  assert.deepEqual([status, fault, local], ["CANCELLED", "CLIENT", false]);
  const pending = assert.rejects(trajectory.call("bash", { command: "sleep 60" }), { reason: "CLOSED" });
  whole.abort();
  await pending;
  await live.statusIs(({ pools }) => pools.every(({ slotsLeased }) => slotsLeased === 0));
});

test("release: running calls end CANCELLED, and the answer waits for the wipe", async (t) => {
  const client = clientOf(t, live.address);
  const trajectory = await client.open();
  await trajectory.call("bash", { command: "true" });
  const calls = [1, 2].map(() => trajectory.call("bash", { command: "sleep 60" }));
  assert.deepEqual(await trajectory.release({ resetWorkspace: true }), { wiped: true });
  for (const call of calls) assert.equal((await call).status, "CANCELLED");
});

test("a release by somebody else ends the trajectory", async (t) => {
  const client = clientOf(t, live.address);
  const trajectory = await client.open();
  const call = trajectory.call("bash", { command: "sleep 60" });
  await underWay(trajectory);
  assert.deepEqual(await client.releaseTrajectory(trajectory, { resetWorkspace: true }), { released: 1, wiped: true });
  assert.equal((await call).status, "CANCELLED");
  await assert.rejects(trajectory.close(), { reason: "TRAJECTORY_ENDED" });
  await assert.rejects(client.releaseTrajectory(trajectory), { reason: "TRAJECTORY_UNKNOWN" });
  const grouped = await client.open({ group: "theirs", resumeToken: "shared" });
  assert.equal((await client.releaseGroup("theirs", { resumeToken: "shared" })).released, 1);
  await assert.rejects(grouped.close(), { reason: "TRAJECTORY_ENDED" });
});

test("requests without a stream", async (t) => {
  const client = clientOf(t, live.address);
  const key = { trajectoryId: "unary", resumeToken: "secret" };
  const result = await client.execute("unary", "bash", { command: "echo hi" }, { resumeToken: "secret" });
  assert.deepEqual([result.status, result.output, result.local], ["OK", "hi", false]);
  await assert.rejects(client.execute("unary", "bash"), { reason: "WRONG_TOKEN" });
  const { signal, abort } = withAbort();
  const slow = client.execute("unary", "bash", { command: "sleep 60" }, { resumeToken: "secret", signal });
  await live.statusIs(({ queueSize }) => queueSize === 0n);
  abort();
  await assert.rejects(slow, /enough/);
  assert.equal((await client.releaseTrajectory(key)).wiped, false);
  const tools = await client.listTools();
  assert.deepEqual(
    tools.map(({ name }) => name).filter((name) => name === "bash" || name === "read_file"),
    ["bash", "read_file"],
  );
  assert.equal(tools[0]?.parameters.type, "object");
  const status = await client.status();
  assert.ok(status.uptimeMs > 0 && status.totalRequests > 0);
  assert.equal(status.pools[0]?.name, "default");
  client.close();
  await assert.rejects(client.status(), { reason: "CLOSED" });
  await assert.rejects(client.open(), { reason: "CLOSED" });
});

function withAbort(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort(new Error("enough")) };
}

test("a client that is closed rejects what is pending, and the trajectory lives on", async (t) => {
  const client = clientOf(t, live.address);
  const trajectory = await client.open();
  const call = assert.rejects(trajectory.call("bash", { command: "sleep 0.2; echo on" }, { uniqId: "a" }), {
    reason: "CLOSED",
  });
  await underWay(trajectory);
  client.close();
  await call;
  const { trajectoryId, resumeToken } = trajectory;
  const later = await clientOf(t, live.address).open({ trajectoryId, resumeToken });
  const result = await later.call("bash", { command: "sleep 0.2; echo on" }, { uniqId: "a" });
  assert.deepEqual([later.resumed, result.output], [true, "on"]);
  await later.close();
});

test("a client that is closed ends its requests: one that is under way, and one that waits to be sent again", async (t) => {
  const { proxy, client } = await proxied(t);
  const execute = assert.rejects(client.execute("unary", "bash", { command: "sleep 0.5; echo on" }, { uniqId: "a" }), {
    reason: "CLOSED",
    message: "the client was closed",
  });
  await live.statusIs(({ pools }) => pools.some(({ slotsLeased }) => slotsLeased === 1));
  const patient = clientOf(t, proxy.address, { backoff: { initialMs: 600_000, maxMs: 600_000 } });
  const status = assert.rejects(patient.status(), { reason: "CLOSED" });
  await proxy.close();
  client.close();
  patient.close();
  await Promise.all([execute, status]);
  await assert.rejects(client.execute("unary", "bash", { command: "true" }), { reason: "CLOSED" });
  const { output } = await clientOf(t, live.address).execute(
    "unary",
    "bash",
    { command: "sleep 0.5; echo on" },
    { uniqId: "a" },
  );
  assert.equal(output, "on");
  await live.release("unary", false);
});

test("a server that restarts on the same port: go_away, then a new life", async (t) => {
  const first = await startLive("process");
  const { address } = first;
  const client = clientOf(t, address);
  const trajectory = await client.open();
  const events = trajectory.events();
  await trajectory.call("bash", { command: "echo here > file" });
  const running = trajectory.call("bash", { command: "sleep 0.3; echo done" });
  await underWay(trajectory, first);
  const closed = first.close(20_000);
  await next(events, "go_away");
  const waits = trajectory.call("bash", { command: "ls; echo new" });
  assert.deepEqual([(await running).status, (await running).output], ["OK", "done"]);
  await next(events, "disconnected");
  await closed;
  const second = await startLive("process", { listen: address });
  t.after(() => second.close());
  const reconnected = await next(events, "reconnected");
  assert.deepEqual([reconnected.resumed, reconnected.lost], [false, []]);
  assert.deepEqual([(await waits).status, (await waits).output], ["OK", "new"]);
  await trajectory.close();
});

test("the package exports it", async (t) => {
  const exported = await import("switchyard/client");
  const client = new exported.SwitchyardClient(live.address, { openTimeoutMs: 10_000 });
  t.after(() => client.close());
  assert.equal((await client.status()).serverId, (await live.status()).serverId);
});

test("1,000 trajectories at once over three connections, cut in between", async (t) => {
  const { proxy, client } = await proxied(t);
  const opened = await Promise.all(Array.from({ length: 1_000 }, () => client.open()));
  assert.equal(proxy.accepted, 3);
  const ask = (trajectory: Trajectory) => Promise.all([1, 2, 3].map((n) => trajectory.call("nonsense", { n })));
  const before = await Promise.all(opened.map(ask));
  const reconnected = opened.map((trajectory) => next(trajectory.events(), "reconnected"));
  const during = Promise.all(opened.map(ask));
  proxy.breakAll("reset");
  assert.deepEqual(new Set((await Promise.all(reconnected)).map(({ resumed }) => resumed)), new Set([true]));
  const results = [...before, ...(await during)].flat();
  assert.equal(results.length, 6_000);
  assert.deepEqual(new Set(results.map(({ status }) => status)), new Set(["UNKNOWN_TOOL"]));
  await Promise.all(opened.map((trajectory) => trajectory.close()));
});
