// Who follows calls for a trace, as the rest of the server sees it: nothing here knows OpenTelemetry, telemetry/ does.
// Nothing of it goes to a runner or a slot.
import type { Outcome } from "./outcome.js";

/** A span of the client's that a call belongs below, as W3C Trace Context has it. */
export interface TraceParent {
  /** 32 hexadecimal digits, not all 0. */
  readonly traceId: string;
  /** 16 hexadecimal digits, not all 0. */
  readonly spanId: string;
  /** One byte; the lowest bit: the client's trace is sampled. */
  readonly flags: number;
  /** `tracestate` as it came, at most 512 characters; may be empty. */
  readonly state: string;
}

export interface TracedCall {
  readonly trajectoryId: string;
  readonly uniqId: string;
  readonly pool: string;
  /** One of few words, as metrics have it. */
  readonly tool: string;
  /** False for a call that ends at once, because nothing is to be run. */
  readonly waits: boolean;
  readonly parent: TraceParent | undefined;
}

export interface CallTracer {
  /** A call was accepted. */
  begin(call: TracedCall): CallTrace;
}

/** What becomes of one call, told in this order; what it does not come to is left out. Nothing here throws. */
export interface CallTrace {
  /** It was handed to the batcher. */
  submitted(): void;
  /** It left for its container in a batch of so many calls, or for its external server. */
  started(batchSize?: number, containerId?: string): void;
  ended(outcome: Outcome): void;
}
