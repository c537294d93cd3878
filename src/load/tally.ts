// What one client process has seen: counts, and latencies in histograms, by stage and by item of the mix; and the samples of the
// second that runs, for who follows the run. Calls belong to the stage in which they were meant to start; those of a
// warm-up are checked and not counted.
import { CallStatus } from "../gen/switchyard/v1/call.js";
import { Latencies } from "./histogram.js";
import { countError, type ErrorCounts, type ErrorKind, type Mismatch } from "./run-error.js";
import type { Moment } from "./timeline.js";
import type { Sent } from "./trajectory.js";
import { faultName, type Result, statusName } from "./wire.js";

/** Histograms as HdrHistogram's text. */
export interface StageTally {
  readonly results: number;
  readonly cancelled: number;
  /** Calls of an open loop that were never sent; the latencies have their ages. */
  readonly unsent: number;
  /** Calls that were under way when the run was cut short. */
  readonly unfinished: number;
  readonly latency: string;
  readonly queue: string;
  readonly exec: string;
  /** From when a call was meant to start until it was sent, of calls whose trajectory was free. */
  readonly lag: string;
  readonly cancel: string;
  /** Churn: from opening to the first result. */
  readonly first: string;
  /** By item of the mix. */
  readonly items: readonly string[];
  /** By `STATUS/FAULT`. */
  readonly statuses: Readonly<Record<string, number>>;
}

export interface FinalTally {
  readonly stages: readonly StageTally[];
  readonly errors: ErrorCounts;
}

export interface SecondTally {
  /** Results, or cycles of churn; those of warm-ups included. */
  readonly latenciesUs: Uint32Array;
  readonly results: number;
  readonly errors: number;
}

class StageBook {
  /** Results that arrived while the stage counted. */
  results = 0;
  cancelled = 0;
  unsent = 0;
  unfinished = 0;
  readonly latency = new Latencies();
  readonly queue = new Latencies();
  readonly exec = new Latencies();
  readonly lag = new Latencies();
  readonly cancel = new Latencies();
  readonly first = new Latencies();
  readonly items: readonly Latencies[];
  readonly statuses = new Map<string, number>();

  constructor(items: number) {
    this.items = Array.from({ length: items }, () => new Latencies());
  }

  encode(): StageTally {
    const { results, cancelled, unsent, unfinished, latency, queue, exec, lag, cancel, first, items, statuses } = this;
    return {
      results,
      cancelled,
      unsent,
      unfinished,
      latency: latency.encode(),
      queue: queue.encode(),
      exec: exec.encode(),
      lag: lag.encode(),
      cancel: cancel.encode(),
      first: first.encode(),
      items: items.map((item) => item.encode()),
      statuses: Object.fromEntries(statuses),
    };
  }
}

export class Tally {
  readonly #stages: readonly StageBook[];
  readonly #momentAt: (atMs: number) => Moment | undefined;
  readonly #isChurn: boolean;
  readonly #errors: ErrorCounts = {};
  #secondUs: number[] = [];
  #secondResults = 0;
  #secondErrors = 0;

  /** `momentAt` places a time of `performance.now()` on the timeline; undefined before its beginning and after its end. */
  constructor(stages: number, items: number, isChurn: boolean, momentAt: (atMs: number) => Moment | undefined) {
    this.#stages = Array.from({ length: stages }, () => new StageBook(items));
    this.#momentAt = momentAt;
    this.#isChurn = isChurn;
  }

  answered(sent: Sent, result: Result, wrong: Mismatch | undefined): void {
    const nowMs = performance.now();
    const isCancel = sent.cancelledMs !== undefined && result.status === CallStatus.CALL_STATUS_CANCELLED;
    if (wrong !== undefined && !isCancel) this.error(wrong.kind, wrong.text);
    const latencyMs = nowMs - Math.min(sent.intendedMs, sent.sentMs);
    if (!this.#isChurn) this.#finished(nowMs, latencyMs);
    const book = this.#bookAt(sent.intendedMs);
    if (book === undefined) return;
    const key = `${statusName(result.status)}/${faultName(result.fault)}`;
    book.statuses.set(key, (book.statuses.get(key) ?? 0) + 1);
    if (sent.cancelledMs !== undefined) {
      book.cancelled += 1;
      book.cancel.record(nowMs - sent.cancelledMs);
      return;
    }
    book.queue.record(result.queueMs);
    book.exec.record(result.execMs);
    book.items[sent.job.item]?.record(latencyMs);
    if (this.#isChurn) book.first.record(latencyMs);
    else book.latency.record(latencyMs);
  }

  /** A trajectory of a churn is released. */
  cycled(beganMs: number): void {
    const nowMs = performance.now();
    this.#finished(nowMs, nowMs - beganMs);
    this.#bookAt(beganMs)?.latency.record(nowMs - beganMs);
  }

  /** A call went out that its trajectory did not hold up. */
  lagged(intendedMs: number, lagMs: number): void {
    this.#bookAt(intendedMs)?.lag.record(Math.max(0, lagMs));
  }

  /** A call that was meant to start was not sent before the run ended: its latency is at least this long. */
  unsent(intendedMs: number, nowMs: number): void {
    const book = this.#bookAt(intendedMs);
    if (book === undefined) return;
    book.unsent += 1;
    book.latency.record(nowMs - intendedMs);
  }

  /** A call was sent, and no result came. */
  unanswered({ id, intendedMs, sentMs }: Sent, isCutShort: boolean): void {
    if (!isCutShort) {
      this.error(
        "missing",
        `no result for ${id}, ${Math.round((performance.now() - sentMs) / 1000)} s after it was sent`,
      );
      return;
    }
    const book = this.#bookAt(intendedMs);
    if (book !== undefined) book.unfinished += 1;
  }

  error(kind: ErrorKind, text: string): void {
    this.#secondErrors += 1;
    countError(this.#errors, kind, text);
  }

  /** What came since the last time. */
  takeSecond(): SecondTally {
    const second = {
      latenciesUs: Uint32Array.from(this.#secondUs),
      results: this.#secondResults,
      errors: this.#secondErrors,
    };
    this.#secondUs = [];
    [this.#secondResults, this.#secondErrors] = [0, 0];
    return second;
  }

  final(): FinalTally {
    return { stages: this.#stages.map((stage) => stage.encode()), errors: this.#errors };
  }

  #finished(nowMs: number, latencyMs: number): void {
    this.#secondResults += 1;
    this.#secondUs.push(Math.round(latencyMs * 1000));
    const arrival = this.#bookAt(nowMs);
    if (arrival !== undefined) arrival.results += 1;
  }

  #bookAt(atMs: number): StageBook | undefined {
    const moment = this.#momentAt(atMs);
    return moment?.counted ? this.#stages[moment.stage] : undefined;
  }
}
