// Timeouts through the whole server. All tests of this file run side by side, each with a trajectory of its own, so that
// the longest, of 45 s, is what the file takes.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CallStatus, Fault } from "../../src/gen/switchyard/v1/call.js";
import { type CallFields, type LiveService, startLive } from "../support/live-service.js";
import { living, livingAre, uniqueSleep } from "../support/processes.js";
import type { TrajectoryClient } from "../support/trajectory-client.js";

let live: LiveService;

before(async () => {
  live = await startLive("process", {
    timeouts: { min_s: 0.5, max_s: 60 },
    pools: { default: { slots_per_container: 20, max_containers: 2, timeout_default_s: 2 } },
  });
});

after(() => live.close());

function seconds(value: number): CallFields {
  return { timeout: { seconds: BigInt(Math.trunc(value)), nanos: Math.round((value % 1) * 1e9) } };
}

async function withStream(trajectoryId: string, act: (stream: TrajectoryClient) => Promise<void>): Promise<void> {
  const stream = await live.open({ trajectoryId });
  await act(stream);
  assert.equal(await stream.halfClose(), undefined);
}

describe("timeouts", { concurrency: true }, () => {
  test("a call of 45 s with a timeout of 60 s succeeds", () =>
    withStream("long", async (stream) => {
      const result = await stream.bash("sleep 45; echo done", seconds(60));
      assert.deepEqual([result.status, result.output], [CallStatus.CALL_STATUS_OK, "done"]);
      assert.equal((await stream.bash("echo next")).output, "next");
    }));

  test("over its timeout a call ends TIMED_OUT with what it printed, and the next call is fine", () =>
    withStream("partial", async (stream) => {
      const word = uniqueSleep();
      const result = await stream.bash(`echo out; echo err >&2; sleep ${word}; echo never`, seconds(1));
      assert.equal(result.status, CallStatus.CALL_STATUS_TIMED_OUT);
      assert.equal(result.fault, Fault.FAULT_POLICY);
      assert.equal(result.success, false);
      assert.equal(result.error, "Command timed out after 1s");
      assert.equal(result.output, "out\n\n[stderr]\nerr");
      assert.equal(result.metadata?.timeout, 1);
      assert.equal(result.exitCode, undefined);
      assert.equal(result.signal, "");
      assert.deepEqual(living(word), []);
      assert.equal((await stream.bash("echo next")).output, "next");
    }));

  const escapes: Record<string, (word: string) => string> = {
    "a child in the background": (word) => `sleep ${word} & wait`,
    "a child of a child": (word) => `bash -c 'bash -c "sleep ${word}; true"; true'; true`,
    "what ignores SIGTERM": (word) => `trap '' TERM INT HUP; while :; do sleep ${word}; done`,
    "a session of its own": (word) => `setsid sleep ${word} & sleep 3600`,
    "a double fork": (word) => `(setsid bash -c 'sleep ${word} & exit' &); sleep 3600`,
    "a daemon without environment": (word) => `env -i setsid -f sleep ${word}; sleep 3600`,
    "a stopped process": (word) => `sleep ${word} & kill -STOP $!; wait`,
    "a main process that a daemon outlived": (word) => `setsid -f sleep ${word}; exec sleep 3600`,
    "many at once": (word) => `for i in $(seq 50); do setsid -f sleep ${word}; done; sleep 3600`,
    "one that starts new ones all the time": (word) =>
      `setsid -f bash -c 'while :; do setsid -f sleep ${word}; read -t 0.02 <> <(:); done'; sleep 3600`,
  };
  for (const [what, command] of Object.entries(escapes)) {
    test(`nothing of the call lives after its end: ${what}`, () =>
      withStream(`escape-${what.replace(/\W/g, "-")}`, async (stream) => {
        const word = uniqueSleep();
        const result = stream.bash(command(word), seconds(1.5));
        assert.equal((await result).status, CallStatus.CALL_STATUS_TIMED_OUT);
        assert.deepEqual(living(word), []);
        assert.equal((await stream.bash("echo next")).output, "next");
        assert.deepEqual(living(word), []);
      }));
  }

  test("what an earlier call left running on purpose is spared", () =>
    withStream("spared", async (stream) => {
      const [plain, daemon, own] = [uniqueSleep(), uniqueSleep(), uniqueSleep()];
      await stream.bash(`sleep ${plain} & setsid -f sleep ${daemon}`);
      await stream.bash(`setsid -f bash -c 'while :; do sleep 0.1; echo . >> beats; done'`);
      const result = await stream.bash(`setsid -f sleep ${own}; sleep 3600`, seconds(1));
      assert.equal(result.status, CallStatus.CALL_STATUS_TIMED_OUT);
      assert.deepEqual(
        [plain, daemon, own].map((word) => living(word).length),
        [1, 1, 0],
      );
      const beats = async () => Number((await stream.bash("wc -l < beats")).output);
      const seen = await beats();
      while ((await beats()) < seen + 2);
    }));

  test("a cancel kills as a timeout does", () =>
    withStream("cancel", async (stream) => {
      const word = uniqueSleep();
      const running = stream.bash(`env -i setsid -f sleep ${word}; trap '' TERM; sleep 3600`, {
        uniqId: "c",
        ...seconds(50),
      });
      await livingAre(word, 1);
      stream.send({ $case: "cancel", value: { uniqId: "c" } });
      assert.equal((await running).status, CallStatus.CALL_STATUS_CANCELLED);
      assert.deepEqual(living(word), []);
    }));

  test("a flood of output ends in time, bounded, and the slot lives", () =>
    withStream("flood", async (stream) => {
      const result = await stream.bash("yes", seconds(1));
      assert.equal(result.status, CallStatus.CALL_STATUS_TIMED_OUT);
      assert.equal(result.truncated, true);
      assert(result.outputBytesTotal > 1_000_000n, `${result.outputBytesTotal} bytes`);
      assert(result.output.length <= 50_000);
      assert.equal((await stream.bash("echo next")).output, "next");
    }));

  test("the model's number, else the pool's default; out of range is clamped; the text says which it was", () =>
    withStream("precedence", async (stream) => {
      const timedOut = async (args: object, fields: CallFields = {}) => {
        const { error, metadata } = await stream.call("bash", { command: "sleep 3600", ...args }, fields);
        return [error, metadata?.timeout];
      };
      assert.deepEqual(await timedOut({ timeout: 0.75 }), ["Command timed out after 0.75s", 0.75]);
      assert.deepEqual(await timedOut({ timeout: -3 }), ["Command timed out after 0.5s", 0.5]);
      assert.deepEqual(await timedOut({ timeout: 50 }, seconds(0.5)), ["Command timed out after 0.5s", 0.5]);
      assert.deepEqual(await timedOut({ timeout: "50" }), ["Command timed out after 2s", 2]);
      assert.equal((await stream.call("bash", { command: "true", timeout: 1e9 })).metadata?.timeout, 60);
    }));

  test("no_output_timeout ends a silent call, and not one that goes on printing", () =>
    withStream("silence", async (stream) => {
      const noOutputTimeout = { seconds: 1n, nanos: 0 };
      const chatty = "for i in 1 2 3 4 5 6; do sleep 0.25; echo $i; done";
      const printing = await stream.bash(chatty, { noOutputTimeout, ...seconds(30) });
      assert.equal(printing.status, CallStatus.CALL_STATUS_OK);
      const silent = await stream.bash("echo first; sleep 3600", { noOutputTimeout, ...seconds(30) });
      assert.equal(silent.status, CallStatus.CALL_STATUS_TIMED_OUT);
      assert.equal(silent.error, "Command timed out after 1s without output");
      assert.equal(silent.output, "first");
    }));

  test("times of sixty days never fire at once", () =>
    withStream("days", async (stream) => {
      const days = { seconds: 5_184_000n, nanos: 0 };
      const fields = { noOutputTimeout: days, queueTimeout: days, timeout: days };
      const result = await stream.bash("sleep 0.3; echo slept", fields);
      assert.deepEqual([result.output, result.metadata?.timeout], ["slept", 60]);
    }));
});
