import assert from "node:assert/strict";
import { test } from "node:test";
import { Metadata } from "@grpc/grpc-js";
import type { Call } from "../../src/core/call.js";
import { belongingTo, readTraceParent, traceParentOf } from "../../src/grpc/trace-parent.js";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const GOOD = `00-${TRACE}-${SPAN}-01`;

function metadataOf(entries: readonly (readonly [string, string])[]): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of entries) metadata.add(key, value);
  return metadata;
}

test("reads what W3C Trace Context allows, also of versions to come", () => {
  assert.deepEqual(readTraceParent(GOOD), { traceId: TRACE, spanId: SPAN, flags: 1, state: "" });
  assert.equal(readTraceParent(`00-${TRACE}-${SPAN}-00`)?.flags, 0);
  assert.equal(readTraceParent(`cc-${TRACE}-${SPAN}-01-what-may-come`)?.spanId, SPAN);
});

for (const [what, text] of [
  ["nothing", ""],
  ["a trace of zeros", `00-${"0".repeat(32)}-${SPAN}-01`],
  ["a span of zeros", `00-${TRACE}-${"0".repeat(16)}-01`],
  ["version ff", `ff-${TRACE}-${SPAN}-01`],
  ["upper case", GOOD.toUpperCase()],
  ["more than version 00 has", `${GOOD}-more`],
  ["a trace that is too short", `00-${TRACE.slice(1)}-${SPAN}-01`],
  ["a line's end", `${GOOD}\n`],
  ["a megabyte", `cc-${TRACE}-${SPAN}-01-${"x".repeat(1_000_000)}`],
] as const) {
  test(`takes ${what} for absent`, () => assert.equal(readTraceParent(text), undefined));
}

test("reads metadata: one traceparent, and a tracestate that may be repeated", () => {
  assert.equal(traceParentOf(new Metadata()), undefined);
  const read = (...entries: (readonly [string, string])[]) => traceParentOf(metadataOf(entries));
  assert.equal(read(["traceparent", GOOD])?.traceId, TRACE);
  assert.equal(read(["traceparent", GOOD], ["tracestate", "a=1"], ["tracestate", "b=2"])?.state, "a=1,b=2");
  assert.equal(read(["traceparent", GOOD], ["traceparent", GOOD]), undefined);
  assert.equal(read(["traceparent", GOOD], ["tracestate", "x".repeat(600)])?.state, "");
  assert.equal(read(["tracestate", "a=1"]), undefined);
});

test("a call keeps its own parent, and costs nothing where there is none", () => {
  const call: Call = { uniqId: "u", tool: "bash", arguments: {}, bytes: 0, streamOutput: false };
  const [own, other] = [readTraceParent(GOOD), readTraceParent(`00-${TRACE}-${"1".repeat(16)}-01`)];
  assert.ok(own);
  assert.equal(belongingTo(undefined, call), call);
  assert.equal(belongingTo(other, { ...call, traceParent: own }).traceParent, own);
  assert.equal(belongingTo(other, call).traceParent, other);
});
