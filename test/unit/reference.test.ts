// The bench's rival must have the faults that it is measured for.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Executor, type PlacedCall } from "../../scripts/bench/rivals/reference/executor.js";
import type { Result } from "../../scripts/bench/rivals/reference/protocol.js";
import { SlotTable } from "../../scripts/bench/rivals/reference/slot-table.js";
import { FakeClock, settled } from "../support/fake-clock.js";

interface Execution {
  readonly slots: readonly number[];
  readonly timeoutS: number;
  readonly finish: () => void;
  readonly fail: (error: Error) => void;
}

function setUp({ slots = 10, sizeMax = 200 } = {}) {
  const clock = new FakeClock();
  const executions: Execution[] = [];
  const wiped: number[] = [];
  const places = Array.from({ length: slots }, (_, slot) => slot);
  const table = new SlotTable(places, async (place) => {
    wiped.push(place);
  });
  const executor = new Executor<number>({
    clock,
    windowMs: 20,
    sizeMax,
    acquire: (trajectoryId) => table.acquire(trajectoryId),
    execute: (calls: readonly PlacedCall<number>[], timeoutS) =>
      new Promise<readonly Result[]>((resolve, reject) => {
        const finish = () => resolve(calls.map(({ tool }) => ({ success: true, output: tool, error: "" })));
        executions.push({ slots: calls.map(({ place }) => place), timeoutS, finish, fail: reject });
      }),
  });
  const results = new Map<string, Result>();
  const call = (trajectoryId: string, timeoutS = 30) => {
    void executor.call(trajectoryId, trajectoryId, {}, timeoutS).then((result) => results.set(trajectoryId, result));
  };
  return { clock, executions, table, wiped, results, call };
}

describe("the reference's executor", () => {
  test("collects the calls of a window into one batch", async () => {
    const { clock, executions, call } = setUp();
    call("a");
    await clock.advance(19);
    call("b");
    assert.equal(executions.length, 0);
    await clock.advance(1);
    assert.deepEqual(
      executions.map(({ slots }) => slots),
      [[0, 1]],
    );
  });

  test("does not wait for the window's end when the batch is full", async () => {
    const { executions, call } = setUp({ sizeMax: 2 });
    call("a");
    call("b");
    await settled();
    assert.equal(executions.length, 1);
  });

  test("awaits a batch before it collects another", async () => {
    const { clock, executions, call, results } = setUp();
    call("a");
    await clock.advance(20);
    call("b");
    await clock.advance(1_000);
    assert.equal(executions.length, 1);
    executions[0]?.finish();
    await clock.advance(20);
    assert.deepEqual([...results.keys()], ["a"]);
    assert.deepEqual(executions[1]?.slots, [1]);
  });

  test("runs timeout groups one after the other, and answers when all are done", async () => {
    const { clock, executions, call, results } = setUp();
    call("a", 600);
    call("b", 5);
    call("c", 600);
    await clock.advance(20);
    assert.deepEqual(
      executions.map(({ slots, timeoutS }) => ({ slots, timeoutS })),
      [{ slots: [0, 2], timeoutS: 600 }],
    );
    executions[0]?.finish();
    await settled();
    assert.equal(executions[1]?.timeoutS, 5);
    assert.equal(results.size, 0);
    executions[1]?.finish();
    await settled();
    assert.deepEqual([...results.keys()].sort(), ["a", "b", "c"]);
  });

  test("stands still while one trajectory waits for a slot", async () => {
    const { clock, executions, call, table, wiped } = setUp({ slots: 1 });
    call("a");
    call("b");
    await clock.advance(1_000);
    assert.equal(executions.length, 0);
    await table.release("a");
    await settled();
    assert.deepEqual(executions[0]?.slots, [0, 0]);
    assert.deepEqual(wiped, [0]);
  });

  test("fails every call of the batch when one slot cannot be had", async () => {
    const { clock, call, results, table } = setUp({ slots: 1 });
    call("a");
    call("b");
    await clock.advance(20);
    table.close();
    await settled();
    const failed = { success: false, output: "", error: "Failed to acquire slot: closed" };
    assert.deepEqual(Object.fromEntries(results), { a: failed, b: failed });
  });

  test("says why a batch failed, and goes on", async () => {
    const { clock, executions, call, results } = setUp();
    call("a");
    await clock.advance(20);
    executions[0]?.fail(new Error("no answer"));
    await settled();
    assert.equal(results.get("a")?.error, "Batch execution failed: no answer");
    call("b");
    await clock.advance(20);
    executions[1]?.finish();
    await settled();
    assert.equal(results.get("b")?.success, true);
  });

  test("leaves a trajectory its slot", async () => {
    const { clock, executions, call } = setUp();
    for (const [index, trajectoryId] of ["a", "b", "a"].entries()) {
      call(trajectoryId);
      await clock.advance(20);
      executions[index]?.finish();
      await settled();
    }
    assert.deepEqual(
      executions.map(({ slots }) => slots),
      [[0], [1], [0]],
    );
  });
});
