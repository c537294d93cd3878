// One stream after another on a trajectory: opening, taking over, replay and acknowledgement.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bindingOf } from "../support/outcomes.js";
import { bashCall, TrajectoryWorld, tokenHash } from "../support/trajectory-world.js";

describe("opening", () => {
  test("a new trajectory says so", () => {
    const { sink } = new TrajectoryWorld().open();
    const { resumed, epoch, slotGeneration, known, knownTruncated, trajectoryId } = sink.opened;
    assert.deepEqual(
      { resumed, epoch, slotGeneration, known, knownTruncated, trajectoryId },
      { resumed: false, epoch: 1, slotGeneration: 0, known: [], knownTruncated: false, trajectoryId: "t" },
    );
  });

  test("acquire_slot asks for the slot before the first call", async () => {
    const world = new TrajectoryWorld();
    const { sink, at } = world.open({ acquireSlot: true, group: "g", env: { A: "1" } });
    await world.clock.turn();
    assert.equal(world.slots.acquires[0]?.group, "g");
    const { incarnation } = sink.opened;
    const beganUnixMs = world.clock.unixMs();
    const binding = {
      generation: 1,
      env: { A: "1" },
      group: "g",
      incarnation,
      beganUnixMs,
      tokenHash: tokenHash("secret"),
    };
    assert.deepEqual(world.slots.last.bindings, [bindingOf("t", binding)]);
    at.call(bashCall("a"));
    await world.flight("a");
    assert.equal(world.slots.acquires.length, 1);
  });

  test("an unknown pool is named, and so are those that there are", () => {
    const world = new TrajectoryWorld();
    assert.throws(() => world.open({ pool: "gpu" }), {
      reason: "UNKNOWN_POOL",
      message: "no pool is named gpu; there are: default, other",
    });
    assert.equal(world.open().sink.opened.resumed, false);
  });

  test("each pool has its own timeout", async () => {
    const world = new TrajectoryWorld();
    const { flight } = await world.running("a", { pool: "other" });
    assert.equal(flight.entry.timeoutS, 7);
  });

  test("require_resume fails rather than start anew", () => {
    const world = new TrajectoryWorld();
    assert.throws(() => world.open({ requireResume: true }), { reason: "TRAJECTORY_UNKNOWN" });
    world.open();
    assert.equal(world.open({ requireResume: true }).sink.opened.resumed, true);
  });
});

describe("whose trajectory it is", () => {
  test("a wrong token is refused, and nothing is disturbed", async () => {
    const world = new TrajectoryWorld();
    const { sink, flight } = await world.running("a");
    const stranger = { resumeToken: "guess" };
    assert.throws(() => world.open(stranger), { reason: "WRONG_TOKEN" });
    assert.throws(() => world.open({ resumeToken: "" }), { reason: "WRONG_TOKEN" });
    await assert.rejects(world.execute(bashCall("e"), stranger), { reason: "WRONG_TOKEN" });
    await assert.rejects(world.release(false, "guess"), { reason: "WRONG_TOKEN" });
    flight.end();
    assert.deepEqual(sink.results, ["a OK"]);
    assert.equal(sink.ended, undefined);
  });

  test("an empty token protects nothing", () => {
    const world = new TrajectoryWorld();
    world.open({ resumeToken: "" });
    assert.equal(world.open({ resumeToken: "" }).sink.opened.resumed, true);
  });

  for (const [what, fields] of Object.entries({
    pool: { pool: "other" },
    group: { group: "g" },
    "one more env": { env: { A: "1", B: "2" } },
    "another env": { env: { A: "2" } },
    "no env": { env: {} },
  })) {
    test(`a reopen with another ${what} is refused, and the stream lives`, () => {
      const world = new TrajectoryWorld();
      const { sink } = world.open({ env: { A: "1" } });
      assert.throws(() => world.open({ env: { A: "1" }, ...fields }), { reason: "TRAJECTORY_MISMATCH" });
      assert.equal(sink.ended, undefined);
      assert.equal(world.open({ env: { A: "1" }, pool: "default" }).sink.opened.resumed, true);
    });
  }
});

describe("taking over", () => {
  test("the newest stream wins; the older ends SUPERSEDED and moves nothing any more", async () => {
    const world = new TrajectoryWorld();
    const old = await world.running("a");
    const { sink, at } = world.open();
    assert.equal(old.sink.ended?.reason, "SUPERSEDED");
    assert.equal(sink.opened.resumed, true);
    assert.equal(sink.opened.epoch, 2);
    assert.equal(sink.opened.incarnation, old.sink.opened.incarnation);
    assert.equal(sink.opened.slotGeneration, 1);
    assert.deepEqual(sink.opened.known, [{ uniqId: "a", state: "running" }]);
    old.at.call(bashCall("ghost"));
    old.at.cancel("a");
    old.at.release(true);
    old.at.halfClose();
    old.at.detach();
    await world.clock.advance(10_000_000);
    assert.equal(old.flight.cancelled, false);
    old.flight.end();
    assert.deepEqual(sink.results, ["a OK"]);
    at.call(bashCall("b"));
    (await world.flight("b")).end();
    assert.deepEqual(sink.results, ["a OK", "b OK"]);
    assert.equal(sink.ended, undefined);
  });
});

describe("replay", () => {
  test("a resumed stream gets what is not acknowledged, once, oldest first, and then what still runs", async () => {
    const world = new TrajectoryWorld();
    const first = world.open();
    for (const uniqId of ["a", "b", "c", "d"]) first.at.call(bashCall(uniqId));
    for (const uniqId of ["a", "b"]) (await world.flight(uniqId)).end();
    const running = (await world.flight("c")).start();
    first.at.ack(["a"]);
    first.at.detach();
    const { sink } = world.open();
    assert.deepEqual(sink.opened.known, [
      { uniqId: "b", state: "finished" },
      { uniqId: "c", state: "running" },
      { uniqId: "d", state: "queued" },
    ]);
    running.end();
    (await world.flight("d")).end();
    assert.deepEqual(sink.results, ["b OK", "c OK", "d OK"]);
  });

  test("as often as it takes, until it is acknowledged", async () => {
    const world = new TrajectoryWorld();
    (await world.running("a")).flight.end();
    for (let round = 0; round < 3; round++) assert.deepEqual(world.open().sink.results, ["a OK"]);
    world.open().at.ack(["a"]);
    assert.deepEqual(world.open().sink.results, []);
  });

  test("opened names 1,000 calls at most, and says that there are more", () => {
    const world = new TrajectoryWorld({ ledger: { callsMax: 2000, bytesMax: 1 << 24 } });
    const { at } = world.open();
    for (let count = 0; count < 1001; count++) at.call(bashCall(`c${count}`));
    const { known, knownTruncated } = world.open().sink.opened;
    assert.equal(known.length, 1000);
    assert.equal(knownTruncated, true);
  });

  test("the results of Execute go to the caller that asked, and to no stream", async () => {
    const world = new TrajectoryWorld();
    const { sink } = world.open();
    const executed = world.execute(bashCall("e"));
    (await world.flight("e")).end();
    await executed;
    assert.deepEqual(sink.results, []);
    assert.deepEqual(world.open().sink.kinds, ["opened"]);
  });
});

describe("a uniq_id that comes again", () => {
  test("while it runs: one execution, one result", async () => {
    const world = new TrajectoryWorld();
    const { sink, at, flight } = await world.running("a");
    at.call(bashCall("a"));
    flight.end();
    await world.clock.turn();
    assert.deepEqual(sink.results, ["a OK"]);
    assert.equal(world.flights.length, 1);
  });

  test("after its end: the result again, no execution", async () => {
    const world = new TrajectoryWorld();
    const { sink, at, flight } = await world.running("a");
    flight.end();
    at.call(bashCall("a"));
    assert.deepEqual(sink.results, ["a OK", "a OK"]);
    assert.equal(world.flights.length, 1);
  });

  test("with other content: rejected, and the first call's result is unharmed", async () => {
    const world = new TrajectoryWorld();
    const { sink, at, flight } = await world.running("a");
    at.call(bashCall("a", { arguments: { command: "other" } }));
    assert.deepEqual(sink.of("rejected"), [
      {
        kind: "rejected",
        uniqId: "a",
        status: "INVALID",
        error: "uniq_id a was used before for another call; choose a new one",
      },
    ]);
    flight.end();
    assert.equal(sink.outcome("a").output, "a");
  });

  test("acknowledged: rejected, with the same content too", async () => {
    const world = new TrajectoryWorld();
    const { sink, at, flight } = await world.running("a");
    flight.end();
    at.ack(["a", "a", "nobody"]);
    at.call(bashCall("a"));
    assert.match(sink.of("rejected")[0]?.error ?? "", /its result is no longer kept/);
    assert.equal(world.flights.length, 1);
  });

  test("an acknowledgement on a later stream counts", async () => {
    const world = new TrajectoryWorld();
    const { at, flight } = await world.running("a");
    flight.end();
    at.detach();
    world.open().at.ack(["a"]);
    assert.deepEqual(world.open().sink.results, []);
  });
});
