import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeFrame, RUNNER_FRAME_BYTES_MAX } from "../../src/link/frames.js";
import { settled } from "../support/fake-clock.js";
import { bash, bindingOf } from "../support/outcomes.js";
import { finished, NEVER, Peer, watched } from "../support/runner-peer.js";

describe("an honest runner", () => {
  test("start hands over the settings and takes what was proven", async () => {
    const peer = await Peer.ready();
    assert.equal(peer.heard[0]?.$case, "init");
    assert.equal(peer.client.isolation, "namespace");
    assert.equal(peer.client.networkIsolated, true);
  });

  test("start takes one that had its settings as it is", async () => {
    const peer = new Peer();
    const started = peer.client.start(NEVER);
    await peer.begin();
    await started;
    assert.deepEqual([peer.client.isolation, peer.heard], ["namespace", []]);
  });

  test("results come back by themselves, in any order, and the batch is done with the last", async () => {
    const peer = await Peer.ready(3);
    const { running, ends } = peer.run(["a", "b", "c"]);
    let done = false;
    void running.done.then(() => {
      done = true;
    });
    await peer.say(
      finished(2, "c", { output: "third" }),
      finished(0, "a", { status: "NONZERO_EXIT", exitCode: 1, error: "Exit code: 1" }),
    );
    assert.deepEqual(ends, ["c OK third", "a NONZERO_EXIT "]);
    assert.equal(done, false);
    await peer.say(finished(1, "b"));
    assert.equal(done, true);
    assert.equal(ends.length, 3);
  });

  test("one name in two slots is two calls", async () => {
    const peer = await Peer.ready();
    const [first, second] = [peer.run(["a"], 0), peer.run(["a"], 1)];
    await peer.say(finished(1, "a", { output: "second" }));
    assert.deepEqual([first.ends, second.ends], [[], ["a OK second"]]);
    await peer.say(finished(0, "a", { output: "first" }));
    assert.deepEqual(first.ends, ["a OK first"]);
  });

  test("cancel names the call, and after its end nothing", async () => {
    const peer = await Peer.ready();
    const { running } = peer.run(["a", "b"]);
    running.cancel(1);
    await peer.say(finished(0, "a"));
    running.cancel(0);
    running.cancel(7);
    await settled();
    assert.deepEqual(peer.take("cancelCall"), [{ slot: 1, uniqId: "b" }]);
  });

  test("slots open and close, or say why not", async () => {
    const peer = await Peer.ready();
    const [opened, refused] = [peer.client.openSlot(0), watched(peer.client.openSlot(1))];
    await settled();
    const [first, second] = peer.take("openSlot");
    assert.deepEqual([first?.slot, second?.slot], [0, 1]);
    await peer.say(
      { $case: "slotOpened", value: { slot: 1, seq: second?.seq ?? 0, error: "no room" } },
      { $case: "slotOpened", value: { slot: 0, seq: first?.seq ?? 0 } },
    );
    await opened;
    await assert.rejects(refused, { reason: "SANDBOX_UNAVAILABLE", message: "no room" });
    const closed = peer.client.closeSlot(0);
    await assert.rejects(peer.client.closeSlot(0), { reason: "INTERNAL" });
    await peer.say({ $case: "slotClosed", value: { slot: 0, seq: 1 } });
    await closed;
  });

  test("a slot whose sandbox died is told of", async () => {
    const peer = await Peer.ready();
    await peer.open(0, 1);
    const failed: string[] = [];
    peer.client.onSlotFailed((slot, error) => failed.push(`${slot} ${error.reason} ${error.message}`));
    await peer.say({ $case: "slotFailed", value: { slot: 1, error: "the sandbox died" } });
    assert.deepEqual(failed, ["1 RUNNER_LOST the sandbox died"]);
  });

  test("large batches travel in parts that fit a frame", async () => {
    const peer = await Peer.ready();
    const content = Buffer.alloc(15 * 1024 * 1024);
    const operation = { kind: "write_file", path: "f", content } as const;
    peer.client.runBatch(
      Array.from({ length: 5 }, () => bash(0, "", { operation })),
      5,
      () => undefined,
    );
    const sizes: number[] = [];
    // What is written past a stream's buffer arrives over several turns.
    while (sizes.reduce((sum, size) => sum + size, 0) < 5) {
      await settled();
      sizes.push(...peer.take("runBatch").map(({ calls }) => calls.length));
    }
    assert.deepEqual(sizes, [2, 2, 1]);
  });

  test("only results that were delivered are acknowledged, and once", async () => {
    const peer = await Peer.ready();
    peer.client.leaseSlot(0, bindingOf("t"));
    peer.run(["a", "b"]);
    peer.client.acknowledge(0, ["a"]);
    await peer.say(finished(0, "a"));
    for (const uniqIds of [["nobody", "a"], ["a"], ["b"]]) peer.client.acknowledge(0, uniqIds);
    peer.client.acknowledge(1, ["a"]);
    assert.deepEqual(await peer.acknowledged(), [{ slot: 0, uniqIds: ["a"] }]);
  });
});

describe("a runner that does not start", () => {
  test("says why", async () => {
    const peer = new Peer();
    const started = watched(peer.client.start(NEVER));
    await peer.begin({ ready: undefined, slots: [] });
    await peer.say({ $case: "ready", value: { isolation: "", isolationReason: "no user namespaces" } });
    await assert.rejects(started, { reason: "SANDBOX_UNAVAILABLE", message: "no user namespaces" });
  });

  test("claims an isolation that does not exist", async () => {
    const peer = new Peer();
    const started = watched(peer.client.start(NEVER));
    await peer.begin({ ready: undefined, slots: [] });
    await peer.say({ $case: "ready", value: { isolation: "fort knox" } });
    await assert.rejects(started, { reason: "SANDBOX_UNAVAILABLE" });
  });

  for (const step of ["its first word", "its answer"]) {
    test(`is silent until the signal: ${step}`, async () => {
      const peer = new Peer();
      const aborter = new AbortController();
      const started = watched(peer.client.start(aborter.signal));
      if (step === "its answer") await peer.begin({ ready: undefined, slots: [] });
      aborter.abort(new Error("60 s are over"));
      await assert.rejects(started, { reason: "RUNNER_LOST", message: "runner was not ready in time: 60 s are over" });
    });
  }

  test("is asked when the signal has come already, or the link is gone", async () => {
    await assert.rejects(new Peer().client.start(AbortSignal.abort(new Error("late"))), { reason: "RUNNER_LOST" });
    const peer = new Peer();
    peer.fromRunner.end();
    await peer.client.lost;
    await assert.rejects(peer.client.start(NEVER), { reason: "RUNNER_LOST" });
    assert.equal(peer.dials, 0, "it had nothing to lose");
  });

  test("sends garbage instead", async () => {
    const peer = new Peer();
    const started = watched(peer.client.start(NEVER));
    await peer.raw(Buffer.concat([peer.marker(), encodeFrame(Buffer.from([0xff, 0xff, 0xff]), 9)]));
    await assert.rejects(started, { reason: "RUNNER_VIOLATION" });
  });
});

const frame = (...bytes: number[]) => encodeFrame(Buffer.from(bytes), 9);

/** At a runner that runs `a` in slot 0 and `b` in slot 1, while slot 0 is being closed. */
const ATTACKS: Record<string, (peer: Peer) => Promise<void>> = {
  "bytes that are no protobuf": (peer) => peer.raw(frame(0x0a, 0x7f, 1, 2)),
  "a frame of no kind": (peer) => peer.raw(frame()),
  "a huge frame": (peer) => peer.raw(encodeFrame(Buffer.alloc(RUNNER_FRAME_BYTES_MAX + 1), 9).subarray(0, 100)),
  "a length without end": (peer) => peer.raw(Buffer.alloc(64, 0xff)),
  "a frame without its trailer": (peer) => peer.raw(Buffer.concat([frame(1, 2, 3).subarray(0, -1), frame(4, 5)])),
  "a result for a call that it was never given": (peer) => peer.say(finished(0, "c")),
  "a result for a call of another slot": (peer) => peer.say(finished(1, "a")),
  "a result for a slot that it does not have": (peer) => peer.say(finished(7, "a")),
  "a result without a name": (peer) => peer.say(finished(0, "")),
  "two results for one call": (peer) => peer.say(finished(0, "a"), finished(0, "a")),
  "a status that no call can have": (peer) => peer.say(finished(0, "a", { status: "EXTERNAL_FAILED" })),
  "more output than a call has": (peer) => peer.say(finished(0, "a", { output: "x".repeat(100_000) })),
  "an answer that nobody asked for": (peer) => peer.say({ $case: "slotOpened", value: { slot: 1 } }),
  "an answer to a question that is still to come": (peer) =>
    peer.say({ $case: "slotClosed", value: { slot: 0, seq: 1 } }, { $case: "slotClosed", value: { slot: 0, seq: 2 } }),
  "word of a slot that it does not have": (peer) => peer.say({ $case: "slotFailed", value: { slot: 2, error: "x" } }),
  "calls outside an inventory": (peer) => peer.say({ $case: "knownCalls", value: { slot: 0, calls: [] } }),
  "an inventory without a marker": (peer) => peer.say({ $case: "inventory", value: {} }),
  "the end of no inventory": (peer) => peer.say({ $case: "inventoryEnd", value: {} }),
};

describe("a hostile runner is lost, and nothing that waits for it hangs", () => {
  for (const [what, attack] of Object.entries(ATTACKS)) {
    test(what, { timeout: 5000 }, async () => {
      const peer = await Peer.ready();
      const { running } = peer.run(["a", "b"]);
      const closing = watched(peer.client.closeSlot(0));
      await settled();
      await attack(peer);
      const error = await peer.client.lost;
      assert.equal(error.reason, "RUNNER_VIOLATION");
      assert.match(error.message, /^runner sent /);
      await assert.rejects(running.done, error);
      if (what !== "an answer to a question that is still to come") await assert.rejects(closing, error);
      assert(peer.fromRunner.destroyed && peer.toRunner.destroyed);
      await assert.rejects(peer.client.openSlot(1), error);
      assert.throws(() => peer.run(["c"]), { reason: "SLOT_CHANGED" });
      assert.equal(peer.dials, 0, "nobody calls it again");
    });
  }

  test("the rest of what it sent in the same breath has no effect", async () => {
    const peer = await Peer.ready();
    const { running, ends } = peer.run(["a", "b"]);
    const failed: number[] = [];
    peer.client.onSlotFailed((slot) => failed.push(slot));
    const slotFailed = { $case: "slotFailed", value: { slot: 0, error: "x" } } as const;
    await peer.say(finished(0, "a"), finished(0, "c"), finished(1, "b"), slotFailed);
    assert.deepEqual([ends, failed], [["a OK "], []]);
    await assert.rejects(running.done, { reason: "RUNNER_VIOLATION" });
  });

  test("a runner that is gone is a loss and no violation", async () => {
    const peer = await Peer.ready();
    peer.answers.push(async () => "gone");
    const { running } = peer.run(["a"]);
    peer.fromRunner.end();
    await assert.rejects(running.done, { reason: "RUNNER_LOST", message: "link closed: the runner is gone" });
  });

  test("long words are cut", async () => {
    const peer = await Peer.ready();
    const opening = watched(peer.client.openSlot(0));
    await peer.say({ $case: "slotOpened", value: { slot: 0, seq: 1, error: "x".repeat(1_000_000) } });
    await assert.rejects(opening, (error: Error) => error.message.length === 1000);
  });
});
