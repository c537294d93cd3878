// What the reference executor gets wrong (DESIGN.md 2, items 1 to 4, and of 6 what concerns batching), as checks that
// our Batcher and Pool pass and a model of the reference's algorithm fails: so the checks have teeth.
import assert, { AssertionError } from "node:assert/strict";
import { describe, test } from "node:test";
import type { Outcome } from "../../src/core/outcome.js";
import { type Executor, OurExecutor, ReferenceExecutor, SLOTS, type ToyCall } from "../support/executors.js";
import { FakeClock } from "../support/fake-clock.js";

class Stage {
  constructor(
    readonly clock: FakeClock,
    readonly executor: Executor,
  ) {}

  /** Makes a call and notes its outcome when it comes. */
  call(trajectory: string, durationMs: number, more: Partial<ToyCall> = {}): { outcome?: Outcome } {
    const made: { outcome?: Outcome } = {};
    void this.executor.call({ trajectory, durationMs, ...more }).then((outcome) => {
      made.outcome = outcome;
    });
    return made;
  }

  /** Calls one after the other, as an agent does; counts those that succeeded. */
  chain(trajectory: string, calls: number, durationMs: number): { done: number } {
    const chained = { done: 0 };
    const next = (): void => {
      if (chained.done === calls) return;
      void this.executor.call({ trajectory, durationMs }).then((outcome) => {
        if (outcome.status !== "OK") return;
        chained.done += 1;
        next();
      });
    };
    next();
    return chained;
  }

  /** Gives a slot to each of so many trajectories. */
  async fill(trajectories: number): Promise<string[]> {
    const names = Array.from({ length: trajectories }, (_, index) => `t${index}`);
    const calls = names.map((name) => this.call(name, 0));
    await this.clock.advance(100);
    for (const made of calls) assert.equal(made.outcome?.status, "OK");
    return names;
  }
}

const CHECKS: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  "1: a call of 60 s stalls no other trajectory": async (stage) => {
    stage.call("slow", 60_000);
    await stage.clock.advance(100);
    const others = Array.from({ length: SLOTS - 1 }, (_, index) => stage.chain(`t${index}`, 20, 10));
    await stage.clock.advance(5_000);
    assert.deepEqual(
      others.map(({ done }) => done),
      others.map(() => 20),
    );
  },

  "1: a slow external call delays no sandbox call that arrives with it": async (stage) => {
    stage.call("a", 60_000, { external: true });
    const sandbox = stage.call("b", 10);
    await stage.clock.advance(1_000);
    assert.equal(sandbox.outcome?.status, "OK");
  },

  "2: groups of different timeouts run side by side": async (stage) => {
    const calls = [stage.call("a", 5_000, { timeoutS: 30 }), stage.call("b", 5_000, { timeoutS: 60 })];
    await stage.clock.advance(6_000);
    for (const made of calls) assert.equal(made.outcome?.status, "OK");
  },

  "3: trajectories that wait for a slot stall nobody who has one": async (stage) => {
    const holders = await stage.fill(SLOTS);
    const waiting = [stage.call("w0", 10), stage.call("w1", 10)];
    await stage.clock.advance(100);
    const chains = holders.map((name) => stage.chain(name, 30, 10));
    await stage.clock.advance(5_000);
    assert.deepEqual(
      chains.map(({ done }) => done),
      chains.map(() => 30),
    );
    for (const name of holders.slice(0, 2)) stage.executor.release(name);
    await stage.clock.advance(1_000);
    for (const made of waiting) assert.equal(made.outcome?.status, "OK");
  },

  "3: a slot that cannot be had fails only the call that wanted it": async (stage) => {
    const [holder = ""] = await stage.fill(SLOTS);
    const [hopeless, neighbour] = [stage.call("w0", 10), stage.call(holder, 10)];
    await stage.clock.advance(60_000);
    assert.equal(hopeless.outcome?.status, "NOT_STARTED");
    assert.equal(neighbour.outcome?.status, "OK");
  },

  "4: a result comes when its call ends, not when its batch does": async (stage) => {
    const [quick, slow] = [stage.call("a", 10), stage.call("b", 60_000)];
    await stage.clock.advance(1_000);
    assert.equal(quick.outcome?.status, "OK");
    await stage.clock.advance(60_000);
    assert.equal(slow.outcome?.status, "OK");
  },

  "6: what is queued when it closes does not hang": async (stage) => {
    const holders = await stage.fill(SLOTS);
    const calls = [...holders, "waits for a slot"].map((name) => stage.call(name, 10));
    await stage.clock.turn();
    stage.executor.close();
    await stage.clock.advance(600_000);
    for (const made of calls) assert.ok(made.outcome, "a call hangs");
  },

  "6: what it remembers does not grow with the calls that it made": async (stage) => {
    const size = () => JSON.stringify(stage.executor.memory()).length;
    stage.chain("a", 400, 1);
    await stage.clock.advance(1_000);
    const early = size();
    await stage.clock.advance(20_000);
    assert.ok(size() < early + 50, `${early} bytes grew to ${size()}`);
  },
};

async function run(check: (stage: Stage) => Promise<void>, make: (clock: FakeClock) => Executor): Promise<void> {
  const clock = new FakeClock();
  const executor = make(clock);
  const up = executor.start();
  await clock.advance(1_000);
  await up;
  await check(new Stage(clock, executor));
}

for (const [name, check] of Object.entries(CHECKS)) {
  describe(name, () => {
    test("holds for us with window 0", () => run(check, (clock) => new OurExecutor(clock, 0)));
    test("holds for us with window 20", () => run(check, (clock) => new OurExecutor(clock, 20)));
    test("does not hold for the reference's algorithm", async () => {
      await assert.rejects(
        run(check, (clock) => new ReferenceExecutor(clock)),
        AssertionError,
      );
    });
  });
}

test("the model of the reference runs ordinary calls: it fails the checks for what they check", async () => {
  const ordinary = async (stage: Stage) => {
    const chains = (await stage.fill(SLOTS)).map((name) => stage.chain(name, 10, 10));
    await stage.clock.advance(5_000);
    for (const { done } of chains) assert.equal(done, 10);
  };
  await run(ordinary, (clock) => new ReferenceExecutor(clock));
  await run(ordinary, (clock) => new OurExecutor(clock, 20));
});
