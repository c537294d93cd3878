// What a server tells Prometheus: counters and histograms that are fed as calls and batches end, and gauges that are read
// when asked for. Invariant: labels come from the configuration and from closed lists, never from a client or a model, so
// the memory of a server does not grow with what it is sent.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { TransferWork } from "../core/artifacts.js";
import { MEANING, type Reason } from "../core/errors.js";
import { type CallStatus, FAULT_OF, type Outcome } from "../core/outcome.js";

export interface PoolFigures {
  readonly name: string;
  readonly containers: number;
  /** Trajectories that wait for a slot. */
  readonly waiting: number;
  /** Slots by their state. */
  readonly slots: Readonly<Record<string, number>>;
  /** It can serve nobody: containers do not start, and none is up. */
  readonly isDown: boolean;
  /** Since the server's start. */
  readonly containersStarted: number;
  readonly startsFailed: number;
  /** Those that ended without being asked to. */
  readonly containersLost: number;
}

/** What is true at the moment of a scrape. */
export interface Figures {
  readonly streams: number;
  readonly trajectories: number;
  readonly callsQueued: number;
  /** Of outcomes that are kept until their clients acknowledge them. */
  readonly ledgerBytes: number;
  /** Of live output that clients have not taken. */
  readonly liveOutputBytes: number;
  readonly transfers: number;
  readonly pools: readonly PoolFigures[];
}

/** From the shortest command to the longest timeout (`timeouts.max_s`, 600 by default), in seconds. */
const CALL_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const WAIT_S = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1];
/** Up to `batch.size_max`, 200 by default. */
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 200];

/** Gauges that the client library names against Prometheus's own rules. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

const REASONS = Object.keys(MEANING);
const REJECTIONS: readonly CallStatus[] = ["INVALID", "NOT_STARTED", "LOST"];
const TRANSFERS: readonly TransferWork["kind"][] = ["read", "list", "pack", "put"];

export class Metrics {
  readonly #registry = new Registry();
  readonly #calls = this.#counter("calls_total", "Calls that ended, by tool, status and fault", [
    "tool",
    "status",
    "fault",
  ]);
  readonly #queue = this.#histogram("call_queue_seconds", "From acceptance until handed to a runner", CALL_S, ["tool"]);
  readonly #exec = this.#histogram("call_exec_seconds", "From start to end, as the runner saw it", CALL_S, ["tool"]);
  readonly #batchSize = this.#histogram("batch_size_calls", "Calls in a batch", SIZES);
  readonly #batchWait = this.#histogram("batch_wait_seconds", "How long a batch's first call waited in it", WAIT_S);
  readonly #roundTrip = this.#histogram("link_round_trip_seconds", "From a ping to its runner's answer", WAIT_S);
  readonly #streams = this.#gauge("streams", "RunTrajectory streams that are open");
  readonly #trajectories = this.#gauge("trajectories", "Trajectories that live, with a stream or without");
  readonly #queued = this.#gauge("calls_queued", "Calls accepted that are not handed to a runner yet");
  readonly #ledgerBytes = this.#gauge("ledger_bytes", "Results that clients have not acknowledged");
  readonly #liveOutputBytes = this.#gauge("live_output_bytes", "Live output that clients have not taken");
  readonly #transfers = this.#gauge("transfers", "Transfers of files under way");
  readonly #containers = this.#gauge("containers", "Containers that run", ["pool"]);
  readonly #waiters = this.#gauge("slot_waiters", "Trajectories that wait for a slot", ["pool"]);
  readonly #slots = this.#gauge("slots", "Slots by state", ["pool", "state"]);
  readonly #down = this.#gauge("pool_down", "1 when no container runs and none can be started", ["pool"]);
  readonly #starts = this.#counter("container_starts_total", "Starts of containers, by result", ["pool", "result"]);
  readonly #lost = this.#counter("containers_lost_total", "Containers that ended unasked", ["pool"]);
  readonly #rejected = this.#counter("calls_rejected_total", "Calls on streams that were not accepted", ["status"]);
  readonly #refused = this.#counter("requests_refused_total", "Requests and streams that ended with an error", [
    "reason",
  ]);
  readonly #transfersBegun = this.#counter("transfers_total", "Transfers of files that began", ["kind"]);
  readonly #spans = this.#counter("trace_spans_total", "Spans by what became of them", ["result"]);

  constructor(version: string) {
    collectDefaultMetrics({ register: this.#registry });
    for (const name of MISNAMED) this.#registry.removeSingleMetric(name);
    // What never happened is 0, so that its first time shows in a rate.
    for (const reason of REASONS) this.#refused.inc({ reason }, 0);
    for (const status of REJECTIONS) this.#rejected.inc({ status }, 0);
    for (const kind of TRANSFERS) this.#transfersBegun.inc({ kind }, 0);
    for (const result of ["exported", "lost"]) this.#spans.inc({ result }, 0);
    this.#gauge("build_info", "1, with the server's version", ["version"]).set({ version }, 1);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** In Prometheus's text format. */
  text(figures: Figures): Promise<string> {
    this.#measure(figures);
    return this.#registry.metrics();
  }

  /** `tool` is one of few words: a tool of ours, `external`, `unknown` or `taken_over`. */
  callFinished(tool: string, { status, queueMs, execMs, slotGeneration }: Outcome): void {
    this.#calls.inc({ tool, status, fault: FAULT_OF[status] });
    this.#queue.observe({ tool }, queueMs / 1000);
    // A call that reached no slot has run for no time.
    if (slotGeneration > 0 || execMs > 0) this.#exec.observe({ tool }, execMs / 1000);
  }

  batchSent(calls: number, waitMs: number): void {
    this.#batchSize.observe(calls);
    this.#batchWait.observe(waitMs / 1000);
  }

  linkAnswered(ms: number): void {
    this.#roundTrip.observe(ms / 1000);
  }

  /** A call on a stream that was not accepted. */
  rejected(status: CallStatus): void {
    this.#rejected.inc({ status });
  }

  /** A request or a stream that ended with an error, such as one without a token. */
  refused(reason: Reason): void {
    this.#refused.inc({ reason });
  }

  transferBegan(kind: TransferWork["kind"]): void {
    this.#transfersBegun.inc({ kind });
  }

  spans(result: "exported" | "lost", count: number): void {
    this.#spans.inc({ result }, count);
  }

  #histogram(name: string, help: string, buckets: number[], labelNames: string[] = []): Histogram {
    return new Histogram({ name: `switchyard_${name}`, help, buckets, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, labelNames: string[] = []): Gauge {
    return new Gauge({ name: `switchyard_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name: `switchyard_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #measure({ pools, ...figures }: Figures): void {
    this.#transfers.set(figures.transfers);
    this.#streams.set(figures.streams);
    this.#trajectories.set(figures.trajectories);
    this.#queued.set(figures.callsQueued);
    this.#ledgerBytes.set(figures.ledgerBytes);
    this.#liveOutputBytes.set(figures.liveOutputBytes);
    // Pools count for themselves, and so their counters are set anew.
    this.#starts.reset();
    this.#lost.reset();
    for (const pool of pools) this.#measurePool(pool);
  }
  #measurePool({ name: pool, slots, ...figures }: PoolFigures): void {
    this.#containers.set({ pool }, figures.containers);
    this.#waiters.set({ pool }, figures.waiting);
    this.#down.set({ pool }, figures.isDown ? 1 : 0);
    for (const [state, count] of Object.entries(slots)) this.#slots.set({ pool, state }, count);
    this.#starts.inc({ pool, result: "ok" }, figures.containersStarted);
    this.#starts.inc({ pool, result: "failed" }, figures.startsFailed);
    this.#lost.inc({ pool }, figures.containersLost);
  }
}
