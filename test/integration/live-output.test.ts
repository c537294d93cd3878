// `stream_output` against a real server with the process backend: what arrives, when, and what a slow or broken client changes.
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import { type OutputChunk, SwitchyardClient } from "../../src/client/index.js";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { FaultProxy } from "../support/fault-proxy.js";
import { FLOOD, floodIsExact, linesComeAtOnce } from "../support/live-checks.js";
import { type LiveService, startLive } from "../support/live-service.js";
import { heard, outputsOf } from "../support/output-frames.js";

const STREAMED = { streamOutput: true };
const HUNDRED_MB = 100_000_000;

let live: LiveService;
before(async () => {
  live = await startLive("process");
});
after(async () => {
  await live.close();
});

function clientOf(t: TestContext, address = live.address): SwitchyardClient {
  const client = new SwitchyardClient(address, { backoff: { initialMs: 10, maxMs: 200 } });
  t.after(() => client.close());
  return client;
}

test("both channels arrive exactly, before the result, which is as always", async () => {
  const stream = await live.open({ trajectoryId: "exact" });
  const command = String.raw`printf 'a\0b\xff\n'; echo problem >&2; printf 'no newline'; exit 3`;
  const result = await stream.bash(command, { ...STREAMED, uniqId: "a" });
  const outputs = outputsOf(stream.frames, "a");
  assert.deepEqual(heard(outputs).text, "a\0b\xff\nno newline");
  assert.deepEqual(heard(outputs, "stderr").text, "problem\n");
  assert.deepEqual(
    [result.status, result.exitCode, result.outputBytesTotal],
    [CallStatus.CALL_STATUS_NONZERO_EXIT, 3, 23n],
  );
  assert.match(result.output, /no newline\n\[stderr\]\nproblem$/);
  assert.equal(stream.frames.at(-1)?.$case, "result");
  await stream.bash("echo quiet", { uniqId: "b" });
  await stream.call("read_file", { path: "none" }, { ...STREAMED, uniqId: "c" });
  assert.deepEqual([...outputsOf(stream.frames, "b"), ...outputsOf(stream.frames, "c")], []);
  assert.equal(await stream.halfClose(), undefined);
});

test("Execute ignores stream_output", async () => {
  const result = await live.execute("unary", {
    uniqId: "a",
    name: "bash",
    arguments: { command: "echo hi" },
    streamOutput: true,
  });
  assert.equal(result.output, "hi");
});

test("a line a second is at the client within 200 ms, each", (t) => linesComeAtOnce(t, clientOf(t)));

test("100 MB arrive byte by byte", (t) => floodIsExact(t, clientOf(t), HUNDRED_MB));

test("commands of one connection that write at once have each their own bytes", async (t) => {
  const client = clientOf(t);
  const bytes = 20_000_000;
  const letters = ["a", "b", "c"];
  const heardOf = await Promise.all(
    letters.map(async (letter) => {
      const trajectory = await client.open();
      let own = 0;
      const onOutput = ({ data }: OutputChunk) => {
        own += data.every((byte) => byte === letter.charCodeAt(0)) ? data.length : 0;
      };
      const command = `head -c ${bytes} /dev/zero | tr '\\0' ${letter}`;
      await trajectory.call("bash", { command }, { onOutput, timeoutS: 120 });
      await trajectory.close();
      return own;
    }),
  );
  assert.deepEqual(
    heardOf,
    letters.map(() => bytes),
  );
});

test("many small writes go together", async () => {
  const stream = await live.open({ trajectoryId: "chatty" });
  const { execTime } = await stream.bash("for i in {1..20000}; do printf x; done", { ...STREAMED, uniqId: "a" });
  const { text, frames } = heard(outputsOf(stream.frames, "a"));
  assert.equal(text, "x".repeat(20_000));
  const ms = Number(execTime?.seconds) * 1000 + (execTime?.nanos ?? 0) / 1e6;
  assert.ok(frames <= ms / 20 + 2, `${frames} frames in ${ms} ms`);
  assert.equal(await stream.halfClose(), undefined);
});

test("a client that does not read holds up neither the command nor the server's memory, and is told what it missed", async (t) => {
  const stream = await live.open({ trajectoryId: "deaf" });
  const bytes = 200_000_000;
  stream.stream.pause();
  const called = stream.bash(FLOOD(bytes), { ...STREAMED, uniqId: "a", timeout: { seconds: 60n, nanos: 0 } });
  // Starts when the flood is over.
  const behind = await live.execute("deaf", { uniqId: "behind", name: "bash", arguments: { command: "echo over" } });
  assert.equal(behind.output, "over");
  const { rss } = process.memoryUsage();
  stream.stream.resume();
  const result = await called;
  const { end, missing, text } = heard(outputsOf(stream.frames, "a"));
  t.diagnostic(`${missing} of ${bytes} bytes missing, ${(rss / 1e6).toFixed()} MB resident`);
  assert.deepEqual([end, result.outputBytesTotal, result.status], [bytes, BigInt(bytes), CallStatus.CALL_STATUS_OK]);
  assert.equal(text.length + missing, bytes);
  assert.ok(text.length < 16e6, `${text.length} bytes waited for it`);
  assert.ok(missing > 0);
  assert.equal(await stream.halfClose(), undefined);
});

test("cancelled and timed out calls have sent what they wrote", async () => {
  const stream = await live.open({ trajectoryId: "cut-short" });
  const cancelled = stream.bash("echo begun; sleep 60", { ...STREAMED, uniqId: "a" });
  await stream.first("output");
  stream.send({ $case: "cancel", value: { uniqId: "a" } });
  assert.equal((await cancelled).status, CallStatus.CALL_STATUS_CANCELLED);
  const late = await stream.bash("echo late; sleep 60", {
    ...STREAMED,
    uniqId: "b",
    timeout: { seconds: 1n, nanos: 0 },
  });
  assert.equal(late.status, CallStatus.CALL_STATUS_TIMED_OUT);
  assert.deepEqual(
    ["a", "b"].map((uniqId) => heard(outputsOf(stream.frames, uniqId)).text),
    ["begun\n", "late\n"],
  );
  assert.equal(await stream.halfClose(), undefined);
});

/** Prints the numbers up to `count`, a tenth of a second apart. */
const COUNTING = (count: number) => `for i in {1..${count}}; do echo $i; sleep 0.1; done`;

test("a stream that breaks goes on where the client was, or from the beginning for one that does not say", async () => {
  const first = await live.open({ trajectoryId: "broken", resumeToken: "t" });
  const call = { name: "bash", arguments: { command: COUNTING(40) }, uniqId: "a", streamOutput: true };
  first.bash(COUNTING(40), { ...STREAMED, uniqId: "a" }).catch(() => undefined);
  await first.first("output");
  await first.cut();
  const { end } = heard(outputsOf(first.frames, "a"));
  const at = { uniqId: "a", stdoutOffset: BigInt(end), stderrOffset: 0n };
  const second = await live.open({ trajectoryId: "broken", resumeToken: "t", outputPositions: [at] });
  await second.first("output");
  const third = await live.open({ trajectoryId: "broken", resumeToken: "t" });
  third.send({
    $case: "call",
    value: { ...call, timeout: undefined, queueTimeout: undefined, noOutputTimeout: undefined },
  });
  const result = await third.resultOf("a");
  const all = Array.from({ length: 40 }, (_, index) => `${index + 1}\n`).join("");
  const [middle, whole] = [heard(outputsOf(second.frames, "a"), "stdout", end), heard(outputsOf(third.frames, "a"))];
  assert.deepEqual([middle.missing, whole.missing, whole.text], [0, 0, all]);
  assert.equal(middle.text, all.slice(end, middle.end));
  assert.equal(result.outputBytesTotal, BigInt(all.length));
  assert.equal(await third.halfClose(), undefined);
});

test("the client library goes on by itself: each byte once", async (t) => {
  const proxy = await FaultProxy.start(live.address);
  t.after(() => proxy.close());
  const trajectory = await clientOf(t, proxy.address).open();
  let [text, missing, cuts] = ["", 0, 0];
  const result = await trajectory.call(
    "bash",
    { command: COUNTING(40) },
    {
      onOutput: ({ data, missing: gap }) => {
        text += Buffer.from(data);
        missing += gap;
        if (text.length < 10 * (cuts + 1) || cuts === 3) return;
        cuts += 1;
        proxy.breakAll("reset");
      },
    },
  );
  assert.deepEqual([result.status, missing, cuts], ["OK", 0, 3]);
  assert.equal(text.trimEnd(), result.output);
  await trajectory.close();
});

test("a position beyond what was written, or of a call that there is not, does no harm", async () => {
  const first = await live.open({ trajectoryId: "liar" });
  first.bash(COUNTING(10), { ...STREAMED, uniqId: "a" }).catch(() => undefined);
  await first.first("output");
  await first.cut();
  const at = (uniqId: string, stdoutOffset: bigint) => ({ uniqId, stdoutOffset, stderrOffset: 2n ** 53n - 1n });
  const outputPositions = [at("a", 1_000_000n), at("nobody", 5n)];
  const second = await live.open({ trajectoryId: "liar", outputPositions });
  assert.equal((await second.resultOf("a")).status, CallStatus.CALL_STATUS_OK);
  assert.deepEqual(outputsOf(second.frames, "a"), []);
  assert.equal((await second.bash("echo alive")).output, "alive");
  assert.equal(await second.halfClose(), undefined);
});

test("a client that is deaf costs other trajectories nothing", async () => {
  const deaf = await live.open({ trajectoryId: "deaf-too" });
  deaf.stream.pause();
  const called = deaf.bash("yes", { ...STREAMED, uniqId: "a", timeout: { seconds: 3n, nanos: 0 } });
  const other = await live.open({ trajectoryId: "other" });
  for (let round = 0; round < 20; round += 1) assert.equal((await other.bash(`echo ${round}`)).output, `${round}`);
  deaf.stream.resume();
  assert.equal((await called).status, CallStatus.CALL_STATUS_TIMED_OUT);
  for (const stream of [deaf, other]) assert.equal(await stream.halfClose(), undefined);
});
