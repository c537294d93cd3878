// Two ways to run the calls of many trajectories on a fake clock, behind one face: ours, from the real Batcher and Pool
// with the least of a trajectory around them, and a small model of the reference executor's algorithm (DESIGN.md 2).
import type { Runner } from "../../src/backend/backend.js";
import { Batcher } from "../../src/batch/batcher.js";
import { messageOf, SwitchyardError } from "../../src/core/errors.js";
import { failedOutcome, type Outcome } from "../../src/core/outcome.js";
import { Pool } from "../../src/pool/pool.js";
import type { LeasedSlot } from "../../src/pool/slot.js";
import { FakeBackend, SILENT } from "./fake-backend.js";
import type { FakeClock } from "./fake-clock.js";
import { bash, bindingOf, okOutcome } from "./outcomes.js";

export const SLOTS = 10;

export interface ToyCall {
  readonly trajectory: string;
  readonly durationMs: number;
  readonly timeoutS?: number;
  readonly external?: boolean;
}

export interface Executor {
  start(): Promise<void>;
  /** Resolves when the result reaches the caller. */
  call(call: ToyCall): Promise<Outcome>;
  release(trajectory: string): void;
  close(): void;
  /** What the executor remembers of the calls that it has finished. */
  memory(): unknown;
}

const QUEUE_TIMEOUT_MS = 20_000;
const TIMEOUT_S = 30;

function queueTimeout(): SwitchyardError {
  return new SwitchyardError("QUEUE_TIMEOUT", `no slot within ${QUEUE_TIMEOUT_MS} ms`);
}

export class OurExecutor implements Executor {
  readonly #batcher: Batcher<Runner>;
  readonly #pool: Pool;
  readonly #slots = new Map<string, LeasedSlot>();
  /** The last call of each trajectory: its calls run one at a time. */
  readonly #tails = new Map<string, Promise<Outcome>>();

  constructor(
    private readonly clock: FakeClock,
    windowMs: number,
  ) {
    const backend = new FakeBackend(clock, { slots: SLOTS });
    this.#pool = new Pool({ name: "p", backend, clock, log: SILENT, limits: { maxContainers: 1 } });
    this.#batcher = new Batcher<Runner>({
      clock,
      windowMs,
      sizeMax: 200,
      dispatch: ({ runner, entries, timeoutS }, settle) =>
        runner.runBatch(
          entries.map(({ operation }) => operation),
          timeoutS,
          settle,
        ),
      onFault: (error) => {
        throw error;
      },
    });
  }

  start(): Promise<void> {
    return this.#pool.start();
  }

  call(call: ToyCall): Promise<Outcome> {
    if (call.external) return sleep(this.clock, call.durationMs).then(() => okOutcome());
    const before = this.#tails.get(call.trajectory) ?? Promise.resolve();
    const outcome = before.then(() => this.#run(call));
    this.#tails.set(call.trajectory, outcome);
    return outcome;
  }

  release(trajectory: string): void {
    const slot = this.#slots.get(trajectory);
    this.#slots.delete(trajectory);
    if (slot) void this.#pool.release(slot);
  }

  close(): void {
    this.#batcher.close();
    void this.#pool.close();
  }

  memory(): unknown {
    return { batcher: this.#batcher.stats, pool: this.#pool.status() };
  }

  async #run({ trajectory, durationMs, timeoutS = TIMEOUT_S }: ToyCall): Promise<Outcome> {
    try {
      const slot = this.#slots.get(trajectory) ?? (await this.#acquire(trajectory));
      const operation = bash(slot.index, `sleep ${durationMs}`);
      return await new Promise((settle) => this.#batcher.submit({ runner: slot.runner, timeoutS, operation, settle }));
    } catch (error) {
      return failedOutcome("NOT_STARTED", messageOf(error));
    }
  }

  async #acquire(trajectory: string): Promise<LeasedSlot> {
    const aborter = new AbortController();
    const deadline = this.clock.after(QUEUE_TIMEOUT_MS, () => aborter.abort(queueTimeout()));
    const slot = await this.#pool.acquire({ group: "", signal: aborter.signal }).finally(() => deadline.cancel());
    slot.bind(bindingOf(trajectory));
    this.#slots.set(trajectory, slot);
    return slot;
  }
}

interface Queued {
  readonly call: ToyCall;
  readonly settle: (outcome: Outcome) => void;
}

/** One loop: collect for 20 ms, run the batch, hand out its results when all of it has ended, collect again. */
export class ReferenceExecutor implements Executor {
  readonly #queue: Queued[] = [];
  readonly #holders = new Set<string>();
  readonly #latencies: number[] = [];
  #closed = false;
  #arrived: () => void = () => undefined;
  #freed: () => void = () => undefined;

  constructor(private readonly clock: FakeClock) {}

  async start(): Promise<void> {
    void this.#loop();
  }

  call(call: ToyCall): Promise<Outcome> {
    return new Promise((settle) => {
      this.#queue.push({ call, settle });
      this.#arrived();
    });
  }

  release(trajectory: string): void {
    this.#holders.delete(trajectory);
    this.#freed();
  }

  close(): void {
    this.#closed = true;
  }

  memory(): unknown {
    return { latencies: this.#latencies };
  }

  async #loop(): Promise<void> {
    while (!this.#closed) {
      if (this.#queue.length === 0) await new Promise<void>((resolve) => (this.#arrived = resolve));
      await sleep(this.clock, 20);
      if (!this.#closed) await this.#runBatch(this.#queue.splice(0, 200));
    }
  }

  async #runBatch(batch: readonly Queued[]): Promise<void> {
    const beganMs = this.clock.now();
    const external = batch.filter(({ call }) => call.external);
    const sandbox = batch.filter(({ call }) => !call.external);
    await Promise.all(external.map(({ call }) => sleep(this.clock, call.durationMs)));
    let outcome = okOutcome();
    try {
      for (const { call } of sandbox) await this.#acquire(call.trajectory);
      const timeouts = new Set(sandbox.map(({ call }) => call.timeoutS));
      for (const timeoutS of timeouts) {
        const group = sandbox.filter(({ call }) => call.timeoutS === timeoutS);
        await Promise.all(group.map(({ call }) => sleep(this.clock, call.durationMs)));
      }
    } catch (error) {
      outcome = failedOutcome("NOT_STARTED", `Batch execution failed: ${messageOf(error)}`);
    }
    for (const { settle } of batch) {
      this.#latencies.push(this.clock.now() - beganMs);
      settle(outcome);
    }
  }

  async #acquire(trajectory: string): Promise<void> {
    const untilMs = this.clock.now() + QUEUE_TIMEOUT_MS;
    while (!this.#holders.has(trajectory)) {
      if (this.#holders.size < SLOTS) this.#holders.add(trajectory);
      else await this.#freedBy(untilMs);
    }
  }

  #freedBy(untilMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const deadline = this.clock.after(untilMs - this.clock.now(), () => reject(queueTimeout()));
      this.#freed = () => {
        deadline.cancel();
        resolve();
      };
    });
  }
}

function sleep(clock: FakeClock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}
