// A call's output at a client whose streams break: each byte once, gaps named, and the next stream told where to go on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SwitchyardClientError } from "../../src/client/errors.js";
import type { OutputChunk } from "../../src/client/output-reader.js";
import { Trajectory } from "../../src/client/trajectory.js";
import { CallStatus, Fault, OutputChannel } from "../../src/gen/switchyard/v1/call.js";
import { CallState } from "../../src/gen/switchyard/v1/trajectory.js";
import { FakeClock, settled } from "../support/fake-clock.js";
import { FakeServer } from "../support/fake-uplink.js";

const OPEN = { trajectoryId: "t", resumeToken: "", group: "", pool: "", env: {}, acquireSlot: false, lease: undefined };
const CUT = { error: new SwitchyardClientError("UNKNOWN", "broken", { code: "UNAVAILABLE" }), retry: true };

async function streaming() {
  const [clock, server] = [new FakeClock(), new FakeServer()];
  const parts = {
    connect: server.connect,
    clock,
    random: () => 0.5,
    open: OPEN,
    requireResume: false,
    onLifeLost: "restart",
    backoff: { initialMs: 100, maxMs: 1_000 },
    openTimeoutMs: 30_000,
    reconnectTimeoutMs: 60_000,
    attemptTimeoutMs: 5_000,
    silenceMs: 60_000,
  } as const;
  const opened = (incarnation: string, known: readonly string[] = []) =>
    server.stream.send({
      $case: "opened",
      value: {
        incarnation,
        known: known.map((uniqId) => ({ uniqId, state: CallState.CALL_STATE_RUNNING })),
      },
    });
  const opening = Trajectory.open(parts, undefined, { began: () => undefined, ended: () => undefined });
  await settled();
  opened("life-1");
  const trajectory = await opening;
  const chunks: OutputChunk[] = [];
  const result = trajectory.call("bash", {}, { uniqId: "a", onOutput: (chunk) => chunks.push(chunk) });
  const reconnect = async (incarnation = "life-1", known: readonly string[] = ["a"]) => {
    const before = server.streams.length;
    server.stream.end(CUT);
    await clock.until(() => server.streams.length > before, 10_000);
    opened(incarnation, known);
  };
  const output = (offset: number, text: string, fields: object = {}) =>
    server.stream.send({
      $case: "output",
      value: {
        uniqId: "a",
        channel: OutputChannel.OUTPUT_CHANNEL_STDOUT,
        offset: BigInt(offset),
        data: Buffer.from(text),
        ...fields,
      },
    });
  /** `CHANNEL OFFSET DATA MISSING` of each chunk since the last time. */
  const got = () =>
    chunks
      .splice(0)
      .map(({ channel, offset, data, missing }) => `${channel} ${offset} ${Buffer.from(data)} ${missing}`);
  return { server, trajectory, result, reconnect, output, got };
}

const STDERR = { channel: OutputChannel.OUTPUT_CHANNEL_STDERR };

test("output is asked for by who reads it, and comes as it came", async () => {
  const { server, trajectory, output, got, result } = await streaming();
  void trajectory.call("bash", {}, { uniqId: "b" }).catch(() => undefined);
  assert.deepEqual(
    server.stream.sent("call").map(({ streamOutput }) => streamOutput),
    [true, false],
  );
  output(0, "one");
  output(0, "err", STDERR);
  output(3, "two");
  output(9, "gap", { missing: 3n });
  output(20, "", { missing: 8n });
  output(0, "nobody's", { uniqId: "b" });
  output(0, "no channel", { channel: 77 });
  assert.deepEqual(got(), ["stdout 0 one 0", "stderr 0 err 0", "stdout 3 two 0", "stdout 9 gap 3", "stdout 20  8"]);
  const value = { uniqId: "a", status: CallStatus.CALL_STATUS_OK, fault: Fault.FAULT_NONE, success: true };
  server.stream.send({ $case: "result", value });
  assert.equal((await result).status, "OK");
  output(23, "late");
  assert.deepEqual(got(), []);
});

test("the next stream is told where to go on, and what comes again is dropped", async () => {
  const { server, reconnect, output, got } = await streaming();
  output(0, "abc");
  output(0, "e", STDERR);
  await reconnect();
  const [open] = server.stream.sent("open");
  assert.deepEqual(open?.outputPositions, [{ uniqId: "a", stdoutOffset: 3n, stderrOffset: 1n }]);
  got();
  output(0, "abc");
  output(2, "cde");
  output(10, "klm");
  assert.deepEqual(got(), ["stdout 3 de 0", "stdout 10 klm 5"]);
});

test("a call that never arrived is sent again with its wish, from the beginning", async () => {
  const { server, reconnect, output, got } = await streaming();
  await reconnect("life-1", []);
  assert.deepEqual(
    server.stream.sent("call").map(({ uniqId, streamOutput }) => [uniqId, streamOutput]),
    [["a", true]],
  );
  output(0, "abc");
  assert.deepEqual(got(), ["stdout 0 abc 0"]);
});
