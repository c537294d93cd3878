// Spans of calls: what was noted while a call went its way becomes `call` and below it `queue`, `batch` and `exec`, when it
// has ended. Invariant: a call costs a small record until then, and a span that nobody will see is not made.
import {
  type AttributeValue,
  type Context,
  createTraceState,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type { Clock } from "../core/clock.js";
import { FAULT_OF, type Outcome } from "../core/outcome.js";
import type { CallTrace, CallTracer, TracedCall, TraceParent } from "../core/trace.js";

type Fields = Readonly<Record<string, AttributeValue | undefined>>;

export class SpanCallTracer implements CallTracer {
  constructor(
    private readonly tracer: Tracer,
    private readonly clock: Clock,
  ) {}

  begin(call: TracedCall): CallTrace {
    return new CallSpans(this.tracer, this.clock, call);
  }
}

/** Moments are milliseconds of the clock that never goes back. */
class CallSpans implements CallTrace {
  readonly #beganUnixMs: number;
  readonly #began: number;
  #submitted: number | undefined;
  #started: number | undefined;
  #batchSize: number | undefined;
  #containerId: string | undefined;

  constructor(
    private readonly tracer: Tracer,
    private readonly clock: Clock,
    private readonly call: TracedCall,
  ) {
    this.#beganUnixMs = clock.unixMs();
    this.#began = clock.now();
  }

  submitted(): void {
    this.#submitted = this.clock.now();
  }

  started(batchSize?: number, containerId?: string): void {
    this.#started = this.clock.now();
    this.#batchSize = batchSize;
    this.#containerId = containerId;
  }

  ended(outcome: Outcome): void {
    const now = this.clock.now();
    const { trajectoryId, uniqId, pool, tool, parent, waits } = this.call;
    const { status, exitCode, slotGeneration } = outcome;
    const fault = FAULT_OF[status];
    const fields = { trajectory_id: trajectoryId, uniq_id: uniqId, pool, tool, status, fault };
    const below = this.#span("call", contextOf(parent), this.#began, now, outcome, {
      ...fields,
      exit_code: exitCode,
      slot_generation: slotGeneration || undefined,
    });
    if (below && waits) this.#children(below, now, outcome);
  }

  #children(below: Context, now: number, outcome: Outcome): void {
    const queued = this.#submitted ?? this.#started ?? now;
    this.#span("queue", below, this.#began, queued, queued === now ? outcome : undefined, {});
    if (this.#submitted !== undefined) {
      const left = this.#started ?? now;
      const isLast = this.#started === undefined ? outcome : undefined;
      this.#span("batch", below, this.#submitted, left, isLast, { batch_size: this.#batchSize });
    }
    if (this.#started === undefined) return;
    // As long as the runner saw it; what is before it, since it left, is the way there.
    const execMs = outcome.execMs;
    const began = execMs > 0 ? Math.max(this.#started, now - execMs) : this.#started;
    this.#span("exec", below, began, now, outcome, { container_id: this.#containerId, exec_ms: execMs });
  }

  /** Undefined where it is not sampled. `outcome`: how it ended, where it is what the call ended in. */
  #span(
    name: string,
    below: Context,
    from: number,
    until: number,
    outcome: Outcome | undefined,
    fields: Fields,
  ): Context | undefined {
    const kind = name === "call" ? SpanKind.SERVER : SpanKind.INTERNAL;
    const span = this.tracer.startSpan(name, { kind, startTime: this.#unixMs(from) }, below);
    if (!span.isRecording()) return undefined;
    for (const [key, value] of Object.entries(fields)) {
      if (value !== undefined) span.setAttribute(`switchyard.${key}`, value);
    }
    if (outcome && FAULT_OF[outcome.status] === "INFRASTRUCTURE") {
      span.setStatus({ code: SpanStatusCode.ERROR, message: outcome.status });
    }
    span.end(this.#unixMs(until));
    return trace.setSpan(below, span);
  }

  #unixMs(moment: number): number {
    return this.#beganUnixMs + (moment - this.#began);
  }
}

function contextOf(parent: TraceParent | undefined): Context {
  if (!parent) return ROOT_CONTEXT;
  const { traceId, spanId, flags, state } = parent;
  const traceState = state && createTraceState(state);
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: flags,
    isRemote: true,
    ...(traceState && { traceState }),
  });
}
