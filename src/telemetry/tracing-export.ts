// Where spans go: to a collector, by OTLP over HTTP. Loaded only where `tracing.endpoint` names one. Invariants: whatever
// the collector does, at most SPANS_MAX wait for it, further ones are lost and counted, and no call waits for a span.
import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { Clock, Timer } from "../core/clock.js";
import { messageOf } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import type { CallTracer } from "../core/trace.js";
import { SpanCallTracer } from "./tracing.js";

export interface TracingOptions {
  /** Of the collector; without a path `/v1/traces` is asked for. */
  readonly endpoint: string;
  /** Of the traces that no client began. A client's own are sampled where the client samples them. */
  readonly sampleRatio: number;
  readonly serviceName: string;
  readonly version: string;
  readonly serverId: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told of spans that reached the collector, and of those that never will. */
  readonly onSpans: (result: SpanResult, count: number) => void;
}

export type SpanResult = "exported" | "lost";

export interface Tracing {
  readonly tracer: CallTracer;
  /** Sends what waits, for CLOSE_MS at most. */
  close(): Promise<void>;
}

/** Some 20 MiB, and two seconds of a busy server. */
const SPANS_MAX = 8_192;
const BATCH_SPANS_MAX = 512;
const BATCH_DELAY_MS = 2_000;
/** Until a batch counts as lost; within it the exporter tries again where that may help. */
const EXPORT_MS = 10_000;
const CLOSE_MS = 3_000;
const WARNING_PAUSE_MS = 60_000;
const REASON_CHARS_MAX = 200;

export function startTracing(options: TracingOptions): Tracing {
  const { serviceName, version, serverId, clock } = options;
  const outlet = new Outlet(options);
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.name": serviceName,
      "service.version": version,
      "service.instance.id": serverId,
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(options.sampleRatio) }),
    spanProcessors: [new Intake(outlet)],
  });
  return {
    tracer: new SpanCallTracer(provider.getTracer("switchyard", version), clock),
    close: async () => {
      let timer: Timer | undefined;
      const over = new Promise<void>((resolve) => {
        timer = clock.after(CLOSE_MS, resolve);
      });
      // What it rejects with was told to the outlet before.
      await Promise.race([provider.shutdown().catch(() => undefined), over]);
      timer?.cancel();
      outlet.leave();
    },
  };
}

/** Takes spans as they end, while there is room for them. */
class Intake implements SpanProcessor {
  readonly #inner: BatchSpanProcessor;

  constructor(private readonly outlet: Outlet) {
    this.#inner = new BatchSpanProcessor({
      exporter: outlet,
      maxQueueSize: SPANS_MAX,
      maxExportBatchSize: BATCH_SPANS_MAX,
      scheduledDelayMillis: BATCH_DELAY_MS,
      // The outlet's own limit comes first.
      exportTimeoutMillis: 2 * EXPORT_MS,
    });
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (this.outlet.enter()) this.#inner.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#inner.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }
}

/** Counts spans from their end until their fate is known, and sees that each batch's fate is known in time. */
class Outlet implements SpanExporter {
  readonly #exporter: OTLPTraceExporter;
  #inside = 0;
  readonly #underWay = new Set<(why: string) => void>();
  #lostUntold = 0;
  #toldAtMs: number | undefined;
  #isFailing = false;

  constructor(private readonly options: TracingOptions) {
    const { endpoint, headers } = options;
    const url = new URL(endpoint);
    if (url.pathname === "/") url.pathname = "/v1/traces";
    this.#exporter = new OTLPTraceExporter({ url: url.href, headers: { ...headers }, timeoutMillis: EXPORT_MS });
  }

  /** Whether there is room for one more. */
  enter(): boolean {
    if (this.#inside < SPANS_MAX) {
      this.#inside += 1;
      return true;
    }
    this.#lost(1, `${SPANS_MAX} spans wait for the collector`);
    return false;
  }

  export(spans: ReadableSpan[], callback: (result: ExportResult) => void): void {
    const finish = (result: ExportResult) => {
      if (!this.#underWay.delete(fail)) return;
      timer.cancel();
      this.#inside -= spans.length;
      if (result.code === ExportResultCode.SUCCESS) this.#exported(spans.length);
      else this.#lost(spans.length, messageOf(result.error));
      callback(result);
    };
    const fail = (why: string) => finish({ code: ExportResultCode.FAILED, error: new Error(why) });
    const late = `the collector took longer than ${EXPORT_MS / 1000} s`;
    const timer = this.options.clock.after(EXPORT_MS, () => fail(late));
    this.#underWay.add(fail);
    this.#exporter.export(spans, finish);
  }

  forceFlush(): Promise<void> {
    return this.#exporter.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  /** What is still inside is lost. */
  leave(): void {
    const why = "the server ended before they were sent";
    for (const fail of this.#underWay) fail(why);
    if (this.#inside > 0) this.#lost(this.#inside, why);
    this.#inside = 0;
  }

  #exported(count: number): void {
    const { log, onSpans } = this.options;
    onSpans("exported", count);
    if (this.#isFailing) log.info({}, "traces reach their collector again");
    this.#isFailing = false;
  }

  #lost(count: number, why: string): void {
    const { clock, log, onSpans } = this.options;
    onSpans("lost", count);
    this.#isFailing = true;
    this.#lostUntold += count;
    const now = clock.now();
    if (this.#toldAtMs !== undefined && now - this.#toldAtMs < WARNING_PAUSE_MS) return;
    this.#toldAtMs = now;
    log.warn({ spans: this.#lostUntold, reason: why.slice(0, REASON_CHARS_MAX) }, "spans are lost; calls go on");
    this.#lostUntold = 0;
  }
}
