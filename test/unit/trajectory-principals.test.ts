// What principals have of one directory: trajectories that nobody else finds, and limits of their own.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Allowance, UNLIMITED } from "../../src/core/principal.js";
import { Accounts } from "../../src/trajectory/account.js";
import { FakeClock } from "../support/fake-clock.js";
import { bashCall, TrajectoryWorld } from "../support/trajectory-world.js";

function limited(allowances: Record<string, Partial<Allowance>>) {
  return new TrajectoryWorld({ allowanceOf: (principal) => ({ ...UNLIMITED, ...allowances[principal] }) });
}

describe("two principals", () => {
  test("may each have a trajectory of the same id, with another token, pool and env", () => {
    const world = new TrajectoryWorld();
    const one = world.open({ resumeToken: "one" }, "a");
    const other = world.open({ resumeToken: "two", pool: "other", env: { X: "1" }, group: "g" }, "b");
    assert.notEqual(one.sink.opened.incarnation, other.sink.opened.incarnation);
    assert.equal(world.directory.size, 2);
    assert.equal(world.open({ resumeToken: "one" }, "a").sink.opened.resumed, true);
    assert.equal(one.sink.ended?.reason, "SUPERSEDED");
    assert.equal(other.sink.ended, undefined);
  });

  test("do not learn of each other's, whatever token they know", async () => {
    const world = new TrajectoryWorld();
    const { sink } = world.open({}, "a");
    const unknown = { reason: "TRAJECTORY_UNKNOWN" };
    const nobodys = { reason: "TRAJECTORY_UNKNOWN", message: /there is no trajectory t;/ };
    assert.throws(() => world.open({ requireResume: true }, "b"), nobodys);
    await assert.rejects(world.release(false, "secret", "b"), unknown);
    const key = { trajectoryId: "t", resumeToken: "secret" };
    const work = { kind: "list", recursive: false, entriesMax: 1 } as const;
    const path = Buffer.from(".");
    assert.throws(() => world.directory.transfer("b", key, { path, work }), unknown);
    assert.throws(() => world.directory.transfer("a", key, { path, work }), { reason: "NO_SLOT" });
    const executed = world.execute(bashCall("e"), {}, "b");
    (await world.flight("e")).end();
    assert.equal((await executed).output, "e");
    assert.deepEqual(sink.results, []);
    assert.deepEqual(world.open({}, "a").sink.opened.known, []);
  });

  test("the wrong token stays PERMISSION_DENIED within one", async () => {
    const world = new TrajectoryWorld();
    world.open({}, "a");
    assert.throws(() => world.open({ resumeToken: "wrong" }, "a"), { reason: "WRONG_TOKEN" });
    await assert.rejects(world.release(false, "wrong", "a"), { reason: "WRONG_TOKEN" });
  });

  test("release groups of their own alone", async () => {
    const world = new TrajectoryWorld();
    const [mine, yours] = [world.open({ group: "g" }, "a").sink, world.open({ group: "g" }, "b").sink];
    const release = { target: { group: "g" }, resumeToken: "secret", resetWorkspace: false };
    assert.equal((await world.directory.release("c", release)).released, 0);
    assert.equal((await world.directory.release("a", release)).released, 1);
    assert.deepEqual([mine.ended !== undefined, yours.ended], [true, undefined]);
    assert.equal(world.directory.size, 1);
  });

  test("get back what an earlier server had of them", () => {
    const world = new TrajectoryWorld();
    assert.equal(world.restore([], { principal: "a" }).restored, true);
    assert.equal(world.restore([], { principal: "a" }).restored, false);
    assert.equal(world.restore([], { principal: "b", tokenHash: Buffer.alloc(32) }).restored, true);
    assert.throws(() => world.open({ requireResume: true }, "c"), { reason: "TRAJECTORY_UNKNOWN" });
    assert.throws(() => world.open({}, "b"), { reason: "WRONG_TOKEN" });
    const { binding } = world.restore([], { principal: "d" });
    assert.equal(world.open({}, "d").sink.opened.incarnation, binding.incarnation);
    assert.equal(world.slots.last.bindings[0]?.principal, "d");
  });
});

describe("streams_max", () => {
  test("counts trajectories with a live stream; taking one over is not one more", () => {
    const world = limited({ a: { streamsMax: 2 } });
    const first = world.open({ trajectoryId: "1" }, "a");
    world.open({ trajectoryId: "2" }, "a");
    const refused = { reason: "LIMIT_REACHED", message: /2 live streams \(streams_max\)/ };
    assert.throws(() => world.open({ trajectoryId: "3" }, "a"), refused);
    assert.equal(world.directory.size, 2);
    assert.equal(world.open({ trajectoryId: "2" }, "a").sink.opened.resumed, true);
    world.open({ trajectoryId: "3" }, "b");
    first.at.detach();
    world.open({ trajectoryId: "3" }, "a");
    assert.throws(() => world.open({ trajectoryId: "1" }, "a"), refused);
  });
});

describe("slots_max", () => {
  test("over all pools; who is over it waits without a place in the pool's queue", async () => {
    const world = limited({ a: { slotsMax: 2 } });
    world.slots.free = 0;
    for (const [trajectoryId, pool] of [
      ["1", "default"],
      ["2", "other"],
      ["3", "default"],
    ] as const) {
      world.open({ trajectoryId, pool, acquireSlot: true, group: "g" }, "a");
    }
    world.open({ trajectoryId: "1", acquireSlot: true }, "b");
    const asked = world.slots.acquires.map(({ principal, group }) => `${principal} ${group}`);
    assert.deepEqual(asked, ["a g", "a g", "b "]);
    world.slots.acquires[0]?.grant();
    await world.clock.turn();
    assert.equal(world.slots.acquires.length, 3);
  });

  test("a slot that is given back, lost or refused lets the next one in, by turns of groups, once it is wiped", async () => {
    const world = limited({ a: { slotsMax: 1 } });
    let wipe: (wiped: boolean) => void = () => undefined;
    world.slots.free = 0;
    const open = (trajectoryId: string, group: string) => world.open({ trajectoryId, group, acquireSlot: true }, "a");
    const one = open("1", "g");
    for (const [id, group] of [
      ["2", "g"],
      ["3", "g"],
      ["4", "h"],
    ] as const)
      open(id, group);
    const groups = () => world.slots.acquires.map(({ group }) => group).join("");
    world.slots.acquires[0]?.grant();
    await world.clock.turn();
    assert.equal(groups(), "g");
    world.slots.wiped = new Promise((resolve) => {
      wipe = resolve;
    });
    one.at.release(false);
    await world.clock.turn();
    assert.equal(groups(), "g");
    wipe(true);
    await world.clock.turn();
    assert.equal(groups(), "gg");
    world.slots.acquires[1]?.refuse(new Error("no container"));
    await world.clock.turn();
    assert.equal(groups(), "ggh");
    world.slots.acquires[2]?.grant();
    await world.clock.turn();
    world.slots.last.lose();
    await world.clock.turn();
    assert.equal(groups(), "gghg");
  });

  test("a call that waits too long for it is NOT_STARTED, and told why; another's call is not concerned", async () => {
    const world = limited({ a: { slotsMax: 1 } });
    world.open({ trajectoryId: "1", acquireSlot: true }, "a");
    const { at, sink } = world.open({ trajectoryId: "2" }, "a");
    at.call(bashCall("late", { queueTimeoutS: 3 }));
    const other = world.open({ trajectoryId: "1" }, "b");
    other.at.call(bashCall("prompt"));
    (await world.flight("prompt")).end();
    assert.deepEqual(other.sink.results, ["prompt OK"]);
    await world.clock.advance(3000);
    assert.deepEqual(sink.results, ["late NOT_STARTED"]);
    assert.match(sink.outcome("late").error, /timeout of 3 s; this token's trajectories have the 1 slots .*slots_max/);
    at.call(bashCall("again", { queueTimeoutS: 3 }));
    await world.release(false, "secret", "b").catch(() => undefined);
    await world.directory.release("a", {
      ...{ target: { trajectoryId: "1" }, resumeToken: "secret", resetWorkspace: true },
    });
    (await world.flight("again")).end();
    assert.deepEqual(sink.results, ["late NOT_STARTED", "again OK"]);
  });

  test("what was restored counts; a limit that is raised lets the next in at once", async () => {
    const allowances = { a: { slotsMax: 1 } };
    const world = limited(allowances);
    world.restore([], { principal: "a" });
    world.open({ trajectoryId: "2", acquireSlot: true }, "a");
    assert.equal(world.slots.acquires.length, 0);
    allowances.a.slotsMax = 2;
    world.directory.allowancesChanged();
    await world.clock.turn();
    assert.equal(world.slots.acquires.length, 1);
  });
});

describe("calls_per_s", () => {
  test("a call over it is rejected and may come again; a repeated one costs nothing", async () => {
    const world = limited({ a: { callsPerS: 2 } });
    const { at, sink } = world.open({}, "a");
    for (const uniqId of ["1", "2", "2", "1", "3"]) at.call(bashCall(uniqId));
    const [rejected, ...more] = sink.of("rejected");
    assert.deepEqual([rejected?.uniqId, rejected?.status, more], ["3", "NOT_STARTED", []]);
    assert.match(rejected?.error ?? "", /2 calls a second \(calls_per_s\): send the call again in 500 ms or later/);
    await world.clock.advance(500);
    at.call(bashCall("3"));
    assert.equal(sink.of("rejected").length, 1);
    world.open({}, "b").at.call(bashCall("3"));
  });

  test("over all trajectories, and by Execute: which begins none that it may not call", async () => {
    const world = limited({ a: { callsPerS: 1 } });
    world.open({ trajectoryId: "1" }, "a").at.call(bashCall("c"));
    await assert.rejects(world.execute(bashCall("e"), { trajectoryId: "1" }, "a"), { reason: "LIMIT_REACHED" });
    await assert.rejects(world.execute(bashCall("e"), { trajectoryId: "2" }, "a"), { reason: "LIMIT_REACHED" });
    assert.equal(world.directory.size, 1);
    await world.clock.advance(1000);
    const executed = world.execute(bashCall("e"), { trajectoryId: "2" }, "a");
    (await world.flight("e")).end();
    assert.equal((await executed).output, "e");
    assert.equal((await world.execute(bashCall("e"), { trajectoryId: "2" }, "a")).output, "e");
  });
});

test("of a principal without limits nothing is kept until it has a trajectory", () => {
  const accounts = new Accounts(new FakeClock(), (principal) => ({
    ...UNLIMITED,
    ...(principal === "limited" && { callsPerS: 1 }),
  }));
  assert.notEqual(accounts.of("cert:job-1"), accounts.of("cert:job-1"));
  assert.equal(accounts.of("limited"), accounts.of("limited"));
});
