// Traces of real calls, as a real collector gets them; and calls whose collector is gone, or says nothing.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { Writable } from "node:stream";
import { after, before, test } from "node:test";
import { Metadata } from "@grpc/grpc-js";
import { systemClock } from "../../src/core/clock.js";
import { failedOutcome } from "../../src/core/outcome.js";
import { CallStatus, ToolCall, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { ExecuteRequest } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import { startTracing } from "../../src/telemetry/tracing-export.js";
import { type CallFields, type LiveService, startLive } from "../support/live-service.js";
import { TraceCollector } from "../support/trace-collector.js";
import { TrajectoryClient } from "../support/trajectory-client.js";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const OTHER = "4bf92f3577b34da6a3ce929d0e0e4736";
const OK = 0;
const ERROR = 2;

let collector: TraceCollector;
let live: LiveService;
before(async () => {
  collector = await TraceCollector.listen();
  const tracing = { endpoint: collector.endpoint, service_name: "yard", headers: { "x-api-key": "secret" } };
  live = await startLive("process", { tracing });
});
after(async () => {
  await live.close();
  await collector.close();
});

function parent(traceparent: string, tracestate?: string): Metadata {
  const metadata = new Metadata();
  metadata.set("traceparent", traceparent);
  if (tracestate !== undefined) metadata.set("tracestate", tracestate);
  return metadata;
}

function open(trajectoryId: string, metadata: Metadata): Promise<TrajectoryClient> {
  return TrajectoryClient.open(live.client, { trajectoryId }, undefined, metadata);
}

function execute(trajectoryId: string, call: CallFields, metadata: Metadata): Promise<ToolResult> {
  const request = ExecuteRequest.fromPartial({ trajectoryId, call: ToolCall.fromPartial(call) });
  return new Promise((resolve, reject) => {
    live.client.execute(request, metadata, (error, { result } = { result: undefined }) => {
      if (result) resolve(result);
      else reject(error ?? new Error("a response without a result"));
    });
  });
}

test("a call on a stream has its spans below the client's", async () => {
  const stream = await open("streamed", parent(`00-${TRACE}-${SPAN}-01`, "vendor=1"));
  const { output } = await stream.bash("env; cat /proc/self/environ; exit 3", { uniqId: "on-stream" });
  const { call, queue, batch, exec, ...others } = await collector.spansOf("on-stream", 4);
  assert.deepEqual(others, {});
  assert.ok(call && queue && batch && exec);
  assert.deepEqual([call.traceId, call.parentSpanId, call.traceState], [TRACE, SPAN, "vendor=1"]);
  for (const child of [queue, batch, exec]) {
    assert.deepEqual([child.traceId, child.parentSpanId], [TRACE, call.spanId]);
  }
  assert.deepEqual(call.attributes, {
    "switchyard.trajectory_id": "streamed",
    "switchyard.uniq_id": "on-stream",
    "switchyard.pool": "default",
    "switchyard.tool": "bash",
    "switchyard.status": "NONZERO_EXIT",
    "switchyard.fault": "NONE",
    "switchyard.exit_code": 3,
    "switchyard.slot_generation": 1,
  });
  assert.equal(batch.attributes["switchyard.batch_size"], 1);
  assert.match(`${exec.attributes["switchyard.container_id"]}`, /^\d+$/);
  assert.ok(Math.abs(exec.ms - Number(exec.attributes["switchyard.exec_ms"])) < 1, "as long as the runner saw it");
  assert.ok(call.ms >= queue.ms + batch.ms + exec.ms);
  assert.equal(call.status.code, OK);
  assert.equal(call.resource["service.name"], "yard");
  assert.equal(collector.headers[0]?.["x-api-key"], "secret");
  assert.ok(!output.includes(TRACE), "nothing of it reaches the slot");
  await stream.halfClose();
});

test("what a call says itself comes before what its stream said, unless it is malformed", async () => {
  const stream = await open("per-call", parent(`00-${TRACE}-${SPAN}-01`));
  await stream.bash("true", { uniqId: "own", traceParent: `00-${OTHER}-${SPAN}-01` });
  await stream.bash("true", { uniqId: "malformed", traceParent: `00-${OTHER.toUpperCase()}-${SPAN}-01` });
  const [own, malformed] = [await collector.spansOf("own", 4), await collector.spansOf("malformed", 4)];
  assert.deepEqual([own.call?.traceId, own.call?.parentSpanId], [OTHER, SPAN]);
  assert.deepEqual([malformed.call?.traceId, malformed.call?.parentSpanId], [TRACE, SPAN]);
  await stream.halfClose();
});

test("a call by Execute has its spans below the client's; without one, or with a malformed one, it begins a trace", async () => {
  const bash = (uniqId: string): CallFields => ({ uniqId, name: "bash", arguments: { command: "true" } });
  await execute("executed", bash("below"), parent(`00-${TRACE}-${SPAN}-01`));
  await execute("executed", bash("alone"), new Metadata());
  await execute("executed", bash("broken"), parent("00-not-a-parent-01"));
  const { call, exec } = await collector.spansOf("below", 4);
  assert.deepEqual([call?.traceId, call?.parentSpanId, exec?.parentSpanId], [TRACE, SPAN, call?.spanId]);
  for (const uniqId of ["alone", "broken"]) {
    const { call: root } = await collector.spansOf(uniqId, 4);
    assert.equal(root?.parentSpanId, undefined);
    assert.match(root?.traceId ?? "", /^(?!0af7651916cd43dd)[0-9a-f]{32}$/);
  }
});

test("a client's trace that is not sampled is not exported; what the service failed at is an error", async () => {
  const stream = await open("statuses", parent(`00-${TRACE}-${SPAN}-00`));
  await stream.bash("true", { uniqId: "unsampled" });
  const sampled = `00-${TRACE}-${SPAN}-01`;
  const guarded = await stream.bash("true", { uniqId: "guarded", slotGeneration: 7, traceParent: sampled });
  assert.equal(guarded.status, CallStatus.CALL_STATUS_NOT_STARTED);
  const { call, queue } = await collector.spansOf("guarded", 2);
  assert.deepEqual([call?.status, queue?.status.code], [{ code: ERROR, message: "NOT_STARTED" }, ERROR]);
  await stream.call("made_up", {}, { uniqId: "unknown", traceParent: sampled });
  const { call: unknown } = await collector.spansOf("unknown", 1);
  assert.deepEqual([unknown?.attributes["switchyard.tool"], unknown?.status.code], ["unknown", OK]);
  assert.ok(!collector.spans.some(({ attributes }) => attributes["switchyard.uniq_id"] === "unsampled"));
  await stream.halfClose();
});

/** Lines that a log wrote, as they come. */
class LogLines extends Writable {
  readonly lines: { msg: string; reason?: string; spans?: number }[] = [];

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.lines.push(JSON.parse(chunk.toString()));
    done();
  }

  get warnings() {
    return this.lines.filter(({ msg }) => msg.startsWith("spans are lost"));
  }
}

test("with a dead collector calls go on, the server ends, and the log says once what was lost", async () => {
  const gone = createServer().listen(0, "127.0.0.1");
  await once(gone, "listening");
  const address = gone.address();
  assert.ok(typeof address === "object" && address);
  gone.close();
  const log = new LogLines();
  const endpoint = `http://127.0.0.1:${address.port}`;
  const server = await startLive("process", { tracing: { endpoint }, log: { level: "warn" } }, log);
  const stream = await server.open({ trajectoryId: "dead-collector" });
  for (let call = 0; call < 20; call += 1) assert.equal((await stream.bash("true")).success, true);
  await server.close();
  assert.equal(log.warnings.length, 1);
  const spans = log.warnings[0]?.spans ?? 0;
  assert.ok(spans > 0 && spans <= 80, `${spans} spans`);
});

test("a collector that answers nothing costs a bounded number of spans, and no call", async (t) => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => void sockets.push(socket)).listen(0, "127.0.0.1");
  await once(silent, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const address = silent.address();
  assert.ok(typeof address === "object" && address);
  let lost = 0;
  const told: object[] = [];
  const ignore = () => undefined;
  const log = { debug: ignore, info: ignore, warn: (fields: object) => void told.push(fields), error: ignore };
  const tracing = startTracing({
    endpoint: `http://127.0.0.1:${address.port}`,
    sampleRatio: 1,
    serviceName: "test",
    version: "0",
    serverId: "s",
    headers: {},
    clock: systemClock,
    log: { ...log, child: () => assert.fail() },
    onSpans: (result, count) => {
      if (result === "lost") lost += count;
      else assert.fail("nobody took them");
    },
  });
  for (let index = 0; index < 10_000; index += 1) {
    const call = { trajectoryId: "t", uniqId: `u${index}`, pool: "p", tool: "bash", waits: false, parent: undefined };
    tracing.tracer.begin(call).ended(failedOutcome("INVALID", ""));
  }
  assert.equal(lost, 10_000 - 8_192);
  assert.equal(told.length, 1);
  const began = performance.now();
  await tracing.close();
  assert.equal(lost, 10_000, "what waited is given up");
  assert.ok(performance.now() - began < 10_000, "the end waits for 3 s at most");
});
