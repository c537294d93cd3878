// What a runner says that it has: what the next server makes of it, and what no honest one can say.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeFrame } from "../../src/link/frames.js";
import { settled } from "../support/fake-clock.js";
import { bindingOf } from "../support/outcomes.js";
import {
  encoded,
  finished,
  inventory,
  known,
  leasedTo,
  type Memory,
  NEVER,
  Peer,
  READY,
  watched,
} from "../support/runner-peer.js";

const MINE = bindingOf("t", { env: { A: "1" }, generation: 3 });
const LEASED = [leasedTo(MINE), { open: true }];

describe("taking over", () => {
  test("slots as they are, leases as they were given, calls in the order in which they came", async () => {
    const calls = [known(0, "z", "acknowledged"), known(0, "b", "finished", "kept"), known(0, "a", "running")];
    const { peer, slots } = await Peer.adopted({ slots: [LEASED[0] ?? {}, { open: false }], calls: { 0: calls } });
    assert.deepEqual(slots[1], { open: false });
    assert.deepEqual([slots[0]?.open, slots[0]?.lease?.binding], [true, MINE]);
    assert.deepEqual(
      slots[0]?.lease?.calls.map(({ uniqId, state, digest, outcome }) => [uniqId, state, digest, outcome?.output]),
      [
        ["z", "acknowledged", "ab".repeat(32), undefined],
        ["b", "finished", "ab".repeat(32), "kept"],
        ["a", "running", "ab".repeat(32), undefined],
      ],
    );
    assert.deepEqual([peer.client.isolation, peer.heard], ["namespace", []]);
  });

  test("results that were finished before can be acknowledged", async () => {
    const calls = { 0: [known(0, "z", "acknowledged"), known(0, "a", "finished")] };
    const { peer } = await Peer.adopted({ slots: LEASED, calls });
    peer.client.acknowledge(0, ["a", "z"]);
    assert.deepEqual(await peer.acknowledged(), [{ slot: 0, uniqIds: ["a"] }]);
  });

  test("a running call's result reaches who follows it, and its cancel the runner", async () => {
    const { peer } = await Peer.adopted({ slots: LEASED, calls: { 0: [known(0, "a", "running")] } });
    const { running, ends } = peer.resume(0, "a");
    running.cancel(0);
    await settled();
    assert.deepEqual(peer.take("cancelCall"), [{ slot: 0, uniqId: "a" }]);
    await peer.say(finished(0, "a", { output: "done" }));
    assert.deepEqual(ends, ["a OK done"]);
    await running.done;
    running.cancel(0);
    peer.client.acknowledge(0, ["a"]);
    assert.deepEqual(await peer.acknowledged(), [{ slot: 0, uniqIds: ["a"] }]);
    assert.deepEqual(peer.heard, []);
  });

  test("a result that comes before anyone follows its call waits for who does", async () => {
    const { peer } = await Peer.adopted({ slots: LEASED, calls: { 0: [known(0, "a", "running")] } });
    await peer.say(finished(0, "a", { output: "early" }));
    const { running, ends } = peer.resume(0, "a");
    assert.deepEqual(ends, [], "never before resumeCall has returned");
    await running.done;
    assert.deepEqual([ends, peer.lost], [["a OK early"], undefined]);
    await peer.say(finished(0, "a"));
    assert.equal(peer.lost?.reason, "RUNNER_VIOLATION", "but it comes once");
  });

  test("nor is it lost when it comes with another inventory", async () => {
    const { peer } = await Peer.adopted({ slots: LEASED, calls: { 0: [known(0, "a", "running")] } });
    await peer.relink({ slots: LEASED, calls: { 0: [known(0, "a", "finished", "early")] } });
    assert.deepEqual(peer.take("acknowledge"), []);
    const { running, ends } = peer.resume(0, "a");
    await running.done;
    assert.deepEqual(ends, ["a OK early"]);
  });

  test("a call that nobody follows ends with its slot, and its name is free for the next lease", async () => {
    const { peer } = await Peer.adopted({ slots: LEASED, calls: { 0: [known(0, "a", "running")] } });
    const closed = peer.client.closeSlot(0);
    await peer.say(finished(0, "a", { status: "LOST", error: "killed" }));
    await peer.say({ $case: "slotClosed", value: { slot: 0, seq: 1 } });
    await closed;
    const { ends } = peer.run(["a"]);
    await settled();
    assert.deepEqual([peer.calls(), ends, peer.lost], [["0 a"], [], undefined]);
    await peer.say(finished(0, "a", { output: "the next one's" }));
    assert.deepEqual(ends, ["a OK the next one's"]);
  });

  test("a call that is followed is not sent again: this server does not know what it was", async () => {
    const { peer } = await Peer.adopted({ slots: LEASED, calls: { 0: [known(0, "a", "running")] } });
    const { ends } = peer.resume(0, "a");
    await peer.relink({ slots: LEASED, calls: { 0: [known(0, "a", "running")] } });
    assert.deepEqual(peer.calls(), []);
    await peer.relink({ slots: LEASED, calls: { 0: [known(0, "a", "finished", "late")] } });
    assert.deepEqual(ends, ["a OK late"]);
  });

  test("one that was never made ready is not taken over", async () => {
    for (const ready of [undefined, { ...READY, isolation: "" }]) {
      await assert.rejects(Peer.adopted({ ready, slots: [] }), /it was never made ready|no isolation/);
    }
  });

  test("one that does not answer is lost with the signal", async () => {
    const peer = new Peer();
    const adopting = watched(peer.client.adopt(AbortSignal.abort(new Error("15 s are over"))));
    await assert.rejects(adopting, { reason: "RUNNER_LOST", message: /15 s are over/ });
    const { running } = peer.resume(0, "a");
    await assert.rejects(running.done, { reason: "RUNNER_LOST" });
  });
});

const flipped = (bytes: Buffer, bit = 0) => Buffer.from(bytes.map((byte, at) => (at === 0 ? byte ^ (1 << bit) : byte)));
const mine = leasedTo(MINE);
const call = known(0, "a", "running");
const done = known(0, "a", "finished");
const with0 = (...calls: (typeof call | typeof done)[]): Memory => ({ slots: LEASED, calls: { 0: calls } });

const LIES: Record<string, Memory> = {
  "too few slots": { slots: [mine] },
  "too many slots": { slots: [mine, {}, {}] },
  "slots of a runner that has none": { ready: undefined, slots: [mine, {}] },
  "slots where no isolation could be had": { ready: { isolation: "" }, slots: [{}, {}] },
  "calls of a slot that it does not have": { slots: LEASED, calls: { 2: [known(2, "a", "running")] } },
  "one call twice": with0(call, call),
  "one call twice, in different states": with0(call, known(0, "a", "acknowledged")),
  "a call without a name": with0(known(0, "", "running")),
  "a call of a name that no client may choose": with0(known(0, "a b", "running")),
  "a name of endless length": with0(known(0, "a".repeat(129), "running")),
  "a short digest": with0({ ...call, digest: Buffer.alloc(31) }),
  "a long digest": with0({ ...call, digest: Buffer.alloc(33) }),
  "a context of endless length": with0({ ...call, context: "x".repeat(65_537) }),
  "a result for another slot": with0({ ...done, finished: { slot: 1, uniqId: "a", status: "OK", output: "" } }),
  "a result for another call": with0({ ...done, finished: { slot: 0, uniqId: "b", status: "OK", output: "" } }),
  "a result that no call can have": with0({
    ...done,
    finished: { slot: 0, uniqId: "a", status: "INVALID", output: "" },
  }),
  "too long a result": with0(known(0, "a", "finished", "x".repeat(100_000))),
  "a result that was acknowledged": with0({ ...done, acknowledged: true }),
  "more calls than a trajectory may have": with0(
    ...Array.from({ length: 100_001 }, (_, count) => known(0, `c${count}`, "acknowledged")),
  ),
};

describe("an inventory that no honest runner sends is a violation, first or later", () => {
  for (const [what, memory] of Object.entries(LIES)) {
    test(what, async () => {
      const newcomer = Peer.adopted(memory);
      await assert.rejects(newcomer, { reason: "RUNNER_VIOLATION" });
      const peer = await Peer.ready();
      const { running } = peer.run(["a"]);
      await peer.relink(memory);
      await assert.rejects(running.done, { reason: "RUNNER_VIOLATION" });
      assert(peer.fromRunner.destroyed && peer.toRunner.destroyed);
    });
  }

  for (const [what, lie] of Object.entries({
    "a forged lease": { record: leasedTo(bindingOf("another's")).record, seal: mine.seal },
    "a forged seal": { record: mine.record, seal: flipped(mine.seal) },
    "a changed lease": { record: flipped(mine.record), seal: mine.seal },
    "no seal": { record: mine.record, seal: Buffer.alloc(0) },
  })) {
    test(`${what} of one that is taken over`, async () => {
      await assert.rejects(Peer.adopted({ slots: [{ open: true, ...lie }, {}] }), {
        reason: "RUNNER_VIOLATION",
        message: /a lease of slot 0 that no server has given/,
      });
    });
  }

  test("one that forgot what it was told", async () => {
    const peer = await Peer.ready();
    await peer.relink({ ready: undefined, slots: [] });
    assert.equal(peer.lost?.reason, "RUNNER_VIOLATION");
  });

  const [first, last] = inventory({}, 2).map(encoded);
  const parts: Record<string, readonly (Buffer | undefined)[]> = {
    "two of them": [first, first],
    "its end alone": [last],
    "calls before its beginning": [encoded({ $case: "knownCalls", value: { slot: 0, calls: [call] } }), first, last],
    "something else in the middle of it": [first, encoded(finished(0, "a")), last],
    "something else before it": [encoded({ $case: "slotFailed", value: { slot: 0, error: "" } }), first, last],
    "an empty frame in it": [first, encodeFrame(Buffer.alloc(0), 9), last],
    "two ends": [first, last, last],
  };
  for (const [what, frames] of Object.entries(parts)) {
    test(what, async () => {
      const peer = await Peer.ready();
      peer.run(["a"]);
      await peer.breakLink();
      await peer.raw(Buffer.concat([peer.marker(), ...frames.flatMap((frame) => frame ?? [])]));
      assert.equal(peer.lost?.reason, "RUNNER_VIOLATION");
    });
  }
});

describe("what a runner may cause by asking", () => {
  test("some new beginnings, but not without end", async () => {
    const peer = await Peer.ready();
    for (let count = 0; count < 100; count++) {
      await peer.say({ $case: "resyncRequest", value: {} });
      await peer.begin();
    }
    assert.equal(peer.lost, undefined);
    await peer.say({ $case: "resyncRequest", value: {} });
    const { message } = await peer.client.lost;
    assert.equal(message, "runner sent more than 100 requests to begin anew");
  });

  test("no beginning that nobody asked for: it would have everything sent again", async () => {
    const peer = await Peer.ready();
    peer.run(["a"]);
    await settled();
    peer.heard.length = 0;
    await peer.begin();
    assert.deepEqual([peer.lost?.reason, peer.heard], ["RUNNER_VIOLATION", []]);
  });

  test("an answer to a marker of a link that broke counts, over the next one", async () => {
    const peer = await Peer.ready();
    await peer.breakLink();
    await peer.breakLink();
    await peer.begin();
    await peer.begin();
    assert.deepEqual([peer.dials, peer.lost], [2, undefined]);
  });
});

test("an honest runner that is silent for now is waited for", async () => {
  const peer = new Peer();
  const adopting = watched(peer.client.adopt(NEVER));
  await settled();
  assert.equal(peer.lost, undefined);
  await peer.begin();
  assert.equal((await adopting).length, 2);
});
