// The reference executor's algorithm, with its faults, which are what is measured: one loop that collects calls for a window,
// then awaits the whole batch. Within a batch it acquires the slots of new trajectories one after the other, runs one timeout
// group after the other, and answers when the last is done.
import type { Clock } from "../../../../src/core/clock.js";
import { messageOf } from "../../../../src/core/errors.js";
import type { Arguments, Result } from "./protocol.js";

export interface PlacedCall<Place> {
  readonly place: Place;
  readonly tool: string;
  readonly arguments: Arguments;
}

export interface ExecutorOptions<Place> {
  readonly clock: Clock;
  readonly windowMs: number;
  readonly sizeMax: number;
  /** The trajectory's slot, its own from the first time on; waits for one when there is none. */
  acquire(trajectoryId: string): Promise<Place>;
  /** Results in the order of the calls. */
  execute(calls: readonly PlacedCall<Place>[], timeoutS: number): Promise<readonly Result[]>;
}

interface Queued {
  readonly trajectoryId: string;
  readonly tool: string;
  readonly arguments: Arguments;
  readonly timeoutS: number;
  readonly settle: (result: Result) => void;
}

export class Executor<Place> {
  readonly #options: ExecutorOptions<Place>;
  readonly #queue: Queued[] = [];
  #onArrival: () => void = () => undefined;
  #isRunning = false;

  constructor(options: ExecutorOptions<Place>) {
    this.#options = options;
  }

  call(trajectoryId: string, tool: string, args: Arguments, timeoutS: number): Promise<Result> {
    return new Promise((settle) => {
      this.#queue.push({ trajectoryId, tool, arguments: args, timeoutS, settle });
      this.#onArrival();
      if (!this.#isRunning) void this.#loop();
    });
  }

  async #loop(): Promise<void> {
    this.#isRunning = true;
    while (this.#queue.length > 0) {
      await this.#window();
      await this.#run(this.#queue.splice(0, this.#options.sizeMax));
    }
    this.#isRunning = false;
  }

  /** From the first call on, until the window has passed or the batch is full. */
  async #window(): Promise<void> {
    const { clock, windowMs, sizeMax } = this.#options;
    if (this.#queue.length >= sizeMax) return;
    await new Promise<void>((resolve) => {
      const timer = clock.after(windowMs, resolve);
      this.#onArrival = () => {
        if (this.#queue.length < sizeMax) return;
        timer.cancel();
        resolve();
      };
    });
    this.#onArrival = () => undefined;
  }

  async #run(batch: readonly Queued[]): Promise<void> {
    const results = new Map<Queued, Result>();
    try {
      const groups = new Map<number, (PlacedCall<Place> & { readonly of: Queued })[]>();
      for (const call of batch) {
        const place = await this.#options.acquire(call.trajectoryId);
        const group = groups.get(call.timeoutS) ?? [];
        groups.set(call.timeoutS, group);
        group.push({ place, tool: call.tool, arguments: call.arguments, of: call });
      }
      for (const [timeoutS, group] of groups) {
        const answers = await this.#execute(group, timeoutS);
        for (const [index, { of }] of group.entries()) results.set(of, answers[index] ?? failed("no result"));
      }
    } catch (error) {
      for (const call of batch) results.set(call, failed(`Failed to acquire slot: ${messageOf(error)}`));
    }
    for (const call of batch) call.settle(results.get(call) ?? failed("no result"));
  }

  async #execute(group: readonly PlacedCall<Place>[], timeoutS: number): Promise<readonly Result[]> {
    try {
      return await this.#options.execute(group, timeoutS);
    } catch (error) {
      return group.map(() => failed(`Batch execution failed: ${messageOf(error)}`));
    }
  }
}

function failed(error: string): Result {
  return { success: false, output: "", error };
}
