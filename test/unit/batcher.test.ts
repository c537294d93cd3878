import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RunningBatch } from "../../src/backend/backend.js";
import type { Batch } from "../../src/batch/batch.js";
import { Batcher, type BatcherOptions } from "../../src/batch/batcher.js";
import { SwitchyardError } from "../../src/core/errors.js";
import type { Outcome } from "../../src/core/outcome.js";
import { FakeClock, settled } from "../support/fake-clock.js";
import { bash, okOutcome } from "../support/outcomes.js";

interface TestRunner {
  readonly id: string;
}

const A: TestRunner = { id: "a" };
const B: TestRunner = { id: "b" };

/** A batch that dispatch took, as the test drives it. */
class Flight implements RunningBatch {
  readonly done: Promise<void>;
  readonly cancelled: number[] = [];
  resolve: () => void = () => undefined;
  reject: (error: unknown) => void = () => undefined;

  constructor(
    readonly batch: Batch<TestRunner>,
    readonly settle: (index: number, outcome: Outcome) => void,
  ) {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  cancel(index: number): void {
    this.cancelled.push(index);
  }

  get commands(): string[] {
    return this.batch.entries.map(({ operation: { operation } }) =>
      operation.kind === "bash" ? operation.command : "",
    );
  }
}

function setUp(options: Partial<BatcherOptions<TestRunner>> = {}) {
  const clock = new FakeClock();
  const flights: Flight[] = [];
  const faults: unknown[] = [];
  const batcher = new Batcher<TestRunner>({
    clock,
    windowMs: 20,
    sizeMax: 200,
    dispatch: (batch, settle) => {
      const flight = new Flight(batch, settle);
      flights.push(flight);
      return flight;
    },
    onFault: (error) => faults.push(error),
    ...options,
  });
  /** Submits a call and records every outcome that it is given. */
  const submit = (command: string, runner = A, timeoutS = 30, onStarted: () => void = () => undefined) => {
    const outcomes: Outcome[] = [];
    const settle = (outcome: Outcome) => void outcomes.push(outcome);
    const submitted = batcher.submit({ runner, timeoutS, operation: bash(0, command), onStarted, settle });
    const ended = () => outcomes.map(({ status, error }) => [status, error]);
    return { outcomes, ended, cancel: () => submitted.cancel() };
  };
  const flight = (index = 0) => flights[index] ?? assert.fail(`no batch ${index} was dispatched`);
  return { clock, batcher, flights, flight, faults, submit };
}

function names(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, at) => String(from + at));
}

function commandsOf(flights: readonly Flight[]): string[][] {
  return flights.map(({ commands }) => commands);
}

describe("when a group is flushed", () => {
  test("at the end of its window, which its first call opens", async () => {
    const { clock, flights, flight, submit } = setUp();
    submit("1");
    await clock.advance(15);
    submit("2");
    await clock.advance(4);
    assert.equal(flights.length, 0);
    await clock.advance(1);
    assert.deepEqual(flight().commands, ["1", "2"]);
    submit("3");
    await clock.advance(19);
    assert.equal(flights.length, 1);
    await clock.advance(1);
    assert.deepEqual(flight(1).commands, ["3"]);
  });

  test("with window 0 at the end of the event-loop turn", async () => {
    const { clock, flights, flight, submit } = setUp({ windowMs: 0 });
    submit("1");
    submit("2");
    assert.equal(flights.length, 0);
    await clock.turn();
    assert.deepEqual(flight().commands, ["1", "2"]);
  });

  test("in portions of 16, one in each turn, in order, with what comes and goes meanwhile", async () => {
    const waits: number[] = [];
    const { clock, batcher, flights, submit } = setUp({ onBatch: (_, waitMs) => waits.push(waitMs) });
    const seen: unknown[] = [];
    submit("1", A, 30, () => {
      calls[18]?.cancel();
      submit("41");
      seen.push(flights.length, clock.timers, batcher.stats.queueSize);
    });
    const calls = names(2, 40).map((name) => submit(name));
    await clock.advance(19);
    assert.equal(flights.length, 0);
    await clock.advance(1);
    // The next portion waits for its turn.
    assert.deepEqual(seen, [0, 1, 24]);
    assert.deepEqual(commandsOf(flights), [names(1, 16), [...names(17, 19), ...names(21, 33)], names(34, 41)]);
    assert.deepEqual(calls[18]?.ended(), [["CANCELLED", "Cancelled"]]);
    assert.deepEqual([waits, batcher.stats.queueSize, clock.timers], [[20, 20, 20], 0, 0]);
    submit("42");
    await clock.advance(19);
    assert.equal(flights.length, 3);
    await clock.advance(1);
    assert.equal(flights.length, 4);
  });

  test("in portions of a quarter of all that wait, where that is more", async () => {
    const { clock, batcher, flights, submit } = setUp();
    for (const name of names(1, 80)) submit(name);
    for (const name of names(81, 160)) submit(name, B);
    await clock.advance(20);
    assert.deepEqual(
      flights.map(({ batch }) => [batch.runner.id, batch.entries.length]),
      [
        ["a", 40],
        ["b", 30],
        ["a", 23],
        ["b", 17],
        ["a", 16],
        ["b", 16],
        ["a", 1],
        ["b", 16],
        ["b", 1],
      ],
    );
    assert.equal(batcher.stats.queueSize, 0);
  });

  test("all that waits for its portion ends when the batcher is closed", async () => {
    const { clock, batcher, flights, submit } = setUp();
    submit("1", A, 30, () => batcher.close());
    const calls = names(2, 40).map((name) => submit(name));
    await clock.advance(20);
    assert.deepEqual(commandsOf(flights), [names(1, 16)]);
    const ended = calls.slice(15).map((call) => call.ended());
    assert.deepEqual(
      ended,
      calls.slice(15).map(() => [["NOT_STARTED", "Batch execution failed: shutting down"]]),
    );
    assert.deepEqual([batcher.stats.queueSize, clock.timers], [0, 0]);
  });

  test("at sizeMax, at once, and the window's timer does not flush what comes after", async () => {
    const { clock, flights, flight, submit } = setUp({ sizeMax: 2 });
    submit("1");
    await clock.advance(19);
    submit("2");
    assert.deepEqual(flight().commands, ["1", "2"]);
    submit("3");
    await clock.advance(1);
    assert.equal(flights.length, 1);
    await clock.advance(19);
    assert.deepEqual(flight(1).commands, ["3"]);
  });

  test("sizeMax 1 sends every call by itself", () => {
    const { flights, submit } = setUp({ sizeMax: 1 });
    for (const command of ["1", "2", "3"]) submit(command);
    assert.deepEqual(
      flights.map(({ commands }) => commands),
      [["1"], ["2"], ["3"]],
    );
  });
});

describe("groups", () => {
  test("one for each runner and timeout, in the order submitted", async () => {
    const { clock, flights, submit } = setUp();
    submit("a30-1", A, 30);
    submit("a60-1", A, 60);
    submit("b30-1", B, 30);
    submit("a30-2", A, 30);
    await clock.advance(20);
    const sent = flights.map(({ batch, commands }) => [batch.id, batch.runner.id, batch.timeoutS, commands]);
    assert.deepEqual(sent, [
      [1, "a", 30, ["a30-1", "a30-2"]],
      [2, "a", 60, ["a60-1"]],
      [3, "b", 30, ["b30-1"]],
    ]);
  });

  test("two runners of one name are two runners", async () => {
    const { clock, flights, submit } = setUp();
    submit("1", { id: "same" });
    submit("2", { id: "same" });
    await clock.advance(20);
    assert.equal(flights.length, 2);
  });

  test("never wait on each other, nor on the batch before", async () => {
    const { clock, flights, flight, submit } = setUp();
    submit("slow", A, 600);
    const quick = submit("quick", A, 30);
    await clock.advance(20);
    flight(1).settle(0, okOutcome());
    assert.deepEqual(quick.ended(), [["OK", ""]]);
    submit("next", A, 600);
    await clock.advance(20);
    assert.deepEqual(flight(2).commands, ["next"]);
    assert.equal(flights.length, 3);
  });
});

describe("every caller is settled exactly once", () => {
  test("by its result, the moment it comes", async () => {
    const { clock, flight, submit } = setUp();
    const calls = ["1", "2", "3"].map((command) => submit(command));
    await clock.advance(20);
    flight().settle(1, okOutcome("two"));
    assert.deepEqual(
      calls.map(({ outcomes }) => outcomes.map(({ output }) => output)),
      [[], ["two"], []],
    );
    flight().settle(0, okOutcome("one"));
    flight().settle(2, okOutcome("three"));
    flight().resolve();
    await settled();
    assert.deepEqual(
      calls.map(({ outcomes }) => outcomes.map(({ output }) => output)),
      [["one"], ["two"], ["three"]],
    );
  });

  test("when dispatch throws: NOT_STARTED", async () => {
    const { clock, batcher, submit } = setUp({
      dispatch: () => {
        throw new Error("no link");
      },
    });
    const calls = [submit("1"), submit("2")];
    await clock.advance(20);
    for (const call of calls) assert.deepEqual(call.ended(), [["NOT_STARTED", "Batch execution failed: no link"]]);
    assert.deepEqual(batcher.stats, { queueSize: 0, batches: 0, calls: 0, meanBatchSize: 0 });
  });

  test("when dispatch throws an error of ours: its own status", async () => {
    const { clock, submit } = setUp({
      dispatch: () => {
        throw new SwitchyardError("SANDBOX_UNAVAILABLE", "no namespaces");
      },
    });
    const call = submit("1");
    await clock.advance(20);
    assert.deepEqual(call.ended(), [["SANDBOX_UNAVAILABLE", "Batch execution failed: no namespaces"]]);
  });

  test("when the batch rejects: LOST, but for those that had ended", async () => {
    const { clock, flight, submit } = setUp();
    const [ended, running] = [submit("1"), submit("2")];
    await clock.advance(20);
    flight().settle(0, okOutcome());
    flight().reject(new SwitchyardError("RUNNER_LOST", "container died"));
    await settled();
    assert.deepEqual(ended.ended(), [["OK", ""]]);
    assert.deepEqual(running.ended(), [["LOST", "Batch execution failed: container died"]]);
  });

  test("when the batch rejects with anything else: LOST", async () => {
    const { clock, flight, submit } = setUp();
    const call = submit("1");
    await clock.advance(20);
    flight().reject("nonsense");
    await settled();
    assert.deepEqual(call.ended(), [["LOST", "Batch execution failed: nonsense"]]);
  });

  test("when results are missing: LOST", async () => {
    const { clock, flight, submit } = setUp();
    const [ended, missing] = [submit("1"), submit("2")];
    await clock.advance(20);
    flight().settle(0, okOutcome());
    flight().resolve();
    await settled();
    assert.deepEqual(ended.ended(), [["OK", ""]]);
    assert.deepEqual(missing.ended(), [["LOST", "Batch execution failed: no result from runner a"]]);
  });

  test("whatever indices a runner makes up, and however late", async () => {
    const { clock, flight, submit } = setUp();
    const calls = [submit("1"), submit("2")];
    await clock.advance(20);
    for (const index of [-1, 2, 0.5, Number.NaN, 1e9]) flight().settle(index, okOutcome("stray"));
    flight().settle(0, okOutcome("first"));
    flight().settle(0, okOutcome("again"));
    flight().resolve();
    await settled();
    flight().settle(1, okOutcome("late"));
    assert.deepEqual(
      calls.map(({ outcomes }) => outcomes.map(({ status, output }) => [status, output])),
      [[["OK", "first"]], [["LOST", ""]]],
    );
  });

  test("though a neighbour's callbacks throw, which is reported", async () => {
    const { clock, batcher, flight, faults, submit } = setUp();
    const boom = (what: string) => () => {
      throw new Error(what);
    };
    batcher.submit({
      runner: A,
      timeoutS: 30,
      operation: bash(0),
      onStarted: boom("onStarted"),
      settle: boom("settle"),
    });
    const neighbour = submit("2");
    await clock.advance(20);
    flight().reject(new Error("gone"));
    await settled();
    assert.equal(neighbour.outcomes.length, 1);
    assert.deepEqual(
      faults.map((fault) => (fault instanceof Error ? fault.message : fault)),
      ["onStarted", "settle"],
    );
  });

  test("when closed: NOT_STARTED for the queue and for what comes later; what is on its way goes on", async () => {
    const { clock, batcher, flights, flight, submit } = setUp();
    const sent = submit("1");
    await clock.advance(20);
    const queued = [submit("2"), submit("3", B)];
    batcher.close();
    const late = submit("4");
    batcher.close();
    await clock.advance(1000);
    assert.equal(flights.length, 1);
    for (const call of [...queued, late]) {
      assert.deepEqual(call.ended(), [["NOT_STARTED", "Batch execution failed: shutting down"]]);
    }
    flight().settle(0, okOutcome());
    assert.deepEqual(sent.ended(), [["OK", ""]]);
    assert.equal(clock.timers, 0);
  });

  test("though settling one cancels another while closing", () => {
    const { batcher, submit } = setUp();
    let neighbour: ReturnType<typeof submit> | undefined;
    const settle = () => neighbour?.cancel();
    batcher.submit({ runner: A, timeoutS: 30, operation: bash(0), settle });
    neighbour = submit("2");
    batcher.close();
    assert.equal(neighbour.outcomes.length, 1);
    assert.equal(batcher.stats.queueSize, 0);
  });
});

describe("cancel", () => {
  test("before the flush: CANCELLED, and never dispatched", async () => {
    const { clock, flight, submit } = setUp();
    let started = false;
    const first = submit("1", A, 30, () => {
      started = true;
    });
    submit("2");
    first.cancel();
    first.cancel();
    assert.deepEqual(first.ended(), [["CANCELLED", "Cancelled"]]);
    await clock.advance(20);
    assert.deepEqual(flight().commands, ["2"]);
    assert.equal(started, false);
  });

  test("of all of a group: nothing is dispatched, and its timer is gone", async () => {
    const { clock, batcher, flights, submit } = setUp();
    submit("1").cancel();
    assert.equal(clock.timers, 0);
    assert.equal(batcher.stats.queueSize, 0);
    await clock.advance(20);
    assert.equal(flights.length, 0);
  });

  test("after the flush: the runner is asked once, and says how it ended", async () => {
    const { clock, flight, submit } = setUp();
    submit("1");
    const second = submit("2");
    await clock.advance(20);
    second.cancel();
    second.cancel();
    assert.deepEqual(flight().cancelled, [1]);
    assert.deepEqual(second.outcomes, []);
    flight().settle(1, okOutcome("had ended before"));
    assert.deepEqual(second.ended(), [["OK", ""]]);
  });

  test("once settled: nothing happens", async () => {
    const { clock, flight, submit } = setUp();
    const call = submit("1");
    await clock.advance(20);
    flight().settle(0, okOutcome());
    call.cancel();
    assert.deepEqual(flight().cancelled, []);
    assert.equal(call.outcomes.length, 1);
  });

  test("while its batch is being handed over: the runner is asked as soon as it has it", async () => {
    const { clock, flight, submit } = setUp();
    let second: ReturnType<typeof submit> | undefined;
    submit("1", A, 30, () => second?.cancel());
    second = submit("2");
    await clock.advance(20);
    assert.deepEqual(flight().commands, ["1", "2"]);
    assert.deepEqual(flight().cancelled, [1]);
  });
});

describe("what it tells", () => {
  test("onStarted comes before dispatch, and before any result", async () => {
    const order: string[] = [];
    const { clock, submit } = setUp({
      dispatch: (_batch, settle) => {
        order.push("dispatch");
        settle(0, okOutcome());
        return { done: Promise.resolve(), cancel: () => undefined };
      },
    });
    const call = submit("1", A, 30, () => order.push("started"));
    await clock.advance(20);
    assert.deepEqual(order, ["started", "dispatch"]);
    assert.deepEqual(call.ended(), [["OK", ""]]);
  });

  test("counts what waits and what was dispatched", async () => {
    const { clock, batcher, submit } = setUp();
    for (const command of ["1", "2", "3"]) submit(command);
    submit("4", B);
    assert.equal(batcher.stats.queueSize, 4);
    await clock.advance(20);
    assert.deepEqual(batcher.stats, { queueSize: 0, batches: 2, calls: 4, meanBatchSize: 2 });
  });
});

describe("a call that its runner has already", () => {
  function follow() {
    const { batcher, clock, faults, flights } = setUp();
    const outcomes: string[] = [];
    const cancelled: number[] = [];
    let end: (outcome: Outcome) => void = () => undefined;
    let lose: (error: unknown) => void = () => undefined;
    const done = new Promise<void>((_, reject) => {
      lose = reject;
    });
    const submitted = batcher.follow({ settle: ({ status }) => outcomes.push(status) }, (settle) => {
      end = settle;
      return { done, cancel: (index) => cancelled.push(index) };
    });
    return { batcher, clock, faults, flights, outcomes, cancelled, submitted, end, lose };
  }

  test("is settled once, by what its runner says, and was in no batch", async () => {
    const { batcher, clock, faults, flights, outcomes, end, lose } = follow();
    end(okOutcome());
    end(okOutcome());
    lose(new SwitchyardError("RUNNER_LOST", "gone"));
    await clock.turn();
    assert.deepEqual([outcomes, faults, flights, batcher.stats.calls], [["OK"], [], [], 0]);
  });

  test("is lost with its runner", async () => {
    const { clock, outcomes, lose } = follow();
    lose(new SwitchyardError("RUNNER_LOST", "gone"));
    await clock.turn();
    assert.deepEqual(outcomes, ["LOST"]);
  });

  test("its cancel goes to the runner, once, and has the last word", async () => {
    const { outcomes, cancelled, submitted, end } = follow();
    submitted.cancel();
    submitted.cancel();
    assert.deepEqual([cancelled, outcomes], [[0], []]);
    end(okOutcome());
    submitted.cancel();
    assert.deepEqual([cancelled, outcomes], [[0], ["OK"]]);
  });

  test("a batcher that closes leaves it to its runner", () => {
    const { batcher, outcomes, end } = follow();
    batcher.close();
    assert.deepEqual(outcomes, []);
    end(okOutcome());
    assert.deepEqual(outcomes, ["OK"]);
  });
});
