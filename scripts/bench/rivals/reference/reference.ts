// The rival that shows what the design gains, apart from the language: the reference's algorithm, our own implementation of it.
// The executor runs in the caller's process, as the original did in its agents', so nothing lies between it and who drives it.
import { systemClock } from "../../../../src/core/clock.js";
import { Container, removeLeftovers } from "./container.js";
import { Executor, type PlacedCall } from "./executor.js";
import type { Arguments, BatchAnswer, BatchRequest, ResetRequest, Result } from "./protocol.js";
import { SlotTable } from "./slot-table.js";

/** The reference's defaults. */
const WINDOW_MS = 20;
const BATCH_SIZE_MAX = 200;
const SLOTS_PER_CONTAINER = 10;
const TIMEOUT_S = 30;

export interface ReferenceSettings {
  /** Rounded up to whole containers of 10. */
  readonly slots: number;
  /** Whether each command enters bubblewrap. */
  readonly sandboxed: boolean;
  readonly signal: AbortSignal;
}

export interface Reference {
  call(trajectoryId: string, tool: string, args: Arguments, timeoutS?: number): Promise<Result>;
  /** Wipes the slot and gives it to whom waits. */
  release(trajectoryId: string): Promise<void>;
  /** Ends the containers; calls under way fail. */
  close(): Promise<void>;
}

interface Place {
  readonly container: Container;
  readonly slot: number;
}

export async function startReference({ slots, sandboxed, signal }: ReferenceSettings): Promise<Reference> {
  await removeLeftovers();
  const count = Math.ceil(slots / SLOTS_PER_CONTAINER);
  const starts = Array.from({ length: count }, () =>
    Container.start({ slots: SLOTS_PER_CONTAINER, sandboxed }, signal),
  );
  const settled = await Promise.allSettled(starts);
  const containers = settled.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  const failure = settled.find(({ status }) => status === "rejected");
  if (failure !== undefined) {
    await Promise.all(containers.map((container) => container.stop()));
    await Promise.all(starts);
  }
  const places = containers.flatMap((container) =>
    Array.from({ length: SLOTS_PER_CONTAINER }, (_, slot): Place => ({ container, slot })),
  );
  const table = new SlotTable(places, async ({ container, slot }) => {
    await container.post("/reset", { slot } satisfies ResetRequest);
  });
  const executor = new Executor<Place>({
    clock: systemClock,
    windowMs: WINDOW_MS,
    sizeMax: BATCH_SIZE_MAX,
    acquire: (trajectoryId) => table.acquire(trajectoryId),
    execute,
  });
  return {
    call: (trajectoryId, tool, args, timeoutS = TIMEOUT_S) => executor.call(trajectoryId, tool, args, timeoutS),
    release: (trajectoryId) => table.release(trajectoryId),
    async close() {
      table.close();
      await Promise.all(containers.map((container) => container.stop()));
    },
  };
}

/** One request to each container, all at once. */
async function execute(calls: readonly PlacedCall<Place>[], timeoutS: number): Promise<readonly Result[]> {
  const byContainer = new Map<Container, number[]>();
  for (const [index, { place }] of calls.entries()) {
    const indices = byContainer.get(place.container) ?? [];
    byContainer.set(place.container, indices);
    indices.push(index);
  }
  const results: Result[] = [];
  const post = async ([container, indices]: [Container, number[]]) => {
    const its = indices.flatMap((index) => calls[index] ?? []);
    const body: BatchRequest = {
      timeout_s: timeoutS,
      calls: its.map(({ place, tool, arguments: args }) => ({ slot: place.slot, tool, arguments: args })),
    };
    const answer = (await container.post("/batch", body)) as BatchAnswer;
    for (const [at, index] of indices.entries()) {
      const result = answer.results[at];
      if (result === undefined) throw new Error("a result is missing");
      results[index] = result;
    }
  };
  await Promise.all([...byContainer].map(post));
  return results;
}
