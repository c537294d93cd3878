import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, test } from "node:test";
import { RunnerClient } from "../../src/backend/runner-client.js";
import { openRunnerLink } from "../../src/backend/runner-link.js";
import { Init, RunnerFrame, ServerFrame } from "../../src/gen/switchyard/runner/v1/runner.js";
import { encodeFrame, FrameReader, RUNNER_FRAME_BYTES_MAX, SERVER_FRAME_BYTES_MAX } from "../../src/link/frames.js";
import { resyncMarker } from "../../src/link/link.js";
import { settled } from "../support/fake-clock.js";
import { bash } from "../support/outcomes.js";

const NONCE = "abc";
const NEVER = new AbortController().signal;

/** Its rejection is looked at later. */
function watched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

type Say = Parameters<typeof RunnerFrame.fromPartial>[0]["frame"];
type Heard = NonNullable<ServerFrame["frame"]>;

/** A client and the hands of its peer, who may write what it likes. */
class Peer {
  readonly fromRunner = new PassThrough();
  readonly toRunner = new PassThrough();
  readonly heard: Heard[] = [];
  readonly client: RunnerClient;

  constructor(slots = 2) {
    const reader = new FrameReader(SERVER_FRAME_BYTES_MAX);
    let marker = resyncMarker(NONCE).length;
    this.toRunner.on("data", (chunk: Buffer) => {
      const body = chunk.subarray(Math.min(marker, chunk.length));
      marker -= chunk.length - body.length;
      for (const bytes of reader.push(body)) this.heard.push(ServerFrame.decode(bytes).frame as Heard);
    });
    const init = Init.fromPartial({ slots, outputCharsMax: 1000, fileBytesMax: 1000 });
    this.client = new RunnerClient("c1", openRunnerLink(this.fromRunner, this.toRunner, NONCE), init, false);
    this.fromRunner.write(resyncMarker(NONCE));
  }

  /** One that has answered `init`. */
  static async ready(): Promise<Peer> {
    const peer = new Peer();
    const started = watched(peer.client.start(NEVER));
    await peer.say({ $case: "ready", value: { isolation: "namespace", pid: 1 } });
    await started;
    return peer;
  }

  say(...frames: Say[]): Promise<void> {
    const encoded = frames.map((frame) => encodeFrame(RunnerFrame.encode(RunnerFrame.fromPartial({ frame })).finish()));
    return this.raw(Buffer.concat(encoded));
  }

  async raw(bytes: Buffer): Promise<void> {
    if (!this.fromRunner.destroyed) this.fromRunner.write(bytes);
    await settled();
  }

  /** Ids of the calls that it was told to run. */
  get calls(): bigint[] {
    return this.heard.flatMap((frame) => (frame.$case === "runBatch" ? frame.value.calls : [])).map((it) => it.callId);
  }

  run(count: number) {
    const finished: string[] = [];
    const operations = Array.from({ length: count }, (_, slot) => bash(slot, `command ${slot}`));
    const running = this.client.runBatch(operations, 5, (index, outcome) => {
      finished.push(`${index} ${outcome.status} ${outcome.output}`);
    });
    void watched(running.done);
    return { running, finished };
  }
}

function finished(callId: bigint | undefined, fields: object = {}): Say {
  return { $case: "callFinished", value: { callId: callId ?? 0n, status: "OK", ...fields } };
}

describe("an honest runner", () => {
  test("start hands over the settings and takes what was proven", async () => {
    const peer = await Peer.ready();
    assert.equal(peer.heard[0]?.$case, "init");
    assert.equal(peer.client.isolation, "namespace");
    assert.equal(peer.client.networkIsolated, true);
  });

  test("results come back by themselves, in any order, and the batch is done with the last", async () => {
    const peer = await Peer.ready();
    const { running, finished: seen } = peer.run(3);
    await settled();
    const [a, b, c] = peer.calls;
    let done = false;
    void running.done.then(() => {
      done = true;
    });
    await peer.say(finished(c, { output: "third" }), finished(a, { status: "NONZERO_EXIT", exitCode: 1 }));
    assert.deepEqual(seen, ["2 OK third", "0 NONZERO_EXIT "]);
    assert.equal(done, false);
    await peer.say(finished(b));
    assert.equal(done, true);
    assert.equal(seen.length, 3);
  });

  test("cancel names the call, and after its end nothing", async () => {
    const peer = await Peer.ready();
    const { running } = peer.run(2);
    await settled();
    running.cancel(1);
    await peer.say(finished(peer.calls[0]));
    running.cancel(0);
    running.cancel(7);
    await settled();
    const cancels = peer.heard.filter((frame) => frame.$case === "cancelCall").map((frame) => frame.value);
    assert.deepEqual(cancels, [{ callId: peer.calls[1] }]);
  });

  test("slots open and close, or say why not", async () => {
    const peer = await Peer.ready();
    const [opened, refused] = [peer.client.openSlot(0), watched(peer.client.openSlot(1))];
    await peer.say(
      { $case: "slotOpened", value: { slot: 1, error: "no room" } },
      { $case: "slotOpened", value: { slot: 0 } },
    );
    await opened;
    await assert.rejects(refused, { reason: "SANDBOX_UNAVAILABLE", message: "no room" });
    const closed = peer.client.closeSlot(0);
    await assert.rejects(peer.client.closeSlot(0), { reason: "INTERNAL" });
    await peer.say({ $case: "slotClosed", value: { slot: 0 } });
    await closed;
  });

  test("a slot whose sandbox died is told of", async () => {
    const peer = await Peer.ready();
    const failed: string[] = [];
    peer.client.onSlotFailed((slot, error) => failed.push(`${slot} ${error.reason} ${error.message}`));
    void watched(peer.client.openSlot(1));
    await peer.say({ $case: "slotOpened", value: { slot: 1 } });
    await peer.say({ $case: "slotFailed", value: { slot: 1, error: "the sandbox died" } });
    assert.deepEqual(failed, ["1 RUNNER_LOST the sandbox died"]);
  });

  test("large batches travel in parts that fit a frame", async () => {
    const peer = await Peer.ready();
    const content = Buffer.alloc(15 * 1024 * 1024);
    const operation = { kind: "write_file", path: "f", content } as const;
    peer.client.runBatch(
      Array.from({ length: 5 }, () => ({ slot: 0, operation })),
      5,
      () => undefined,
    );
    // What is written past a stream's buffer arrives over several turns.
    while (peer.calls.length < 5) await settled();
    const sizes = peer.heard.flatMap((frame) => (frame.$case === "runBatch" ? [frame.value.calls.length] : []));
    assert.deepEqual(sizes, [2, 2, 1]);
  });
});

describe("a runner that does not start", () => {
  test("says why", async () => {
    const peer = new Peer();
    const started = watched(peer.client.start(NEVER));
    await peer.say({ $case: "ready", value: { isolation: "", isolationReason: "no user namespaces" } });
    await assert.rejects(started, { reason: "SANDBOX_UNAVAILABLE", message: "no user namespaces" });
  });

  test("claims an isolation that does not exist", async () => {
    const peer = new Peer();
    const started = watched(peer.client.start(NEVER));
    await peer.say({ $case: "ready", value: { isolation: "fort knox" } });
    await assert.rejects(started, { reason: "SANDBOX_UNAVAILABLE" });
  });

  test("is silent until the signal", async () => {
    const peer = new Peer();
    const aborter = new AbortController();
    const started = watched(peer.client.start(aborter.signal));
    aborter.abort(new Error("60 s are over"));
    await assert.rejects(started, { reason: "RUNNER_LOST", message: "runner was not ready in time: 60 s are over" });
  });

  test("is asked when the signal has come already, or the link is gone", async () => {
    await assert.rejects(new Peer().client.start(AbortSignal.abort(new Error("late"))), { reason: "RUNNER_LOST" });
    const peer = new Peer();
    peer.fromRunner.end();
    await peer.client.lost;
    await assert.rejects(peer.client.start(NEVER), { reason: "RUNNER_LOST" });
  });

  test("sends garbage instead", async () => {
    const peer = new Peer();
    const started = watched(peer.client.start(NEVER));
    await peer.raw(encodeFrame(Buffer.from([0xff, 0xff, 0xff])));
    await assert.rejects(started, { reason: "RUNNER_VIOLATION" });
  });
});

const ATTACKS: Record<string, (peer: Peer) => Promise<void>> = {
  "bytes that are no protobuf": (peer) => peer.raw(encodeFrame(Buffer.from([0x0a, 0x7f, 1, 2]))),
  "a frame of no kind": (peer) => peer.raw(encodeFrame(Buffer.alloc(0))),
  "a huge frame": (peer) => peer.raw(encodeFrame(Buffer.alloc(RUNNER_FRAME_BYTES_MAX + 1)).subarray(0, 100)),
  "a length without end": (peer) => peer.raw(Buffer.alloc(64, 0xff)),
  "a result for a call that it was never given": (peer) => peer.say(finished(999n)),
  "a result for call 0": (peer) => peer.say(finished(0n)),
  "two results for one call": (peer) => peer.say(finished(peer.calls[0]), finished(peer.calls[0])),
  "a status that no call can have": (peer) => peer.say(finished(peer.calls[0], { status: "EXTERNAL_FAILED" })),
  "more output than a call has": (peer) => peer.say(finished(peer.calls[0], { output: "x".repeat(100_000) })),
  "a slot that was not asked for": (peer) => peer.say({ $case: "slotOpened", value: { slot: 1 } }),
  "an answer twice": (peer) =>
    peer.say({ $case: "slotClosed", value: { slot: 0 } }, { $case: "slotClosed", value: { slot: 0 } }),
  "a second ready": (peer) => peer.say({ $case: "ready", value: { isolation: "namespace", pid: 1 } }),
  "a pong without a ping": (peer) => peer.say({ $case: "pong", value: { seq: 0n } }),
  "word of a slot that was never opened": (peer) => peer.say({ $case: "slotFailed", value: { slot: 1, error: "x" } }),
  "a slot that fails twice": (peer) => {
    void watched(peer.client.openSlot(1));
    const failed: Say = { $case: "slotFailed", value: { slot: 1, error: "x" } };
    return peer.say({ $case: "slotOpened", value: { slot: 1 } }, failed, failed);
  },
  "word of a slot that it does not have": (peer) => peer.say({ $case: "slotFailed", value: { slot: 2, error: "x" } }),
};

describe("a hostile runner is lost, and nothing that waits for it hangs", () => {
  for (const [what, attack] of Object.entries(ATTACKS)) {
    test(what, { timeout: 5000 }, async () => {
      const peer = await Peer.ready();
      const { running } = peer.run(2);
      const closing = watched(peer.client.closeSlot(0));
      await settled();
      await attack(peer);
      const error = await peer.client.lost;
      assert.equal(error.reason, "RUNNER_VIOLATION");
      assert.match(error.message, /^runner sent /);
      await assert.rejects(running.done, error);
      if (what !== "an answer twice") await assert.rejects(closing, error);
      assert(peer.fromRunner.destroyed && peer.toRunner.destroyed);
      await assert.rejects(peer.client.openSlot(1), error);
      assert.throws(() => peer.run(1), { reason: "SLOT_CHANGED" });
    });
  }

  test("the rest of what it sent in the same breath has no effect", async () => {
    const peer = await Peer.ready();
    const { running, finished: seen } = peer.run(2);
    const failed: number[] = [];
    peer.client.onSlotFailed((slot) => failed.push(slot));
    await settled();
    const [a, b] = peer.calls;
    await peer.say(finished(a), finished(999n), finished(b), { $case: "slotFailed", value: { slot: 0, error: "x" } });
    assert.deepEqual([seen, failed], [["0 OK "], []]);
    await assert.rejects(running.done, { reason: "RUNNER_VIOLATION" });
  });

  test("a link that ends is a loss and no violation", async () => {
    const peer = await Peer.ready();
    const { running } = peer.run(1);
    peer.fromRunner.end();
    await assert.rejects(running.done, { reason: "RUNNER_LOST", message: "link closed" });
  });

  test("long words are cut", async () => {
    const peer = await Peer.ready();
    const opening = watched(peer.client.openSlot(0));
    await peer.say({ $case: "slotOpened", value: { slot: 0, error: "x".repeat(1_000_000) } });
    await assert.rejects(opening, (error: Error) => error.message.length === 1000);
  });
});
