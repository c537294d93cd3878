// When a link is given up, when it is dialled again, and when its runner is lost. Time is Node's own timers, mocked.
import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { settled } from "../support/fake-clock.js";
import { encoded, finished, inventory, Peer, type Say } from "../support/runner-peer.js";

/** Lets so much time pass, second by second, with everything that comes of it. */
function timeOf(t: TestContext) {
  let nowMs = 1000;
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  t.mock.method(performance, "now", () => nowMs);
  return async (seconds: number, each: () => unknown = () => undefined) => {
    for (let second = 0; second < seconds; second++) {
      nowMs += 1000;
      t.mock.timers.tick(1000);
      await settled();
      await each();
    }
  };
}

const unreachable = () => Promise.reject(new Error("connect ECONNREFUSED"));

describe("a runner that is silent", () => {
  test("is pinged, and one that answers is left in peace", async (t) => {
    const pass = timeOf(t);
    const peer = await Peer.ready();
    let pings = 0;
    await pass(120, async () => {
      for (const { seq } of peer.take("ping")) {
        pings += 1;
        await peer.say({ $case: "pong", value: { seq } });
      }
    });
    assert.equal(pings, 40);
    assert.deepEqual([peer.dials, peer.lost], [0, undefined]);
  });

  test("any word of it will do", async (t) => {
    const pass = timeOf(t);
    const peer = await Peer.ready();
    await peer.open(0);
    await pass(120, () => peer.say({ $case: "slotOpened", value: { slot: 0, seq: 1 } }));
    assert.deepEqual([peer.dials, peer.lost], [0, undefined]);
  });

  test("is dialled again, and what it has kept comes with the new link", async (t) => {
    const pass = timeOf(t);
    const peer = await Peer.ready();
    const { running, ends } = peer.run(["a"]);
    await pass(15);
    assert.deepEqual([peer.dials, peer.take("ping").length, peer.calls()], [0, 5, ["0 a"]]);
    await pass(3);
    assert.equal(peer.dials, 1);
    await peer.begin({ calls: { 0: [] } });
    assert.deepEqual(peer.calls(), ["0 a"]);
    await peer.say(finished(0, "a"));
    await running.done;
    assert.deepEqual(ends, ["a OK "]);
    await pass(60, () => peer.say(...peer.take("ping").map((value): Say => ({ $case: "pong", value }))));
    assert.deepEqual([peer.dials, peer.lost], [1, undefined]);
  });

  test("on every link is lost after some of them", async (t) => {
    const pass = timeOf(t);
    const peer = await Peer.ready();
    const { running } = peer.run(["a"]);
    const rejected = assert.rejects(running.done, { reason: "RUNNER_LOST" });
    await pass(18 + 3 * 5);
    await rejected;
    assert.equal(peer.dials, 3);
    assert.match((await peer.client.lost).message, /could not be begun anew/);
    await pass(120);
    assert.equal(peer.dials, 3);
  });

  test("in the middle of its inventory, on every link, is lost as well", async (t) => {
    const pass = timeOf(t);
    const peer = await Peer.ready();
    await peer.breakLink();
    let begun = 0;
    await pass(60, async () => {
      if (peer.dials > begun)
        await peer.raw(Buffer.concat([peer.marker(), ...inventory({}, 2).slice(0, -1).map(encoded)]));
      begun = peer.dials;
    });
    assert.deepEqual([begun, peer.lost?.reason], [3, "RUNNER_LOST"]);
  });

  test("after it asked for a new beginning is dialled again", async (t) => {
    const pass = timeOf(t);
    const peer = await Peer.ready();
    await peer.say({ $case: "resyncRequest", value: {} });
    await pass(6);
    assert.equal(peer.dials, 1);
  });
});

describe("a link that breaks", () => {
  test("while its runner lives: each inventory is a new chance", async (t) => {
    timeOf(t);
    const peer = await Peer.ready();
    for (let count = 0; count < 10; count++) await peer.relink();
    assert.deepEqual([peer.dials, peer.lost], [10, undefined]);
  });

  test("three times without an inventory is the end", async (t) => {
    timeOf(t);
    const peer = await Peer.ready();
    for (let count = 0; count < 3; count++) await peer.breakLink();
    assert.deepEqual([peer.dials, peer.lost], [3, undefined]);
    await peer.breakLink();
    assert.deepEqual([peer.dials, peer.lost?.reason], [3, "RUNNER_LOST"]);
  });

  test("while the engine is out of reach: it is tried again and again, for a minute", async (t) => {
    const pass = timeOf(t);
    const peer = await Peer.ready();
    peer.answers.push(...Array.from({ length: 1000 }, () => unreachable));
    await peer.breakLink();
    await pass(59);
    assert.equal(peer.lost, undefined);
    assert(peer.dials > 25 && peer.dials < 60, `${peer.dials} dials`);
    await pass(5);
    const { dials } = peer;
    assert.match((await peer.client.lost).message, /^link closed: connect ECONNREFUSED$/);
    await pass(60);
    assert.equal(peer.dials, dials);
  });

  test("and an engine that comes back in time", async (t) => {
    const pass = timeOf(t);
    const peer = await Peer.ready();
    const { ends } = peer.run(["a"]);
    peer.answers.push(...Array.from({ length: 10 }, () => unreachable));
    await peer.breakLink();
    while (peer.dials < 11) await pass(1);
    await peer.begin();
    await peer.say(finished(0, "a"));
    assert.deepEqual([peer.dials, ends, peer.lost], [11, ["a OK "], undefined]);
  });

  test("with a runner that is gone is a loss at once", async () => {
    const peer = await Peer.ready();
    peer.answers.push(async () => "gone");
    const { running } = peer.run(["a"]);
    await peer.breakLink();
    await assert.rejects(running.done, { reason: "RUNNER_LOST", message: "link closed: the runner is gone" });
    assert.equal(peer.dials, 1);
  });

  test("before the runner's first word is a loss, without a dial", async () => {
    const peer = new Peer();
    await peer.breakLink();
    assert.deepEqual([peer.dials, peer.lost?.reason], [0, "RUNNER_LOST"]);
  });
});

describe("a newer server", () => {
  for (const word of ["its word", "a broken link"] as const) {
    test(`has the runner: this one falls silent, and calls nothing lost (${word})`, async (t) => {
      const pass = timeOf(t);
      const peer = await Peer.ready();
      peer.answers.push(async () => "superseded");
      const { running, ends } = peer.run(["a"]);
      let isOver = false;
      void running.done
        .finally(() => {
          isOver = true;
        })
        .catch(() => undefined);
      if (word === "a broken link") await peer.breakLink();
      else await peer.raw(peer.marker(10));
      await settled();
      assert.equal(peer.dials, 1);
      peer.heard.length = 0;
      await pass(300);
      assert.deepEqual([isOver, ends, peer.lost, peer.heard, peer.dials], [false, [], undefined, [], 1]);
      assert(peer.fromRunner.destroyed && peer.toRunner.destroyed);
    });
  }

  test("that the engine knows nothing of is a lie of the runner's", async (t) => {
    const pass = timeOf(t);
    const peer = await Peer.ready();
    // As soon as the engine can tell.
    peer.answers.push(unreachable);
    const { running, ends } = peer.run(["a"]);
    const rejected = assert.rejects(running.done, { reason: "RUNNER_VIOLATION" });
    await peer.raw(peer.marker(10));
    assert.equal(peer.lost, undefined);
    await pass(1);
    await rejected;
    assert.deepEqual([peer.dials, ends, peer.toRunner.destroyed], [2, [], true]);
  });

  test("that the engine cannot tell of, as the runner is gone, is a loss", async () => {
    const peer = await Peer.ready();
    peer.answers.push(async () => "gone");
    await peer.raw(peer.marker(10));
    await settled();
    assert.deepEqual([peer.dials, peer.lost?.reason], [1, "RUNNER_LOST"]);
  });
});

describe("giving it up", () => {
  test("ends the link and says so once; nothing is dialled", async () => {
    const peer = await Peer.ready();
    peer.keeper.lose("RUNNER_LOST", "its container was removed");
    peer.keeper.lose("RUNNER_VIOLATION", "too late");
    peer.keeper.violation("too late");
    await settled();
    assert.deepEqual([peer.lost?.reason, peer.lost?.message], ["RUNNER_LOST", "its container was removed"]);
    assert.deepEqual([peer.dials, peer.fromRunner.destroyed], [0, true]);
  });

  test("leaving it to another server says nothing at all", async (t) => {
    const pass = timeOf(t);
    const peer = await Peer.ready();
    peer.run(["a"]);
    peer.keeper.close();
    peer.keeper.lose("RUNNER_LOST", "too late");
    await pass(100);
    assert.deepEqual([peer.lost, peer.dials], [undefined, 0]);
  });

  test("while it is being dialled: the new streams are not used", async () => {
    const peer = await Peer.ready();
    let connect: () => void = () => undefined;
    peer.answers.push(() => new Promise((resolve) => (connect = () => resolve(peer.streams()))));
    await peer.breakLink();
    peer.keeper.lose("RUNNER_LOST", "enough");
    const { marks } = peer;
    connect();
    await settled();
    assert.deepEqual([peer.marks, peer.lost?.message], [marks, "enough"]);
  });
});
