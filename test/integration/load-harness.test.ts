// The harness against servers that stall, lie and break: what it must notice, and what it must count.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientRun } from "../../src/load/client-run.js";
import { Latencies } from "../../src/load/histogram.js";
import { parseMix } from "../../src/load/mix.js";
import { type Answer, startNullServer } from "../../src/load/null-server.js";
import type { LoadPlan } from "../../src/load/plan.js";
import type { ErrorKind } from "../../src/load/run-error.js";
import type { FinalTally } from "../../src/load/tally.js";
import { planFor } from "../support/bench-run.js";

async function runAgainst(answer: Answer | undefined, plan: Partial<LoadPlan> = {}): Promise<FinalTally> {
  const { server, port } = await startNullServer(answer);
  try {
    const run = new ClientRun(planFor(port, plan), 0, "test");
    await run.ready();
    return await run.run();
  } finally {
    server.forceShutdown();
  }
}

function latencies(final: FinalTally): Latencies {
  const [stage] = final.stages;
  assert.ok(stage);
  return Latencies.decode(stage.latency);
}

/** Answers nothing between the first and the second second of a run, and everything at its end. */
function stalling(): Answer {
  const beganMs = performance.now();
  const held: (() => void)[] = [];
  setTimeout(() => {
    for (const answer of held.splice(0)) answer();
  }, 2000);
  return (stream, result) => {
    const atMs = performance.now() - beganMs;
    if (atMs < 1000 || atMs >= 2000) stream.write(result);
    else held.push(() => stream.write(result));
  };
}

test("an open loop sees a server that stalls, where a closed loop all but misses it", async () => {
  const [durationMs, warmUpMs] = [3000, 0];
  const open = latencies(
    await runAgainst(stalling(), {
      pace: "open",
      drainMs: 5000,
      stages: [{ from: 200, to: 200, warmUpMs, durationMs }],
    }),
  );
  // A third of the calls were meant to start while nothing was answered, and waited half a second on average.
  assert.ok(open.count > 450, `${open.count} calls`);
  assert.ok(open.percentile(99) > 800, `p99 ${open.percentile(99)}`);
  assert.ok(open.percentile(90) > 500, `p90 ${open.percentile(90)}`);
  const closed = latencies(
    await runAgainst(stalling(), {
      drainMs: 5000,
      think: { meanMs: 5, exponential: false },
      stages: [{ from: 4, to: 4, warmUpMs, durationMs }],
    }),
  );
  assert.ok(closed.percentile(100) > 500, "four calls met the stall");
  assert.ok(closed.percentile(90) < open.percentile(90) / 2, `${closed.percentile(90)}, ${open.percentile(90)}`);
});

test("what arrives faster than it can be sent is neither forgotten nor taken for fast", async () => {
  const onePerSecond: Answer = (stream, result) => void setTimeout(() => stream.write(result), 200);
  const final = await runAgainst(onePerSecond, {
    pace: "open",
    streams: 1,
    stages: [{ from: 100, to: 100, warmUpMs: 0, durationMs: 1000 }],
  });
  const [stage] = final.stages;
  assert.ok(stage !== undefined && stage.unsent > 50, `${stage?.unsent} never sent`);
  const answered = Object.values(stage.statuses).reduce((sum, count) => sum + count, 0);
  assert.equal(latencies(final).count, answered + stage.unsent);
  assert.ok(latencies(final).percentile(99) > 900);
});

async function errorsOf(answer: Answer | undefined, plan: Partial<LoadPlan> = {}): Promise<Map<ErrorKind, number>> {
  const { errors } = await runAgainst(answer, plan);
  return new Map(Object.entries(errors).map(([kind, { count }]) => [kind as ErrorKind, count]));
}

/** Behaves but for the n-th answer of each stream, the preparation's included. */
function once(number: number, odd: Answer): Answer {
  const seen = new WeakMap<object, number>();
  return (stream, result) => {
    const count = (seen.get(stream) ?? 0) + 1;
    seen.set(stream, count);
    if (count === number) odd(stream, result);
    else stream.write(result);
  };
}

test("a server that behaves makes no errors", async () => {
  const final = await runAgainst(undefined);
  assert.deepEqual(final.errors, {});
  assert.ok((final.stages[0]?.results ?? 0) > 0);
});

test("a result that never comes is missing", async () => {
  const errors = await errorsOf(once(3, () => undefined));
  assert.deepEqual([...errors], [["missing", 4]]);
});

test("a result that comes twice, and one that nobody asked for, are errors", async () => {
  const twice = once(3, (stream, result) => {
    stream.write(result);
    stream.write(result);
  });
  assert.deepEqual([...(await errorsOf(twice))], [["duplicate", 4]]);
  const stray = once(3, (stream, result) => {
    const other = Buffer.from(result);
    // The id follows two tags and two lengths; calls are numbered 1.1, 1.2, …
    other[4] = "7".charCodeAt(0);
    stream.write(other);
    stream.write(result);
  });
  assert.deepEqual([...(await errorsOf(stray))], [["stray", 4]]);
});

test("a stream that breaks is an error, and another one takes its place", async () => {
  const breaking = once(3, (stream) => void stream.emit("error", { code: 14, details: "cut" }));
  const final = await runAgainst(breaking, { stages: [{ from: 4, to: 4, warmUpMs: 0, durationMs: 2500 }] });
  assert.ok((final.errors.broken_stream?.count ?? 0) >= 4);
  assert.deepEqual(Object.keys(final.errors), ["broken_stream"]);
  assert.match(final.errors.broken_stream?.samples[0] ?? "", /cut/);
});

test("an output that is not what the call must print is an error", async () => {
  const mix = parseMix("1:bash:echo {id}");
  const { errors, stages } = await runAgainst(undefined, { lenient: false, mix });
  assert.ok((errors.wrong_output?.count ?? 0) >= (stages[0]?.results ?? 0), "also those that came after the end");
  assert.match(errors.wrong_output?.samples[0] ?? "", /^"" instead of "1\.2"$/);
});

test("a run against nobody ends, and says why", async () => {
  const run = new ClientRun(planFor(1, { openWithinMs: 500 }), 0, "test");
  await assert.rejects(run.ready(), /0 of 4 trajectories were ready in 0\.5 s: .*(ECONNREFUSED|No connection)/);
  await run.close();
});
