import assert from "node:assert/strict";
import { test } from "node:test";
import { CallFinished, KnownCalls, RunCall, type RunnerFrame } from "../../src/gen/switchyard/runner/v1/runner.js";
import { RUNNER_FRAME_BYTES_MAX } from "../../src/link/frames.js";
import { knownParts } from "../../src/link/parts.js";
import { SlotCalls } from "../../src/runner/slot-calls.js";
import { settled } from "../support/fake-clock.js";

const DIGEST = Buffer.alloc(32, 3);

function setUp() {
  const sent: string[] = [];
  const runs: { readonly uniqId: string; readonly aborted: AbortSignal; end(output?: string): Promise<void> }[] = [];
  const calls = new SlotCalls({
    run: ({ uniqId, slot }, _timeoutS, aborted) =>
      new Promise((resolve) => {
        const end = (output = uniqId) => {
          resolve(CallFinished.fromPartial({ uniqId, slot, status: "OK", output }));
          return settled();
        };
        runs.push({ uniqId, aborted, end });
      }),
    send: (frame: NonNullable<RunnerFrame["frame"]>) => {
      assert(frame.$case === "callFinished");
      sent.push(`${frame.value.uniqId} ${frame.value.output}`);
    },
  });
  const begin = (uniqId: string, context = "{}") =>
    calls.begin(RunCall.fromPartial({ uniqId, slot: 2, digest: DIGEST, forStream: true, context }), 5);
  const run = (index = 0) => runs[index] ?? assert.fail(`no run ${index}`);
  /** `uniq_id STATE CONTEXT OUTPUT` of each. */
  const known = () =>
    [...calls.known()].map(({ uniqId, finished, acknowledged, context }) => {
      const running = acknowledged ? "acknowledged" : "running";
      return `${uniqId} ${finished ? "finished" : running} ${context} ${finished?.output ?? ""}`.trim();
    });
  return { calls, sent, runs, run, begin, known };
}

test("a call that comes twice while it runs is run once, and answered once", async () => {
  const { sent, runs, run, begin, known } = setUp();
  begin("a");
  begin("a");
  assert.equal(runs.length, 1);
  assert.deepEqual([sent, known()], [[], ["a running {}"]]);
  await run().end("done");
  assert.deepEqual([sent, known()], [["a done"], ["a finished {} done"]]);
});

test("one that comes again after its end gets its result again, and is not run", async () => {
  const { sent, runs, run, begin } = setUp();
  begin("a");
  await run().end("done");
  begin("a");
  assert.deepEqual([sent, runs.length], [["a done", "a done"], 1]);
});

test("what is acknowledged is forgotten, but not that it was", async () => {
  const { calls, sent, runs, run, begin, known } = setUp();
  begin("a");
  calls.acknowledge(["a"]);
  assert.deepEqual(known(), ["a running {}"], "not before its end");
  await run().end("done");
  calls.acknowledge(["nobody", "a", "a"]);
  assert.deepEqual(known(), ["a acknowledged"]);
  begin("a");
  assert.deepEqual([sent, runs.length], [["a done"], 1]);
  const [call] = [...calls.known()];
  assert(call);
  assert.deepEqual([Buffer.from(call.digest), call.forStream], [DIGEST, true]);
});

test("what is remembered comes in the order in which it came", async () => {
  const { calls, run, begin, known } = setUp();
  for (const uniqId of ["c", "a", "b"]) begin(uniqId, `of ${uniqId}`);
  await run(2).end();
  await run(0).end();
  calls.acknowledge(["c"]);
  assert.deepEqual(known(), ["c acknowledged", "a running of a", "b finished of b b"]);
});

test("the parts of what is remembered fit a frame each, and nothing is missing", async () => {
  const { calls, run, begin } = setUp();
  const sizes = [1_000_000, 900_000, 10, 0, 1_000_000, 1_000_000, 500_000, ...Array<number>(50_000).fill(0)];
  for (const [index, size] of sizes.entries()) {
    begin(`c${index}`, index < 7 ? "{}" : "x".repeat(10));
    if (index < 7) await run(index).end("€".repeat(size));
  }
  const parts = [...knownParts(calls.known())];
  assert(parts.length > 2);
  assert.deepEqual(
    parts.flat().map(({ uniqId }) => uniqId),
    sizes.map((_, index) => `c${index}`),
  );
  for (const part of parts) {
    const bytes = KnownCalls.encode({ slot: 2, calls: part }).finish().length;
    assert(bytes < RUNNER_FRAME_BYTES_MAX, `${bytes} bytes`);
  }
});

test("nothing remembered is no part", () => assert.deepEqual([...knownParts(setUp().calls.known())], []));

test("cancel and abort concern what runs", async () => {
  const { calls, run, begin } = setUp();
  assert.deepEqual(calls.abortAll("memory"), []);
  begin("a");
  begin("b");
  calls.cancel("a");
  calls.cancel("nobody");
  assert.deepEqual([run(0).aborted.reason, run(1).aborted.aborted], ["cancel", false]);
  await run(0).end();
  const [ended, ...others] = calls.abortAll("limit");
  assert.deepEqual([run(1).aborted.reason, others], ["limit", []]);
  await run(1).end();
  await ended;
  calls.cancel("a");
  assert.deepEqual(calls.abortAll("memory"), []);
});

test("closing: no lease is told of, running calls end with their results, then all is forgotten", async () => {
  const { calls, sent, runs, run, begin, known } = setUp();
  const [record, seal] = [Buffer.from("record"), Buffer.from("seal")];
  calls.lease({ slot: 2, record, seal });
  assert.deepEqual(calls.state(true), { open: true, record, seal });
  begin("a");
  calls.endLease();
  assert.deepEqual(calls.state(false), { open: false, record: Buffer.alloc(0), seal: Buffer.alloc(0) });
  let ended = false;
  const end = calls.ended().then(() => {
    ended = true;
  });
  await settled();
  assert.equal(ended, false);
  await run().end("killed");
  await end;
  assert.deepEqual(sent, ["a killed"]);
  calls.forget();
  assert.deepEqual(known(), []);
  begin("a");
  assert.equal(runs.length, 2, "the next lease's calls are its own");
});

test("a lease is kept as it was given, whatever becomes of the bytes that it came in", () => {
  const { calls } = setUp();
  const chunk = Buffer.from("recordseal");
  calls.lease({ slot: 2, record: chunk.subarray(0, 6), seal: chunk.subarray(6) });
  chunk.fill(0);
  const { record, seal } = calls.state(true);
  assert.deepEqual([record.toString(), seal.toString()], ["record", "seal"]);
});
