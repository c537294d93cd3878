import assert from "node:assert/strict";
import { test } from "node:test";
import { FairGate } from "../../src/tools/external/fair-gate.js";

const FOREVER = new AbortController().signal;

/** Notes who is in, in the order they came. */
function world(max: number, ofOneMax: number) {
  const gate = new FairGate(max, ofOneMax);
  const order: string[] = [];
  const leavers = new Map<string, () => void>();
  const enter = (name: string, signal = FOREVER) =>
    gate.enter(name.slice(0, 1), signal).then((leave) => {
      order.push(name);
      leavers.set(name, leave);
    });
  const leave = async (name: string) => {
    leavers.get(name)?.();
    await new Promise(setImmediate);
  };
  return { enter, leave, order };
}

test("lets in up to its limits, and then by turns among trajectories", async () => {
  const { enter, leave, order } = world(2, 2);
  await Promise.all([enter("a1"), enter("a2")]);
  for (const name of ["a3", "a4", "b1", "b2", "c1"]) void enter(name);
  for (const name of ["a1", "a2", "a3", "b1", "c1"]) await leave(name);
  assert.deepEqual(order, ["a1", "a2", "a3", "b1", "c1", "a4", "b2"]);
});

test("one trajectory cannot take every place", async () => {
  const { enter, leave, order } = world(3, 2);
  for (const name of ["a1", "a2", "a3"]) void enter(name);
  await enter("b1");
  assert.deepEqual(order, ["a1", "a2", "b1"]);
  await leave("b1");
  assert.deepEqual(order, ["a1", "a2", "b1"]);
  await leave("a1");
  await leave("a1");
  assert.deepEqual(order, ["a1", "a2", "b1", "a3"]);
});

test("who gives up leaves the line, and holds up nobody", async () => {
  const { enter, leave, order } = world(1, 1);
  await enter("a1");
  const abort = new AbortController();
  const given = enter("b1", abort.signal);
  void enter("c1");
  abort.abort(new Error("enough"));
  await assert.rejects(given, /enough/);
  await assert.rejects(enter("d1", abort.signal), /enough/);
  await leave("a1");
  assert.deepEqual(order, ["a1", "c1"]);
});
