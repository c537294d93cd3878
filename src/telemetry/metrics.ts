// What a server tells Prometheus: counters and histograms that are fed as calls and batches end, and gauges that are read
// when asked for. Invariant: labels come from the configuration and from closed lists, never from a client or a model, so
// the memory of a server does not grow with what it is sent.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { FAULT_OF, type Outcome } from "../core/outcome.js";

export interface PoolFigures {
  readonly name: string;
  readonly containers: number;
  /** Trajectories that wait for a slot. */
  readonly waiting: number;
  /** Slots by their state. */
  readonly slots: Readonly<Record<string, number>>;
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
  readonly pools: readonly PoolFigures[];
}

/** From the shortest command to the longest timeout (`timeouts.max_s`, 600 by default), in seconds. */
const CALL_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const WAIT_S = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1];
/** Up to `batch.size_max`, 200 by default. */
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 200];

/** Gauges that the client library names against Prometheus's own rules. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

export class Metrics {
  readonly #registry = new Registry();
  readonly #calls = new Counter({
    name: "switchyard_calls_total",
    help: "Calls that ended, by tool, status and fault",
    labelNames: ["tool", "status", "fault"],
    registers: [this.#registry],
  });
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
  readonly #containers = this.#gauge("containers", "Containers that run", ["pool"]);
  readonly #waiters = this.#gauge("slot_waiters", "Trajectories that wait for a slot", ["pool"]);
  readonly #slots = this.#gauge("slots", "Slots by state", ["pool", "state"]);

  constructor(version: string) {
    collectDefaultMetrics({ register: this.#registry });
    for (const name of MISNAMED) this.#registry.removeSingleMetric(name);
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

  #histogram(name: string, help: string, buckets: number[], labelNames: string[] = []): Histogram {
    return new Histogram({ name: `switchyard_${name}`, help, buckets, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, labelNames: string[] = []): Gauge {
    return new Gauge({ name: `switchyard_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #measure({ pools, ...figures }: Figures): void {
    this.#streams.set(figures.streams);
    this.#trajectories.set(figures.trajectories);
    this.#queued.set(figures.callsQueued);
    this.#ledgerBytes.set(figures.ledgerBytes);
    this.#liveOutputBytes.set(figures.liveOutputBytes);
    for (const { name, containers, waiting, slots } of pools) {
      this.#containers.set({ pool: name }, containers);
      this.#waiters.set({ pool: name }, waiting);
      for (const [state, count] of Object.entries(slots)) this.#slots.set({ pool: name, state }, count);
    }
  }
}
