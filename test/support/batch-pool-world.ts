// A world for the simulation: many trajectories on the real Batcher and Pool over a fake backend, while containers and
// sandboxes die, starts, wipes and removals fail, and calls are cancelled. All chance comes from one seed.
// It notes every broken invariant in `broken`.
import type { Runner } from "../../src/backend/backend.js";
import { Batcher, type Submitted } from "../../src/batch/batcher.js";
import { messageOf, SwitchyardError } from "../../src/core/errors.js";
import type { CallStatus, Outcome } from "../../src/core/outcome.js";
import type { Random } from "../../src/load/random.js";
import { Pool } from "../../src/pool/pool.js";
import type { LeasedSlot } from "../../src/pool/slot.js";
import { FakeBackend, SILENT } from "./fake-backend.js";
import { FakeClock } from "./fake-clock.js";
import { bash, bindingOf, okOutcome } from "./outcomes.js";
import { TurnWatch } from "./turn-watch.js";

const TIMEOUTS_S = [30, 60, 600];
const SLOTS = 4;
const CONTAINERS_MAX = 4;

export class World {
  readonly clock = new FakeClock();
  readonly backend: FakeBackend;
  readonly batcher: Batcher<Runner>;
  readonly pool: Pool;
  readonly broken: string[] = [];
  readonly ends = new Map<CallStatus, number>();
  calls = 0;
  /** Trajectories that have not ended yet. */
  alive = 0;
  /** Things go wrong only while this holds. */
  chaos = true;
  readonly #turns = new TurnWatch((what) => this.broken.push(what));
  readonly #holders = new Map<string, string>();

  constructor(readonly random: Random) {
    const fails = (probability: number, what: string) => () => {
      if (this.#strikes(probability)) throw new SwitchyardError("BACKEND_UNAVAILABLE", what);
    };
    this.backend = new FakeBackend(this.clock, {
      slots: SLOTS,
      onStart: fails(0.3, "start failed"),
      onOpen: fails(0.01, "open failed"),
      onClose: fails(0.03, "files were left"),
      onDestroy: fails(0.2, "engine is away"),
    });
    const limits = { slotsPerContainer: SLOTS, maxContainers: CONTAINERS_MAX, idleTtlS: 5 };
    this.pool = new Pool({ name: "p", backend: this.backend, clock: this.clock, log: SILENT, limits });
    this.batcher = new Batcher<Runner>({
      clock: this.clock,
      windowMs: random.pick([0, 20]),
      sizeMax: random.pick([3, 200]),
      dispatch: ({ runner, entries, timeoutS }, settle) => {
        const operations = entries.map(({ operation }) => operation);
        return runner.runBatch(operations, timeoutS, (index, outcome) => {
          settle(index, outcome);
          if (this.#strikes(0.05)) settle(random.pick([-1, index, entries.length]), okOutcome("made up"));
        });
      },
      onFault: (error) => this.broken.push(`a callback threw: ${messageOf(error)}`),
    });
  }

  get containersMax(): number {
    return CONTAINERS_MAX;
  }

  /** Lets so many trajectories arrive one after the other, and things die meanwhile. */
  populate(trajectories: number): void {
    this.alive = trajectories;
    let atMs = 0;
    for (let index = 0; index < trajectories; index += 1) {
      atMs += this.random.whole(0, 60);
      this.clock.after(atMs, () => void this.#trajectory(`t${index}`));
    }
    this.#disaster();
  }

  #strikes(probability: number): boolean {
    return this.chaos && this.random.chance(probability);
  }

  #disaster(): void {
    this.clock.after(this.random.whole(50, 1500), () => {
      if (!this.chaos) return;
      const containers = [...this.backend.containers];
      if (containers.length > 0) {
        const container = this.random.pick(containers);
        if (this.random.chance(0.3)) container.kill();
        else container.failSlot(this.random.whole(0, SLOTS - 1));
      }
      this.#disaster();
    });
  }

  async #trajectory(name: string): Promise<void> {
    const group = `g${this.random.whole(0, 4)}`;
    let left = this.random.whole(5, 15);
    let generation = 0;
    while (left > 0) {
      const slot = await this.#acquire(group);
      if (!slot) {
        // It gave up, or no container would start: an agent tries again later.
        await this.#sleep(this.random.whole(100, 3000));
        continue;
      }
      generation += 1;
      left = await this.#useSlot(name, slot, generation, left);
    }
    this.alive -= 1;
  }

  /** Makes calls until none is left or the slot is lost; returns how many are left. */
  async #useSlot(name: string, slot: LeasedSlot, generation: number, calls: number): Promise<number> {
    let left = calls;
    let lost = false;
    let onLost = () => {};
    const rival = this.#holders.get(slot.id);
    if (rival) this.broken.push(`${slot.id} was leased to ${name} while ${rival} had it`);
    this.#holders.set(slot.id, name);
    slot.onLost(() => {
      lost = true;
      this.#holders.delete(slot.id);
      onLost();
    });
    try {
      if (!lost) slot.bind(bindingOf(name, { generation }));
    } catch (error) {
      this.broken.push(`bind of a slot that was not lost: ${messageOf(error)}`);
    }
    while (left > 0 && !lost) {
      left -= 1;
      await this.#call(slot, (withdraw) => {
        onLost = withdraw;
      });
      onLost = () => {};
      if (this.random.chance(0.3)) await this.#sleep(this.random.whole(0, 100));
    }
    this.#holders.delete(slot.id);
    const released = this.pool.release(slot);
    if (this.random.chance(0.3)) await released;
    return left;
  }

  async #acquire(group: string): Promise<LeasedSlot | undefined> {
    const aborter = new AbortController();
    const impatience = this.random.chance(0.2) ? this.random.whole(0, 2000) : 60_000;
    const timer = this.clock.after(impatience, () => aborter.abort());
    this.#turns.waits(group);
    try {
      const slot = await this.pool.acquire({ group, signal: aborter.signal });
      this.#turns.served(group);
      return slot;
    } catch {
      this.#turns.gaveUp(group);
      return undefined;
    } finally {
      timer.cancel();
    }
  }

  /** One call; `onSlot` gets what to do when the slot is lost before the call was sent. */
  async #call(slot: LeasedSlot, onSlot: (withdraw: () => void) => void): Promise<void> {
    this.calls += 1;
    const id = this.calls;
    const outcomes: Outcome[] = [];
    let started = false;
    await new Promise<void>((ended) => {
      const submitted: Submitted = this.batcher.submit({
        runner: slot.runner,
        timeoutS: this.random.pick(TIMEOUTS_S),
        operation: bash(slot.index, `sleep ${this.random.chance(0.05) ? 2000 : this.random.whole(0, 30)}`),
        onStarted: () => {
          if (started) this.broken.push(`call ${id} started twice`);
          started = true;
        },
        settle: (outcome) => {
          outcomes.push(outcome);
          this.ends.set(outcome.status, (this.ends.get(outcome.status) ?? 0) + 1);
          if (outcomes.length > 1) this.broken.push(`call ${id} was settled ${outcomes.length} times`);
          if (outcome.output !== "") this.broken.push(`call ${id} got a result that nobody produced`);
          ended();
        },
      });
      onSlot(() => {
        if (!started) submitted.cancel();
      });
      if (this.random.chance(0.1)) this.clock.after(this.random.whole(0, 50), () => submitted.cancel());
    });
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(ms, resolve));
  }
}
