// W3C Trace Context as it comes from clients, in metadata or in a call: what is malformed counts as absent.
import type { Metadata } from "@grpc/grpc-js";
import type { Call } from "../core/call.js";
import type { TraceParent } from "../core/trace.js";

/** Version, trace-id, parent-id, flags; versions to come may go on after a hyphen. */
const PATTERN = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const PARENT_CHARS_MAX = 512;
/** What the specification asks everybody to pass on. */
const STATE_CHARS_MAX = 512;

export function readTraceParent(text: string, state = ""): TraceParent | undefined {
  if (text.length > PARENT_CHARS_MAX) return undefined;
  const [, version, traceId, spanId, flags, more] = PATTERN.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === "00" && more !== undefined) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16), state: state.length > STATE_CHARS_MAX ? "" : state };
}

/** `tracestate` may be repeated, `traceparent` may not. */
export function traceParentOf(metadata: Metadata): TraceParent | undefined {
  const [text, second] = metadata.get("traceparent");
  if (text === undefined || second !== undefined) return undefined;
  return readTraceParent(text.toString(), metadata.get("tracestate").join());
}

/** What the call itself says comes first. */
export function belongingTo(parent: TraceParent | undefined, call: Call): Call {
  return parent === undefined || call.traceParent ? call : { ...call, traceParent: parent };
}
