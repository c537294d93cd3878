// External calls in a trajectory: beside its sandbox calls, in the same ledger, ended by what ends others.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { JsonObject } from "../../src/core/json.js";
import type { Outcome } from "../../src/core/outcome.js";
import { Catalogue } from "../../src/tools/catalogue.js";
import type { ExternalRoute, ExternalRun } from "../../src/tools/external/external-tools.js";
import { settled } from "../support/fake-clock.js";
import { okOutcome } from "../support/outcomes.js";
import { bashCall, TrajectoryWorld } from "../support/trajectory-world.js";

/** A call in the hands of an external server, which does what the test says. */
class Sent {
  slot: ReturnType<ExternalRun["begin"]>;
  isBegun = false;
  readonly outcome: Promise<Outcome>;
  answer: (outcome: Outcome) => void = () => undefined;

  constructor(
    readonly run: ExternalRun,
    readonly call: { readonly arguments: JsonObject; readonly timeoutS: number },
    begins: boolean,
  ) {
    this.outcome = new Promise((resolve, reject) => {
      this.answer = resolve;
      run.signal.addEventListener("abort", () => reject(run.signal.reason));
      try {
        if (begins) this.begin();
      } catch (error) {
        reject(error);
      }
    });
  }

  begin(): void {
    this.isBegun = true;
    this.slot = this.run.begin();
  }
}

class ExternalWorld extends TrajectoryWorld {
  readonly sent: Sent[];
  /** Whether calls are sent at once, or wait for the test's `begin`. */
  readonly room: { isThere: boolean };

  constructor(fields: ConstructorParameters<typeof TrajectoryWorld>[0] = {}) {
    const sent: Sent[] = [];
    const room = { isThere: true };
    const route: ExternalRoute = {
      timeoutDefaultS: 12,
      run: (call, run) => {
        const one = new Sent(run, call, room.isThere);
        sent.push(one);
        return one.outcome;
      },
    };
    const external = { route: (name: string) => (name === "search" ? route : undefined), list: async () => [] };
    const timeouts = { minS: 1, maxS: 600 };
    super({ catalogue: new Catalogue({ limits: { fileBytesMax: 1000 }, timeouts, external }), ...fields });
    this.sent = sent;
    this.room = room;
  }

  /** The newest that is with the server. */
  get last(): Sent {
    const last = this.sent.at(-1);
    assert(last, "nothing was sent");
    return last;
  }
}

function searchCall(uniqId: string, fields: Parameters<typeof bashCall>[1] = {}) {
  return bashCall(uniqId, { tool: "search", arguments: { q: uniqId, timeout: 5 }, ...fields });
}

describe("an external call", () => {
  test("runs beside the trajectory's sandbox call, and without a slot where there is none", async () => {
    const world = new ExternalWorld();
    const { at, sink } = world.open();
    at.call(searchCall("e1"));
    assert.equal(world.last.slot, undefined);
    assert.equal(world.slots.acquires.length, 0);
    at.call(bashCall("s1"));
    const flight = await world.flight("s1");
    flight.start();
    at.call(searchCall("e2"));
    assert.deepEqual(world.last.slot, { id: "c1:0", address: "process:1" });
    for (const sent of world.sent) sent.answer(okOutcome("found"));
    await settled();
    assert.deepEqual(sink.results, ["e1 OK", "e2 OK"]);
    flight.end();
    assert.deepEqual(sink.results, ["e1 OK", "e2 OK", "s1 OK"]);
  });

  test("gets its arguments untouched, its own timeout or its server's default, clamped", async () => {
    const world = new ExternalWorld();
    const { at } = world.open();
    at.call(searchCall("a"));
    assert.deepEqual(world.last.call, { arguments: { q: "a", timeout: 5 }, timeoutS: 12 });
    at.call(searchCall("b", { timeoutS: 9999 }));
    assert.equal(world.last.call.timeoutS, 600);
    assert.equal(world.last.run.trajectoryId, "t");
    assert.equal(world.last.run.uniqId, "b");
  });

  test("says how long it waited and ran", async () => {
    const world = new ExternalWorld();
    const { at, sink } = world.open();
    world.room.isThere = false;
    at.call(searchCall("a"));
    await world.clock.advance(30);
    world.last.begin();
    await world.clock.advance(7);
    world.last.answer(okOutcome());
    await settled();
    const { queueMs, execMs, slotGeneration } = sink.outcome("a");
    assert.deepEqual([queueMs, execMs, slotGeneration], [30, 7, 0]);
  });

  test("is sent once: a repetition attaches, then replays, and another content is refused", async () => {
    const world = new ExternalWorld();
    const { at, sink } = world.open();
    at.call(searchCall("a"));
    at.call(searchCall("a"));
    world.last.answer(okOutcome("found"));
    await settled();
    at.call(searchCall("a"));
    at.call(searchCall("a", { arguments: { q: "other" } }));
    assert.equal(world.sent.length, 1);
    assert.deepEqual(sink.results, ["a OK", "a OK"]);
    assert.equal(sink.of("rejected")[0]?.status, "INVALID");
    const again = world.open();
    assert.deepEqual(again.sink.opened.known, [{ uniqId: "a", state: "finished" }]);
    assert.deepEqual(again.sink.results, ["a OK"]);
    again.at.ack(["a"]);
    assert.deepEqual(world.open().sink.results, []);
  });

  test("runs on when the connection breaks, also for Execute", async () => {
    const world = new ExternalWorld();
    const { at } = world.open();
    at.call(searchCall("a"));
    at.detach();
    const executed = world.execute(searchCall("b"));
    await settled();
    for (const sent of world.sent) sent.answer(okOutcome("found"));
    assert.equal((await executed).output, "found");
    assert.deepEqual(world.open().sink.results, ["a OK"]);
  });

  test("ends NOT_STARTED when it asks for a slot that is not there", async () => {
    const world = new ExternalWorld();
    const { at, sink } = world.open();
    at.call(searchCall("a", { slotGeneration: 1 }));
    await settled();
    assert.equal(sink.outcome("a").status, "NOT_STARTED");
    assert.equal(sink.outcome("a").error, "the call asked for slot generation 1, the trajectory has 0");
  });

  test("waits for its server's room, and not for ever", async () => {
    const world = new ExternalWorld();
    const { at, sink } = world.open();
    world.room.isThere = false;
    at.call(searchCall("a", { queueTimeoutS: 5 }));
    assert.equal(world.directory.counters.queued, 1);
    await world.clock.advance(5000);
    assert.equal(sink.outcome("a").status, "NOT_STARTED");
    assert.equal(sink.outcome("a").error, "External tool not started: not started within the queue timeout of 5 s");
    assert.equal(world.last.run.signal.aborted, true);
    assert.equal(world.directory.counters.queued, 0);
  });

  test("is not started while the ledger is full", async () => {
    const world = new ExternalWorld({ ledger: { callsMax: 10, bytesMax: 1000 } });
    const { at, sink } = world.open();
    at.call(searchCall("a"));
    world.last.answer(okOutcome("x".repeat(1000)));
    await settled();
    at.call(searchCall("b"));
    assert.equal(world.sent.length, 1);
    at.ack(["a"]);
    assert.equal(world.sent.length, 2);
    world.last.answer(okOutcome());
    await settled();
    assert.deepEqual(sink.results, ["a OK", "b OK"]);
  });
});

describe("an external call ends", () => {
  test("CANCELLED when cancelled, once, while others go on", async () => {
    const world = new ExternalWorld();
    const { at, sink } = world.open();
    for (const id of ["a", "b"]) at.call(searchCall(id));
    for (const id of ["a", "a", "nobody"]) at.cancel(id);
    assert.deepEqual(sink.results, ["a CANCELLED"]);
    assert.deepEqual(
      world.sent.map(({ run }) => run.signal.aborted),
      [true, false],
    );
    world.sent[1]?.answer(okOutcome());
    await settled();
    at.cancel("b");
    assert.deepEqual(sink.results, ["a CANCELLED", "b OK"]);
  });

  test("CANCELLED when cancelled before it was sent, and is not sent then", async () => {
    const world = new ExternalWorld();
    const { at, sink } = world.open();
    world.room.isThere = false;
    at.call(searchCall("a"));
    at.cancel("a");
    assert.throws(() => world.last.begin());
    assert.deepEqual(sink.results, ["a CANCELLED"]);
    assert.equal(world.directory.counters.queued, 0);
    assert.deepEqual(world.open().sink.opened.known, [{ uniqId: "a", state: "finished" }]);
  });

  test("CANCELLED at a release, before it answers", async () => {
    const world = new ExternalWorld();
    const { at, sink } = world.open();
    at.call(searchCall("a"));
    await world.release();
    assert.deepEqual(sink.kinds, ["opened", "result", "released"]);
    assert.deepEqual(sink.results, ["a CANCELLED"]);
    assert.equal(world.last.run.signal.aborted, true);
  });

  test("CANCELLED when the lease is over", async () => {
    const world = new ExternalWorld();
    const { at } = world.open();
    at.call(searchCall("a"));
    at.detach();
    await world.clock.advance(120_000);
    assert.equal(world.last.run.signal.aborted, true);
    assert.equal(world.open().sink.opened.resumed, false);
  });

  test("by itself before a half-close takes effect", async () => {
    const world = new ExternalWorld();
    const { at, sink } = world.open();
    at.call(searchCall("a"));
    at.halfClose();
    assert.ok(!sink.ended);
    world.last.answer(okOutcome());
    await settled();
    assert.deepEqual(sink.results, ["a OK"]);
    assert.deepEqual(sink.ended, { reason: undefined, message: "" });
  });

  test("by itself within the grace of a shutdown; one that was not sent ends NOT_STARTED", async () => {
    const world = new ExternalWorld();
    const { at, sink } = world.open();
    at.call(searchCall("runs"));
    world.room.isThere = false;
    at.call(searchCall("waits"));
    const closed = world.directory.close(30_000);
    assert.deepEqual(sink.results, ["waits NOT_STARTED"]);
    await world.clock.advance(29_000);
    world.sent[0]?.answer(okOutcome());
    await closed;
    assert.deepEqual(sink.results, ["waits NOT_STARTED", "runs OK"]);
  });

  test("CANCELLED at the end of that grace", async () => {
    const world = new ExternalWorld();
    const { at, sink } = world.open();
    at.call(searchCall("a"));
    const closed = world.directory.close(1000);
    await world.clock.advance(1000);
    await closed;
    assert.deepEqual(sink.results, ["a CANCELLED"]);
  });

  test("with its server when that hands over, without a slot: what runs has the grace, what waits is told", async () => {
    const world = new ExternalWorld();
    const { at, sink } = world.open();
    for (const id of ["quick", "slow"]) at.call(searchCall(id));
    world.room.isThere = false;
    at.call(searchCall("waits"));
    const closed = world.directory.close(1000, true);
    world.sent[0]?.answer(okOutcome());
    await world.clock.advance(1000);
    await closed;
    assert.deepEqual(sink.results, ["waits NOT_STARTED", "quick OK"]);
    assert.equal(sink.ended?.reason, "SHUTTING_DOWN");
    assert.ok(world.sent.slice(1).every(({ run }) => run.signal.aborted));
  });
});
