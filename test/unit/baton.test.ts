// Rows of the bench that are measured side by side must never use the machine at once, and each must meet the whole of a run.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Baton } from "../../scripts/bench/baton.js";
import { once } from "../../scripts/bench/once.js";

function setUp() {
  const baton = new Baton();
  const log: string[] = [];
  let measuring = 0;
  const measure = async (name: string) => {
    measuring += 1;
    assert.equal(measuring, 1, `${name} is measured while another is`);
    await setImmediate();
    log.push(name);
    measuring -= 1;
  };
  const row = (name: string, turns: number) =>
    baton.hold(async () => {
      for (let at = 0; at < turns; at++) {
        if (at > 0) await baton.giveWay(at / turns);
        await measure(name);
      }
    });
  return { baton, log, measure, row };
}

test("rows of few and of many turns go on side by side, to the end", async () => {
  const { log, row } = setUp();
  await Promise.all([row("a", 2), row("b", 6), row("c", 3)]);
  assert.equal(log.join(""), "abcbcbabcbb");
});

test("a row that fails costs no other", async () => {
  const { baton, log, row } = setUp();
  const broken = baton.hold(async () => {
    await baton.giveWay(0.5);
    throw new Error("broken");
  });
  const [failed] = await Promise.allSettled([broken, row("a", 2)]);
  assert.equal(failed.status, "rejected");
  assert.equal(log.join(""), "aa");
});

test("what two rows are made of is measured once, while the second waits without the baton", async () => {
  const { baton, log, measure, row } = setUp();
  const bench = { aside: <T>(result: Promise<T>) => baton.aside(result) };
  const shared = once(async (_: typeof bench) => {
    await measure("s");
    await baton.giveWay(0.5);
    await measure("s");
    return log.length;
  });
  const made = [1, 2].map(() => baton.hold(() => shared(bench)));
  const [[first, second]] = await Promise.all([Promise.all(made), row("a", 2)]);
  assert.equal(first, second);
  assert.equal(log.filter((name) => name === "s").length, 2);
});
