// What spans come of what a call went through, to the millisecond, by the SDK's own exporter in memory.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  InMemorySpanExporter,
  ParentBasedSampler,
  type Sampler,
  SimpleSpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { failedOutcome, type Outcome } from "../../src/core/outcome.js";
import type { CallTrace, TracedCall, TraceParent } from "../../src/core/trace.js";
import { SpanCallTracer } from "../../src/telemetry/tracing.js";
import { FakeClock } from "../support/fake-clock.js";
import { okOutcome } from "../support/outcomes.js";

const CALL: TracedCall = {
  trajectoryId: "t",
  uniqId: "u",
  pool: "default",
  tool: "bash",
  waits: true,
  parent: undefined,
};
const PARENT: TraceParent = { traceId: "1".repeat(32), spanId: "2".repeat(16), flags: 1, state: "" };

/** `name from+length`, with `!` for an error, in milliseconds since the call was accepted. */
async function spansOf(
  live: (call: CallTrace, clock: FakeClock) => Promise<Outcome>,
  call: Partial<TracedCall> = {},
  sampler?: Sampler,
): Promise<string[]> {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
    ...(sampler && { sampler }),
  });
  const clock = new FakeClock();
  const accepted = clock.unixMs();
  const trace = new SpanCallTracer(provider.getTracer("test"), clock).begin({ ...CALL, ...call });
  trace.ended(await live(trace, clock));
  return exporter.getFinishedSpans().map(({ name, startTime: [s, ns], duration, status }) => {
    const from = s * 1000 + ns / 1e6 - accepted;
    return `${name} ${from}+${duration[0] * 1000 + duration[1] / 1e6}${status.code === 2 ? "!" : ""}`;
  });
}

test("a call that ran: the queue, the batch, and as much of the rest as the runner was at it", async () => {
  const spans = await spansOf(async (call, clock) => {
    await clock.advance(10);
    call.submitted();
    await clock.advance(5);
    call.started(3, "c");
    await clock.advance(100);
    return { ...okOutcome(""), execMs: 80 };
  });
  assert.deepEqual(spans, ["call 0+115", "queue 0+10", "batch 10+5", "exec 35+80"]);
});

test("a runner that says that it was at it for longer is not believed", async () => {
  const spans = await spansOf(async (call, clock) => {
    call.submitted();
    await clock.advance(5);
    call.started(1, "c");
    await clock.advance(10);
    return { ...okOutcome(""), execMs: 9_999 };
  });
  assert.deepEqual(spans, ["call 0+15", "queue 0+0", "batch 0+5", "exec 5+10"]);
});

test("an error is where the service failed: in the queue, in the batch, or under way", async () => {
  const failed = failedOutcome("LOST", "");
  const waited = async (_: CallTrace, clock: FakeClock) => {
    await clock.advance(7);
    return failed;
  };
  assert.deepEqual(await spansOf(waited), ["call 0+7!", "queue 0+7!"]);
  const submitted = async (call: CallTrace, clock: FakeClock) => {
    call.submitted();
    return waited(call, clock);
  };
  assert.deepEqual(await spansOf(submitted), ["call 0+7!", "queue 0+0", "batch 0+7!"]);
  const started = async (call: CallTrace, clock: FakeClock) => {
    call.submitted();
    call.started(1, "c");
    return waited(call, clock);
  };
  assert.deepEqual(await spansOf(started), ["call 0+7!", "queue 0+0", "batch 0+0", "exec 0+7!"]);
});

test("what a policy or a client did is no error", async () => {
  for (const status of ["NONZERO_EXIT", "TIMED_OUT", "CANCELLED", "UNKNOWN_TOOL"] as const) {
    assert.deepEqual(await spansOf(async () => failedOutcome(status, "")), ["call 0+0", "queue 0+0"]);
  }
});

test("an external call is in no batch, and one that nothing is run for has no queue", async () => {
  const external = async (call: CallTrace, clock: FakeClock) => {
    await clock.advance(2);
    call.started();
    await clock.advance(3);
    return { ...okOutcome(""), execMs: 3 };
  };
  assert.deepEqual(await spansOf(external), ["call 0+5", "queue 0+2", "exec 2+3"]);
  assert.deepEqual(await spansOf(async () => failedOutcome("INVALID", ""), { waits: false }), ["call 0+0"]);
});

test("a client's trace is sampled as the client says, others by the ratio", async () => {
  const none = new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0) });
  const done = async () => okOutcome("");
  assert.deepEqual(await spansOf(done, {}, none), []);
  assert.deepEqual(await spansOf(done, { parent: PARENT }, none), ["call 0+0", "queue 0+0"]);
  assert.deepEqual(await spansOf(done, { parent: { ...PARENT, flags: 0 } }), []);
});
