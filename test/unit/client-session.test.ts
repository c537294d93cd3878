// A client's session against a server played by hand, on a fake clock: what is sent again, what is lost, what is final.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SwitchyardClientError } from "../../src/client/errors.js";
import type { TrajectoryEvent } from "../../src/client/events.js";
import type { Failure } from "../../src/client/grpc-error.js";
import type { SessionOptions } from "../../src/client/session.js";
import type { ToolResult } from "../../src/client/tool-result.js";
import { Trajectory } from "../../src/client/trajectory.js";
import type { Reason } from "../../src/core/errors.js";
import { CallStatus, Fault } from "../../src/gen/switchyard/v1/call.js";
import { CallState } from "../../src/gen/switchyard/v1/trajectory.js";
import { FakeClock, settled } from "../support/fake-clock.js";
import { FakeServer } from "../support/fake-uplink.js";

const BACKOFF = { initialMs: 100, maxMs: 1_000 };
const OPEN = { trajectoryId: "t", resumeToken: "token", group: "g", pool: "p", env: { A: "b" }, acquireSlot: true };

class World {
  readonly clock = new FakeClock();
  readonly server = new FakeServer();
  readonly events: TrajectoryEvent[] = [];

  async open(options: Partial<SessionOptions> = {}, opened: object = {}, signal?: AbortSignal): Promise<Trajectory> {
    const trajectory = this.begin(options, signal);
    await settled();
    this.opened(opened);
    return trajectory;
  }

  begin(options: Partial<SessionOptions> = {}, signal?: AbortSignal): Promise<Trajectory> {
    const parts = {
      connect: this.server.connect,
      clock: this.clock,
      random: () => 0.5,
      open: { ...OPEN, lease: undefined },
      requireResume: false,
      onLifeLost: "restart",
      backoff: BACKOFF,
      openTimeoutMs: 30_000,
      reconnectTimeoutMs: 60_000,
      attemptTimeoutMs: 5_000,
      silenceMs: 60_000,
      ...options,
    } as const;
    return Trajectory.open(parts, signal, {
      began: (it) => {
        const events = it.events();
        void (async () => {
          for await (const event of events) this.events.push(event);
        })().catch(() => {});
      },
      ended: () => {},
    });
  }

  /** The server says `opened` on the newest stream. */
  opened(fields: object = {}): void {
    const value = { trajectoryId: "t", incarnation: "life-1", epoch: 1, resumed: false, ...fields };
    this.server.stream.send({ $case: "opened", value });
  }

  result(uniqId: string, fields: object = {}): void {
    const value = { uniqId, success: true, status: CallStatus.CALL_STATUS_OK, fault: Fault.FAULT_NONE, ...fields };
    this.server.stream.send({ $case: "result", value });
  }

  /** The newest stream breaks, and the session opens another. */
  async reconnect(failure: Failure = cut()): Promise<void> {
    const before = this.server.streams.length;
    this.server.stream.end(failure);
    await this.clock.until(() => this.server.streams.length > before, 120_000);
  }
}

function cut(): Failure {
  return { error: new SwitchyardClientError("UNKNOWN", "broken", { code: "UNAVAILABLE" }), retry: true };
}

function final(reason: Reason): Failure {
  return { error: new SwitchyardClientError(reason, `it is ${reason}`), retry: false };
}

const known = (...uniqIds: string[]) => uniqIds.map((uniqId) => ({ uniqId, state: CallState.CALL_STATE_RUNNING }));
const id = (uniqId: string) => ({ uniqId });
const statusOf = ({ status, local }: ToolResult) => `${status}${local ? " local" : ""}`;

test("opens with what was asked for, and sends nothing else before opened came", async () => {
  const world = new World();
  const opening = world.begin();
  await settled();
  assert.deepEqual(
    world.server.stream.frames.map(({ $case }) => $case),
    ["open"],
  );
  const [open] = world.server.stream.sent("open");
  assert.deepEqual(
    { ...open, lease: undefined },
    { ...OPEN, lease: undefined, requireResume: false, outputPositions: [] },
  );
  world.opened({ slotGeneration: 3, lease: { seconds: 7n, nanos: 500_000_000 } });
  const trajectory = await opening;
  assert.equal(trajectory.slotGeneration, 3);
  assert.equal(trajectory.leaseMs, 7_500);
});

test("a result settles its call, and the results of one turn are acknowledged together", async () => {
  const world = new World();
  const trajectory = await world.open();
  const calls = ["a", "b"].map((uniqId) => trajectory.call("bash", { command: "x" }, { uniqId }));
  world.result("b", { output: "bb", exitCode: 0, execTime: { seconds: 1n, nanos: 5_000_000 }, slotGeneration: 1 });
  world.result("a");
  const [a, b] = await Promise.all(calls);
  assert.equal(a?.uniqId, "a");
  assert.deepEqual([b?.output, b?.status, b?.fault, b?.exitCode, b?.execMs], ["bb", "OK", "NONE", 0, 1005]);
  await world.clock.turn();
  assert.deepEqual(world.server.stream.sent("ack"), [{ uniqIds: ["b", "a"] }]);
  assert.equal(trajectory.slotGeneration, 1);
});

test("after a cut, sends again what known does not name, in order and before newer calls", async () => {
  const world = new World();
  const trajectory = await world.open();
  for (const uniqId of ["a", "b", "c"]) void trajectory.call("bash", {}, id(uniqId));
  await world.reconnect();
  void trajectory.call("bash", {}, id("d"));
  assert.deepEqual(world.server.stream.calls, []);
  world.opened({ resumed: true, epoch: 2, known: known("a") });
  assert.deepEqual(world.server.stream.calls, ["b", "c", "d"]);
});

test("when known is truncated, sends again what it does not name, and delivers each result once", async () => {
  const world = new World();
  const trajectory = await world.open();
  const [a, b] = ["a", "b"].map((uniqId) => trajectory.call("bash", {}, { uniqId }));
  await world.reconnect();
  world.opened({ resumed: true, known: known("a"), knownTruncated: true });
  assert.deepEqual(world.server.stream.calls, ["b"]);
  for (const uniqId of ["b", "a", "b", "a"]) world.result(uniqId);
  assert.equal(statusOf((await a) as ToolResult), "OK");
  await b;
  await settled();
  assert.deepEqual(
    world.events.map(({ type }) => type),
    ["disconnected", "reconnected", "result", "result"],
  );
  await world.clock.turn();
  assert.deepEqual(world.server.stream.sent("ack"), [{ uniqIds: ["b", "a"] }]);
});

test("repeats acknowledgements after a cut while it cannot know that they arrived", async () => {
  const world = new World();
  const trajectory = await world.open();
  void trajectory.call("bash", {}, id("a"));
  world.result("a");
  await world.clock.turn();
  void trajectory.call("bash", {}, id("b")); // Its answer proves that the ack of a, which went before it, was read.
  world.result("b");
  await world.clock.turn();
  await world.reconnect();
  world.opened({ resumed: true, known: known("b") });
  assert.deepEqual(world.server.stream.sent("ack"), [{ uniqIds: ["b"] }]);
  world.result("b");
  await settled();
  assert.equal(world.events.filter(({ type }) => type === "result").length, 2);
});

test("in a new life, calls that were sent end LOST, those never sent are sent", async () => {
  const world = new World();
  const trajectory = await world.open({}, { slotGeneration: 1 });
  const sent = trajectory.call("bash", {}, id("sent"));
  await world.reconnect();
  const unsent = trajectory.call("bash", {}, id("unsent"));
  const guarded = trajectory.call("bash", {}, { uniqId: "guarded", slotGeneration: 1 });
  // `resumed` as after an attempt whose `opened` was lost: the incarnation tells.
  world.opened({ resumed: true, incarnation: "life-2" });
  assert.equal(statusOf(await sent), "LOST local");
  assert.equal((await sent).fault, "INFRASTRUCTURE");
  assert.equal(statusOf(await guarded), "NOT_STARTED local");
  assert.deepEqual(world.server.stream.calls, ["unsent"]);
  assert.equal(trajectory.slotGeneration, 0);
  world.result("unsent");
  assert.equal(statusOf(await unsent), "OK");
  await settled();
  const reconnected = world.events.find(({ type }) => type === "reconnected");
  assert.deepEqual(reconnected, {
    type: "reconnected",
    resumed: false,
    incarnation: "life-2",
    slotGeneration: 0,
    lost: ["sent"],
  });
});

test("a call that known did not name surely did not run, and is sent in the next life, too", async () => {
  const world = new World();
  const trajectory = await world.open();
  const call = trajectory.call("bash", {}, id("a"));
  world.server.takes = false;
  await world.reconnect();
  world.opened({ resumed: true });
  assert.deepEqual(world.server.stream.calls, []);
  world.server.takes = true;
  await world.reconnect();
  world.opened({ incarnation: "life-2" });
  assert.deepEqual(world.server.stream.calls, ["a"]);
  world.result("a");
  assert.equal(statusOf(await call), "OK");
});

test("a call that a truncated known did not name may have run, and is LOST in the next life", async () => {
  const world = new World();
  const trajectory = await world.open();
  const call = trajectory.call("bash", {}, id("a"));
  world.server.takes = false;
  await world.reconnect();
  world.opened({ resumed: true, knownTruncated: true });
  await world.reconnect();
  world.opened({ incarnation: "life-2" });
  assert.equal(statusOf(await call), "LOST local");
});

test("onLifeLost fail: asks for the old life once a call was sent, and fails without it", async () => {
  const world = new World();
  const trajectory = await world.open({ onLifeLost: "fail" });
  await world.reconnect();
  assert.equal(world.server.stream.sent("open")[0]?.requireResume, false);
  world.opened({ resumed: true });
  const sent = trajectory.call("bash", {}, id("a"));
  await world.reconnect();
  assert.equal(world.server.stream.sent("open")[0]?.requireResume, true);
  const unsent = assert.rejects(trajectory.call("bash", {}, id("b")), { reason: "TRAJECTORY_UNKNOWN" });
  world.server.stream.end(final("TRAJECTORY_UNKNOWN"));
  assert.equal(statusOf(await sent), "LOST local");
  await unsent;
});

for (const reason of ["SUPERSEDED", "WRONG_TOKEN", "INVALID_FIELD"] as const) {
  test(`${reason} is final: pending and later calls reject with it, and no stream follows`, async () => {
    const world = new World();
    const trajectory = await world.open();
    const calls = ["a", "b"].map((uniqId) => assert.rejects(trajectory.call("bash", {}, { uniqId }), { reason }));
    const events = assert.rejects(trajectory.events().next(), { reason });
    world.server.stream.end(final(reason));
    await Promise.all([...calls, events]);
    await assert.rejects(trajectory.call("bash"), { reason });
    await assert.rejects(trajectory.close(), { reason });
    assert.equal(world.clock.timers, 0);
    assert.equal(world.server.streams.length, 1);
  });
}

test("a rejected call rejects, with its status, and the trajectory goes on", async () => {
  const world = new World();
  const trajectory = await world.open();
  const call = trajectory.call("bash", {}, id("a"));
  const value = { uniqId: "a", status: CallStatus.CALL_STATUS_INVALID, fault: Fault.FAULT_CLIENT, error: "no" };
  world.server.stream.send({ $case: "rejected", value });
  await assert.rejects(call, { reason: "REJECTED", status: "INVALID", fault: "CLIENT", message: "no", uniqId: "a" });
  void trajectory.call("bash", {}, id("b"));
  assert.deepEqual(world.server.stream.calls, ["a", "b"]);
});

test("keeps to the server's limit of calls in flight, counting those of earlier clients", async () => {
  const world = new World();
  const trajectory = await world.open({}, { known: known("old"), limits: { unackedCallsMax: 3 } });
  assert.deepEqual([...trajectory.unclaimed], [["old", "RUNNING"]]);
  for (const uniqId of ["a", "b", "c", "d"]) void trajectory.call("bash", {}, { uniqId });
  assert.deepEqual(world.server.stream.calls, ["a", "b"]);
  world.result("a");
  await world.clock.turn();
  assert.deepEqual(
    world.server.stream.frames.slice(-2).map(({ $case }) => $case),
    ["ack", "call"],
  );
  trajectory.discard("old");
  world.result("old");
  await world.clock.turn();
  assert.deepEqual(world.server.stream.sent("ack").at(-1), { uniqIds: ["old"] });
  assert.deepEqual(world.server.stream.calls, ["a", "b", "c", "d"]);
});

test("the result of an earlier client's call stays with the server until the call is repeated", async () => {
  const world = new World();
  const trajectory = await world.open({}, { resumed: true, known: known("old") });
  world.result("old");
  await world.clock.turn();
  assert.deepEqual(world.server.stream.sent("ack"), []);
  assert.equal(world.events.at(-1)?.type, "unclaimed");
  const call = trajectory.call("bash", {}, id("old"));
  assert.deepEqual(world.server.stream.calls, ["old"]);
  world.result("old");
  assert.equal(statusOf(await call), "OK");
});

test("honours the stream's back-pressure", async () => {
  const world = new World();
  const trajectory = await world.open();
  world.server.stream.takes = false;
  for (const uniqId of ["a", "b"]) void trajectory.call("bash", {}, { uniqId });
  assert.deepEqual(world.server.stream.calls, ["a"]);
  world.server.stream.listener.onDrain();
  assert.deepEqual(world.server.stream.calls, ["a", "b"]);
});

test("a signal cancels its call: a sent one by a cancel, also after a cut; an unsent one here", async () => {
  const world = new World();
  const trajectory = await world.open({}, { limits: { unackedCallsMax: 2 } });
  const { signal, abort } = withAbort();
  const [a, b, c] = ["a", "b", "c"].map((uniqId) => trajectory.call("bash", {}, { uniqId, signal }));
  abort();
  assert.equal(statusOf((await c) as ToolResult), "CANCELLED local");
  assert.deepEqual(world.server.stream.sent("cancel"), [{ uniqId: "a" }, { uniqId: "b" }]);
  assert.equal(statusOf(await trajectory.call("bash", {}, { signal })), "CANCELLED local");
  await world.reconnect();
  world.opened({ resumed: true, known: known("a") });
  assert.deepEqual(world.server.stream.sent("cancel"), [{ uniqId: "a" }]);
  assert.equal(statusOf((await b) as ToolResult), "CANCELLED local");
  world.result("a", { success: false, status: CallStatus.CALL_STATUS_CANCELLED, fault: Fault.FAULT_CLIENT });
  assert.equal(statusOf((await a) as ToolResult), "CANCELLED");
});

function withAbort(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort(new Error("enough")) };
}

test("the trajectory's signal rejects what is pending and releases", async () => {
  const world = new World();
  const { signal, abort } = withAbort();
  const trajectory = await world.open({}, {}, signal);
  const call = assert.rejects(trajectory.call("bash"), { reason: "CLOSED" });
  abort();
  await call;
  assert.equal(world.server.stream.sent("release").length, 1);
  await assert.rejects(trajectory.close(), { reason: "CLOSED" });
});

test("close sends and acknowledges everything, half-closes, and resolves when the stream ended OK", async () => {
  const world = new World();
  const trajectory = await world.open();
  const call = trajectory.call("bash", {}, id("a"));
  const closed = trajectory.close();
  await assert.rejects(trajectory.call("bash"), { reason: "CLOSED" });
  assert.equal(world.server.stream.halfClosed, false);
  world.result("a");
  await call;
  await world.clock.turn();
  assert.deepEqual(world.server.stream.sent("ack"), [{ uniqIds: ["a"] }]);
  assert.equal(world.server.stream.halfClosed, true);
  world.server.stream.end();
  await closed;
  assert.equal(world.clock.timers, 0);
});

test("a close that was cut off is repeated, and done when the server forgot the trajectory", async () => {
  const world = new World();
  const trajectory = await world.open();
  const closed = trajectory.close();
  assert.equal(world.server.stream.halfClosed, true);
  await world.reconnect();
  assert.equal(world.server.stream.sent("open")[0]?.requireResume, true);
  world.opened({ resumed: true });
  assert.equal(world.server.stream.halfClosed, true);
  await world.reconnect();
  world.server.stream.end(final("TRAJECTORY_UNKNOWN"));
  await closed;
});

test("release cancels what is unsent here, and says whether the slot was wiped", async () => {
  const world = new World();
  const trajectory = await world.open({}, { limits: { unackedCallsMax: 1 } });
  const [a, b] = ["a", "b"].map((uniqId) => trajectory.call("bash", {}, { uniqId }));
  const released = trajectory.release({ resetWorkspace: true });
  assert.equal(statusOf((await b) as ToolResult), "CANCELLED local");
  assert.deepEqual(world.server.stream.sent("release"), [{ resetWorkspace: true }]);
  world.result("a", { success: false, status: CallStatus.CALL_STATUS_CANCELLED, fault: Fault.FAULT_CLIENT });
  assert.equal(statusOf((await a) as ToolResult), "CANCELLED");
  world.server.stream.send({ $case: "released", value: { wiped: true } });
  world.server.stream.end();
  assert.deepEqual(await released, { wiped: true });
});

test("go_away: calls wait, results still come, and it reconnects when asked to", async () => {
  const world = new World();
  const trajectory = await world.open();
  const a = trajectory.call("bash", {}, id("a"));
  world.server.stream.send({ $case: "goAway", value: { reason: "bye", reconnectAfter: { seconds: 9n, nanos: 0 } } });
  void trajectory.call("bash", {}, id("b"));
  world.result("a");
  assert.equal(statusOf(await a), "OK");
  assert.deepEqual(world.server.stream.calls, ["a"]);
  const leftMs = world.clock.now();
  await world.reconnect();
  assert.equal(world.clock.now() - leftMs, 9_000 + 50);
  world.opened({ incarnation: "life-2" });
  assert.deepEqual(world.server.stream.calls, ["b"]);
});

test("slot_lost is told, also one that happened while there was no stream", async () => {
  const world = new World();
  const trajectory = await world.open({}, { slotGeneration: 1 });
  world.server.stream.send({ $case: "slotLost", value: { slotGeneration: 1, reason: "died" } });
  assert.equal(trajectory.slotGeneration, 0);
  void trajectory.call("bash", {}, id("a"));
  world.result("a", { slotGeneration: 2 });
  assert.equal(trajectory.slotGeneration, 2);
  await world.reconnect();
  world.opened({ resumed: true, slotGeneration: 0 });
  await settled();
  const lost = world.events.flatMap((event) => (event.type === "slot_lost" ? [event.slotGeneration] : []));
  assert.deepEqual(lost, [1, 2]);
});

test("silence: after 60 s the stream is cut and replaced; any frame counts", async () => {
  const world = new World();
  await world.open();
  await world.clock.advance(50_000);
  world.server.stream.send({ $case: "heartbeat", value: {} });
  const [first] = world.server.streams;
  await world.clock.advance(60_500);
  assert.equal(first?.suspect, undefined);
  await world.clock.until(() => world.server.streams.length === 2, 1_000);
  assert.equal(first?.suspect, true);
});

test("an attempt that brings no opened is replaced, and open gives up in the end", async () => {
  const world = new World();
  const opening = assert.rejects(world.begin(), { reason: "UNREACHABLE" });
  await settled();
  await world.clock.until(() => world.server.streams.length > 1, 6_200);
  assert.equal(world.server.streams[0]?.suspect, true);
  await world.clock.advance(40_000);
  await opening;
  assert.ok(world.server.streams.length >= 4);
  assert.equal(world.clock.timers, 0);
});

test("waits double with each attempt up to the bound, and begin anew after a result", async () => {
  const world = new World();
  const trajectory = await world.open();
  const waits = async () => {
    const beforeMs = world.clock.now();
    await world.reconnect();
    return world.clock.now() - beforeMs;
  };
  const seen: number[] = [];
  for (let attempt = 0; attempt < 6; attempt += 1) seen.push(await waits());
  assert.deepEqual(seen, [50, 100, 200, 400, 500, 500]);
  world.opened({ resumed: true });
  void trajectory.call("bash", {}, id("a"));
  world.result("a");
  assert.equal(await waits(), 50);
});

test("gives up when no connection comes in time, and every pending call rejects", async () => {
  const world = new World();
  const trajectory = await world.open();
  const call = assert.rejects(trajectory.call("bash"), { reason: "UNREACHABLE" });
  const attempts = async () => {
    for (;;) {
      await world.reconnect();
    }
  };
  await assert.rejects(attempts(), /not reached/);
  await call;
  assert.equal(world.clock.timers, 0);
});

test("malformed calls are refused before they are sent", async () => {
  const world = new World();
  const trajectory = await world.open({}, { limits: { requestBytesMax: 1000 } });
  await assert.rejects(trajectory.call("bash", {}, id("a b")), { reason: "INVALID_FIELD" });
  await assert.rejects(trajectory.call("bash", {}, { timeoutS: Number.NaN }), { reason: "INVALID_FIELD" });
  await assert.rejects(trajectory.call("bash", { a: 1n }), { reason: "INVALID_FIELD" });
  await assert.rejects(trajectory.call("bash", { a: "x".repeat(1000) }), { reason: "LIMIT_REACHED" });
  void trajectory.call("bash", {}, id("a"));
  await assert.rejects(trajectory.call("bash", {}, id("a")), { reason: "CALL_CONFLICT" });
  assert.deepEqual(world.server.stream.calls, ["a"]);
});

test("a reader of events that does not read ends, and the trajectory goes on", async () => {
  const world = new World();
  const trajectory = await world.open();
  const idle = trajectory.events();
  for (let count = 0; count <= 10_000; count += 1) {
    world.server.stream.send({ $case: "slotLost", value: { slotGeneration: 1, reason: "" } });
  }
  await assert.rejects(idle.next(), { reason: "EVENTS_OVERFLOW" });
  assert.equal((await idle.next()).done, true);
  void trajectory.call("bash", {}, id("a"));
  assert.deepEqual(world.server.stream.calls, ["a"]);
});
