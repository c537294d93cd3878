// Collects the calls of all trajectories into batches: one group per (runner, timeout), flushed at once when it is full,
// and in portions when its window ends. Pure logic over an injected clock and an injected dispatch; owns every entry until
// it is settled.
// Invariants: groups never wait on each other, and every entry is settled exactly once on every path.
import type { RunningBatch } from "../backend/backend.js";
import type { Clock, Timer } from "../core/clock.js";
import { SwitchyardError } from "../core/errors.js";
import { failedOutcome, type Outcome } from "../core/outcome.js";
import {
  type Batch,
  type BatchEntry,
  batchFailure,
  type Caller,
  type Dispatch,
  type FaultReport,
  Ticket,
} from "./batch.js";

export interface BatcherOptions<R> {
  readonly clock: Clock;
  /** How long a group collects after its first entry, in milliseconds; 0: until the end of the event-loop turn. */
  readonly windowMs: number;
  /** A group is flushed at once when it holds so many entries; at least 1. */
  readonly sizeMax: number;
  readonly dispatch: Dispatch<R>;
  readonly onFault: FaultReport;
  /** Told of each batch that dispatch took: its calls, and how long the first of them waited in it, in milliseconds. */
  readonly onBatch?: (calls: number, waitMs: number) => void;
}

export interface BatcherStats {
  /** Entries that wait for their window to end, or for the portions before theirs. */
  readonly queueSize: number;
  /** Batches that dispatch took, since the start. */
  readonly batches: number;
  /** Calls in those batches. */
  readonly calls: number;
  /** 0 before the first batch. */
  readonly meanBatchSize: number;
}

export interface Submitted {
  /**
   * Before the flush: settles the entry CANCELLED, and it is never dispatched. After it: asks the runner, and the entry
   * is settled by what the runner says. Harmless once settled.
   */
  cancel(): void;
}

interface Queued<R> {
  readonly entry: BatchEntry<R>;
  readonly ticket: Ticket;
  readonly sinceMs: number;
}

interface Group<R> {
  readonly runner: R;
  readonly timeoutS: number;
  /** What comes while its portions go out goes out after them. */
  readonly queued: Set<Queued<R>>;
  /** Until its window has ended, and then until its next portion. */
  timer: Timer;
}

/**
 * Of a group whose window has ended so many entries are flushed in each event-loop turn, and at least a quarter of all that wait.
 * What they lead to, results and the next calls of their callers, is on its way while the others are being handed on: on 100
 * streams over one connection that is a fifth to a third more calls a second. Of thousands each turn would cost more than it gives.
 */
const PORTION_MIN = 16;

export class Batcher<R extends { readonly id: string }> {
  /** Keyed by identity, not by id: calls must not reach another runner whatever it is called. */
  readonly #groups = new Map<R, Map<number, Group<R>>>();
  #closed = false;
  #queued = 0;
  #lastId = 0;
  #batches = 0;
  #calls = 0;

  constructor(private readonly options: BatcherOptions<R>) {}

  submit(entry: BatchEntry<R>): Submitted {
    const ticket = new Ticket(entry, this.options.onFault);
    if (this.#closed) {
      ticket.settle(shuttingDown());
      return ticket;
    }
    const group = this.#groupOf(entry);
    const queued = { entry, ticket, sinceMs: this.options.clock.now() };
    group.queued.add(queued);
    this.#queued += 1;
    ticket.onCancel(() => {
      this.#withdraw(group, queued);
      ticket.settle(failedOutcome("CANCELLED", "Cancelled"));
    });
    if (group.queued.size >= this.options.sizeMax) this.#flush(group);
    return ticket;
  }

  /** A call that its runner has already, from an earlier server: settled by what the runner says, or LOST with it. */
  follow(caller: Caller, resume: (settle: (outcome: Outcome) => void) => RunningBatch): Submitted {
    const ticket = new Ticket(caller, this.options.onFault);
    const running = resume((outcome) => ticket.settle(outcome));
    ticket.onCancel(() => running.cancel(0));
    running.done.catch((error: unknown) => this.#endAll([ticket], error));
    return ticket;
  }

  get stats(): BatcherStats {
    return {
      queueSize: this.#queued,
      batches: this.#batches,
      calls: this.#calls,
      meanBatchSize: this.#batches === 0 ? 0 : this.#calls / this.#batches,
    };
  }

  /** Settles what is queued as NOT_STARTED, and whatever is submitted later. Batches on their way run on. Idempotent. */
  close(): void {
    this.#closed = true;
    const groups = [...this.#groups.values()].flatMap((byTimeout) => [...byTimeout.values()]);
    for (const group of groups) this.#forget(group);
    for (const group of groups) {
      for (const { ticket } of group.queued) ticket.settle(shuttingDown());
    }
    this.#queued = 0;
  }

  #groupOf({ runner, timeoutS }: BatchEntry<R>): Group<R> {
    const byTimeout = this.#groups.get(runner) ?? new Map<number, Group<R>>();
    this.#groups.set(runner, byTimeout);
    const known = byTimeout.get(timeoutS);
    if (known) return known;
    const { clock, windowMs } = this.options;
    const timer = clock.after(windowMs, () => this.#flushPortion(group));
    const group: Group<R> = { runner, timeoutS, queued: new Set(), timer };
    byTimeout.set(timeoutS, group);
    return group;
  }

  #withdraw(group: Group<R>, queued: Queued<R>): void {
    group.queued.delete(queued);
    this.#queued -= 1;
    if (group.queued.size === 0) this.#forget(group);
  }

  /** Takes the group out of the queue; its entries are the caller's to settle. */
  #forget(group: Group<R>): void {
    group.timer.cancel();
    const byTimeout = this.#groups.get(group.runner);
    if (byTimeout?.get(group.timeoutS) !== group) return;
    byTimeout.delete(group.timeoutS);
    if (byTimeout.size === 0) this.#groups.delete(group.runner);
  }

  #flushPortion(group: Group<R>): void {
    const size = Math.max(PORTION_MIN, Math.ceil(this.#queued / 4));
    if (size >= group.queued.size) return this.#flush(group);
    const portion: Queued<R>[] = [];
    for (const queued of group.queued) {
      if (portion.length === size) break;
      portion.push(queued);
      group.queued.delete(queued);
    }
    group.timer = this.options.clock.after(0, () => this.#flushPortion(group));
    this.#send(group, portion);
  }

  #flush(group: Group<R>): void {
    this.#forget(group);
    this.#send(group, [...group.queued]);
  }

  #send({ runner, timeoutS }: Group<R>, queued: readonly Queued<R>[]): void {
    this.#queued -= queued.length;
    const nowMs = this.options.clock.now();
    const waitMs = nowMs - (queued[0]?.sinceMs ?? nowMs);
    this.#lastId += 1;
    const batch = { id: this.#lastId, runner, timeoutS, entries: queued.map(({ entry }) => entry) };
    if (this.#hand(batch, queued)) this.options.onBatch?.(queued.length, waitMs);
  }

  /** Whether dispatch took it. */
  #hand(batch: Batch<R>, queued: readonly Queued<R>[]): boolean {
    const tickets = queued.map(({ ticket }) => ticket);
    let running: RunningBatch | undefined;
    // A call may be cancelled by an `onStarted` or a `settle` that runs before dispatch has returned.
    const early: number[] = [];
    tickets.forEach((ticket, index) => {
      ticket.onCancel(() => (running ? running.cancel(index) : early.push(index)));
    });
    for (const ticket of tickets) ticket.started(tickets.length);
    try {
      running = this.options.dispatch(batch, (index, outcome) => tickets[index]?.settle(outcome));
    } catch (error) {
      for (const ticket of tickets) ticket.settle(batchFailure(error, "NOT_STARTED"));
      return false;
    }
    this.#batches += 1;
    this.#calls += tickets.length;
    for (const index of early) {
      tickets[index]?.onCancel(() => running?.cancel(index));
      tickets[index]?.cancel();
    }
    running.done.then(
      () => {
        if (tickets.every(({ isSettled }) => isSettled)) return;
        this.#endAll(tickets, new SwitchyardError("RUNNER_LOST", `no result from runner ${batch.runner.id}`));
      },
      (error: unknown) => this.#endAll(tickets, error),
    );
    return true;
  }

  #endAll(tickets: readonly Ticket[], error: unknown): void {
    for (const ticket of tickets) ticket.settle(batchFailure(error, "LOST"));
  }
}

function shuttingDown(): Outcome {
  return batchFailure(new SwitchyardError("SHUTTING_DOWN", "shutting down"), "NOT_STARTED");
}
