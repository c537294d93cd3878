// What happens to a trajectory, as it happens, for any number of readers. Each reader has a queue of its own, bounded: one
// that does not read ends with EVENTS_OVERFLOW and holds nobody up.
import { SwitchyardClientError } from "./errors.js";
import type { ToolResult } from "./tool-result.js";

/**
 * - `result`: a call of this client ended; its promise resolves with the same result.
 * - `unclaimed`: the result of a call that an earlier client made under this `trajectoryId`. It stays with the server until
 *   `call()` repeats it (same `uniqId` and content) or `discard()` gives it up.
 * - `slot_lost`: the workspace is gone. The next call without a `slotGeneration` gets a new, empty one.
 * - `go_away`: the server is about to end the stream; calls wait here until it is back.
 * - `disconnected`: the stream broke, and a new one is tried in `retryInMs`. Nothing was cancelled.
 * - `reconnected`: it goes on. `resumed: false`: a new life, with an empty workspace; the calls `lost` ended `LOST`.
 *
 * Later versions add types: ignore those that you do not know.
 */
export type TrajectoryEvent =
  | { readonly type: "result" | "unclaimed"; readonly result: ToolResult }
  | { readonly type: "slot_lost"; readonly slotGeneration: number; readonly reason: string }
  | { readonly type: "go_away"; readonly reason: string; readonly reconnectAfterMs: number }
  | { readonly type: "disconnected"; readonly error: SwitchyardClientError; readonly retryInMs: number }
  | {
      readonly type: "reconnected";
      readonly resumed: boolean;
      readonly incarnation: string;
      readonly slotGeneration: number;
      readonly lost: readonly string[];
    };

/** Events that one reader may leave unread. */
const UNREAD_MAX = 10_000;

export class EventHub {
  readonly #readers = new Set<Reader>();
  #over = false;
  #failure: Error | undefined;

  emit(event: TrajectoryEvent): void {
    for (const reader of this.#readers) reader.push(event);
  }

  /** Readers get what they have not read yet, then the end or the failure. */
  end(failure: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#failure = failure;
    for (const reader of this.#readers) reader.end(failure);
    this.#readers.clear();
  }

  /** From now on. */
  iterate(): AsyncIterableIterator<TrajectoryEvent> {
    const reader = new Reader((it) => this.#readers.delete(it));
    if (this.#over) reader.end(this.#failure);
    else this.#readers.add(reader);
    return reader;
  }
}

type Step = IteratorResult<TrajectoryEvent, undefined>;

class Reader implements AsyncIterableIterator<TrajectoryEvent> {
  #unread: TrajectoryEvent[] = [];
  readonly #waiting: { resolve: (step: Step) => void; reject: (error: Error) => void }[] = [];
  #over = false;
  #failure: Error | undefined;

  constructor(private readonly leave: (reader: Reader) => void) {}

  push(event: TrajectoryEvent): void {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) return waiting.resolve({ value: event, done: false });
    if (this.#unread.push(event) <= UNREAD_MAX) return;
    this.leave(this);
    this.#unread = [];
    this.end(new SwitchyardClientError("EVENTS_OVERFLOW", `${UNREAD_MAX} events were not read`));
  }

  end(failure: Error | undefined): void {
    this.#over = true;
    this.#failure = failure;
    const waiting = this.#waiting.splice(0);
    const [first, ...others] = waiting;
    if (first !== undefined && this.#failure !== undefined) first.reject(this.#takeFailure());
    else first?.resolve(DONE);
    for (const { resolve } of others) resolve(DONE);
  }

  next(): Promise<Step> {
    const event = this.#unread.shift();
    if (event !== undefined) return Promise.resolve({ value: event, done: false });
    if (this.#failure !== undefined) return Promise.reject(this.#takeFailure());
    if (this.#over) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  return(): Promise<Step> {
    this.leave(this);
    this.#unread = [];
    this.#failure = undefined;
    this.end(undefined);
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Thrown once; after it the iterator is done. */
  #takeFailure(): Error {
    const failure = this.#failure ?? new SwitchyardClientError("CLOSED", "the trajectory is over");
    this.#failure = undefined;
    return failure;
  }
}

const DONE: Step = { value: undefined, done: true };
