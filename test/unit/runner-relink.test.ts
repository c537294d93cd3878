// What a link's new beginning brings back: whatever was lost with the old one, and nothing twice.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { settled } from "../support/fake-clock.js";
import { bindingOf } from "../support/outcomes.js";
import { finished, known, leasedTo, Peer, READY, watched } from "../support/runner-peer.js";

const MINE = bindingOf("t");

/** At work: slot 0 is leased, slot 1 is open. */
async function atWork(): Promise<Peer> {
  const peer = await Peer.ready();
  await peer.open(0, 1);
  peer.client.leaseSlot(0, MINE);
  await settled();
  return peer;
}

const slots = [leasedTo(MINE), { open: true }];

describe("calls", () => {
  test("results lost with the link come with the next inventory", async () => {
    const peer = await atWork();
    const { running, ends } = peer.run(["a"]);
    await peer.relink({ slots, calls: { 0: [known(0, "a", "finished", "kept")] } });
    assert.deepEqual(ends, ["a OK kept"]);
    await running.done;
    assert.deepEqual(peer.calls(), []);
    peer.client.acknowledge(0, ["a"]);
    assert.deepEqual(await peer.acknowledged(), [{ slot: 0, uniqIds: ["a"] }]);
  });

  test("those that never arrived are sent again, as they were, and only those", async () => {
    const peer = await atWork();
    const [a, b, c] = [peer.run(["a"]), peer.run(["b"], 1), peer.run(["c"], 1)];
    await settled();
    const [, sent] = peer.take("runBatch");
    await peer.relink({ slots, calls: { 0: [known(0, "a", "running")], 1: [known(1, "c", "finished", "done")] } });
    const again = peer.take("runBatch");
    assert.deepEqual(again, [sent]);
    await peer.say(finished(1, "b"), finished(0, "a"));
    assert.deepEqual([a.ends, b.ends, c.ends], [["a OK "], ["b OK "], ["c OK done"]]);
    await Promise.all([a.running.done, b.running.done, c.running.done]);
  });

  test("each keeps its timeout when they are sent again", async () => {
    const peer = await atWork();
    const later = {
      slot: 1,
      digest: "00".repeat(32),
      forStream: false,
      context: "",
      operation: { kind: "bash" },
    } as const;
    for (const [uniqId, timeoutS] of [
      ["x", 7],
      ["y", 70],
      ["z", 7],
    ] as const) {
      const operation = { kind: "bash", command: uniqId } as const;
      void watched(peer.client.runBatch([{ ...later, uniqId, operation }], timeoutS, () => undefined).done);
    }
    await peer.relink({ slots });
    const again = peer.take("runBatch").map(({ timeoutS, calls }) => [timeoutS, calls.map(({ uniqId }) => uniqId)]);
    assert.deepEqual(again, [
      [7, ["x", "z"]],
      [70, ["y"]],
    ]);
  });

  test("one that is given while there is no link goes with the next one", async () => {
    const peer = await atWork();
    let connect: () => void = () => undefined;
    peer.answers.push(
      () =>
        new Promise((resolve) => {
          connect = () => resolve(peer.streams());
        }),
    );
    await peer.breakLink();
    const { ends } = peer.run(["a"]);
    peer.client.leaseSlot(1, bindingOf("u"));
    connect();
    await settled();
    await peer.begin({ slots });
    assert.deepEqual(
      peer.take("leaseSlot").map(({ slot }) => slot),
      [0, 1],
    );
    assert.deepEqual(peer.calls(), ["0 a"]);
    await peer.say(finished(0, "a"));
    assert.deepEqual(ends, ["a OK "]);
  });

  test("leases are sent before the calls that need them", async () => {
    const peer = await atWork();
    peer.run(["a"]);
    await peer.relink({ slots: [{ open: true }, { open: true }] });
    assert.deepEqual(
      peer.heard.map(({ $case }) => $case),
      ["leaseSlot", "runBatch"],
    );
  });

  test("a result that came before the link broke is delivered once", async () => {
    const peer = await atWork();
    const { ends } = peer.run(["a"]);
    await peer.say(finished(0, "a"));
    await peer.relink({ slots, calls: { 0: [known(0, "a", "finished")] } });
    assert.deepEqual(ends, ["a OK "]);
    assert.deepEqual(
      peer.heard.map(({ $case }) => $case),
      ["leaseSlot"],
    );
  });

  test("acknowledgements that were lost are sent again, and only those", async () => {
    const peer = await atWork();
    peer.run(["a"]);
    await peer.say(finished(0, "a"));
    peer.run(["b"]);
    await peer.say(finished(0, "b"));
    peer.client.acknowledge(0, ["a"]);
    const calls = { 0: [known(0, "a", "finished"), known(0, "b", "finished"), known(0, "z", "acknowledged")] };
    await peer.relink({ slots, calls });
    assert.deepEqual(peer.take("acknowledge"), [{ slot: 0, uniqIds: ["a"] }]);
    peer.client.acknowledge(0, ["b"]);
    assert.deepEqual(await peer.acknowledged(), [{ slot: 0, uniqIds: ["b"] }]);
  });

  test("a call that came in before the inventory has one answer, however the runner counts", async () => {
    const peer = await atWork();
    await peer.breakLink();
    // On its way before the runner has said what it knows.
    const { ends } = peer.run(["a"]);
    await peer.begin({ slots });
    await peer.say(finished(0, "a"));
    // One that gets a call again sends its result again.
    for (const again of peer.calls().slice(1)) await peer.say(finished(0, again.slice(2)));
    assert.deepEqual(ends, ["a OK "]);
    assert.equal(peer.lost, undefined);
  });

  test("a cancel that was lost is sent again", async () => {
    const peer = await atWork();
    const [a, b] = [peer.run(["a"]), peer.run(["b"], 1)];
    a.running.cancel(0);
    await peer.breakLink();
    b.running.cancel(0);
    await peer.begin({ slots, calls: { 0: [known(0, "a", "running")], 1: [known(1, "b", "finished", "too late")] } });
    assert.deepEqual(peer.take("cancelCall"), [{ slot: 0, uniqId: "a" }]);
    assert.deepEqual([a.ends, b.ends], [[], ["b OK too late"]]);
  });
});

describe("slots", () => {
  test("requests that were not answered are sent again; both answers count as one", async () => {
    const peer = await Peer.ready();
    const [opening, closing] = [peer.client.openSlot(0), peer.client.closeSlot(1)];
    await settled();
    const asked = [...peer.heard.filter(({ $case }) => $case === "openSlot" || $case === "closeSlot")];
    await peer.relink({ slots: [{ open: false }, { open: true }] });
    assert.deepEqual(new Set(peer.heard), new Set(asked));
    const opened = { $case: "slotOpened", value: { slot: 0, seq: 1 } } as const;
    const closed = { $case: "slotClosed", value: { slot: 1, seq: 1 } } as const;
    await peer.say(opened, opened, closed, closed);
    await Promise.all([opening, closing]);
    // The first one's second answer is none to the next.
    const next = peer.client.closeSlot(1);
    let isClosed = false;
    void next.then(() => {
      isClosed = true;
    });
    await peer.say(closed);
    assert.equal(isClosed, false);
    await peer.say({ $case: "slotClosed", value: { slot: 1, seq: 2 } });
    await next;
    assert.equal(peer.lost, undefined);
  });

  test("one that was closed is not leased again by a new link", async () => {
    const peer = await atWork();
    void watched(peer.client.closeSlot(0));
    await peer.relink({ slots });
    assert.deepEqual(
      peer.heard.map(({ $case }) => $case),
      ["closeSlot"],
    );
  });

  test("a result that was overtaken by its slot's closing still counts", async () => {
    const peer = await atWork();
    const { ends } = peer.run(["a"]);
    void watched(peer.client.closeSlot(0));
    await peer.relink({ slots: [{ open: false }, { open: true }], calls: { 0: [known(0, "a", "finished", "late")] } });
    assert.deepEqual(ends, ["a OK late"]);
    assert.deepEqual(
      peer.heard.map(({ $case }) => $case),
      ["closeSlot"],
    );
  });

  for (const [slot, what] of [
    [0, "leased"],
    [1, "free"],
  ] as const) {
    test(`one that died while the link was broken is told of: ${what}`, async () => {
      const peer = await atWork();
      const failed: string[] = [];
      peer.client.onSlotFailed((index, error) => failed.push(`${index} ${error.reason}`));
      await peer.relink({ slots: slots.map((it, index) => ({ ...it, open: index !== slot })) });
      assert.deepEqual(failed, [`${slot} RUNNER_LOST`]);
    });
  }

  test("one that is being opened or closed has not died", async () => {
    const peer = await atWork();
    peer.client.onSlotFailed((index) => assert.fail(`slot ${index}`));
    void watched(peer.client.closeSlot(0));
    void watched(peer.client.closeSlot(1));
    await peer.relink({ slots: [{ open: false }, { open: false }] });
    await peer.say({ $case: "slotClosed", value: { slot: 1, seq: 2 } });
    void watched(peer.client.openSlot(1));
    await peer.relink({ slots: [{ open: false }, { open: false }] });
  });
});

describe("a link that begins anew over the same bytes", () => {
  test("because the runner asked for it: a marker, and what got lost is sent again", async () => {
    const peer = await atWork();
    peer.run(["a"]);
    peer.client.leaseSlot(1, bindingOf("u"));
    await settled();
    const { marks } = peer;
    peer.heard.length = 0;
    await peer.say({ $case: "resyncRequest", value: {} });
    assert.equal(peer.marks, marks + 1);
    await peer.begin({ slots });
    assert.deepEqual(peer.calls(), ["0 a"]);
    assert.equal(peer.take("leaseSlot").length, 2);
    assert.deepEqual([peer.dials, peer.lost], [0, undefined]);
  });

  test("in the middle of its inventory too", async () => {
    const peer = await atWork();
    const { ends } = peer.run(["a"]);
    await peer.breakLink();
    const calls = { 0: [known(0, "a", "finished", "once")] };
    await peer.raw(peer.marker());
    await peer.say({ $case: "inventory", value: { ready: READY, slots } }, { $case: "resyncRequest", value: {} });
    await peer.begin({ slots, calls });
    assert.deepEqual([ends, peer.lost], [["a OK once"], undefined]);
  });
});
