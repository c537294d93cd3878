// Row 9: a client that never reads, and one that never acknowledges. Neither gets more work started than its ledger may
// hold, the server's memory stays bounded, and fifty others go on.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { CallStatus, ToolCall } from "../../src/gen/switchyard/v1/call.js";
import type { GetStatusResponse } from "../../src/gen/switchyard/v1/status.js";
import type { ToolExecutorServiceClient } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import { Open, type RunTrajectoryRequest, type RunTrajectoryResponse } from "../../src/gen/switchyard/v1/trajectory.js";
import { CheckedTrajectory, ownService } from "../support/checked-trajectory.js";
import { startLive } from "../support/live-service.js";
import { ServerProcess } from "../support/server-process.js";
import { bySize } from "../support/suite-size.js";
import { TrajectoryClient } from "../support/trajectory-client.js";

const MIB = 1024 * 1024;
const OTHERS = 50;
const CALLS_OF_OTHERS = bySize(4, 20);
const RSS_GROWTH_MIB_MAX = 200;
const OUTPUT_CHARS = 50_000;
/** Beside its texts an outcome counts 512 bytes; a character counts two. */
const OUTCOME_BYTES = 2 * OUTPUT_CHARS + 512;
const LEDGER_BYTES = MIB;
/** The ledger is full with the last of them. */
const STARTED = Math.ceil(LEDGER_BYTES / OUTCOME_BYTES);
const LARGE = `head -c ${OUTPUT_CHARS} /dev/zero | tr '\\0' x`;
const SETTINGS = { limits: { ledger_bytes_max: LEDGER_BYTES }, log: { level: "error" } };
const POOL = { slots_per_container: OTHERS + 1, max_containers: 1 };

type Stream = ClientDuplexStream<RunTrajectoryRequest, RunTrajectoryResponse>;

/** A stream whose client writes what it likes and reads nothing. */
function deafStream(t: TestContext, address: string, trajectoryId: string): Stream {
  const service = ownService(address);
  t.after(() => service.close());
  const stream = service.runTrajectory();
  stream.on("error", () => undefined);
  stream.write({ frame: { $case: "open", value: Open.fromPartial({ trajectoryId }) } });
  return stream;
}

function call(stream: Stream, uniqId: string, command: string): void {
  const value = ToolCall.fromPartial({ uniqId, name: "bash", arguments: { command } });
  stream.write({ frame: { $case: "call", value } });
}

async function othersGoOn(service: ToolExecutorServiceClient, round: string): Promise<void> {
  await Promise.all(
    Array.from({ length: OTHERS }, async (_, at) => {
      const trajectory = new CheckedTrajectory(service, { trajectoryId: `${round}.${at}` });
      for (let count = 0; count < CALLS_OF_OTHERS; count += 1) {
        const { status, error } = await trajectory.call(`c${count}`);
        assert.equal(status, CallStatus.CALL_STATUS_OK, `${round}.${at}: ${CallStatus[status]}: ${error}`);
      }
      await trajectory.check();
      await trajectory.finish();
    }),
  );
}

async function statusIs(
  service: ToolExecutorServiceClient,
  holds: (status: GetStatusResponse) => boolean,
): Promise<void> {
  for (;;) {
    const status = await new Promise<GetStatusResponse>((resolve, reject) => {
      service.getStatus({}, (error, response) => (error ? reject(error) : resolve(response)));
    });
    if (holds(status)) return;
  }
}

async function assertEnds(server: ServerProcess): Promise<void> {
  const { code, signal, stderr } = await server.kill("SIGTERM");
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, stderr);
}

function rssMib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

test("a client that never reads: its work stops at the bound of its ledger, and 50 others go on", async (t) => {
  const server = new ServerProcess(t, { ...SETTINGS, pools: { default: POOL } }, { backend: "process" });
  const { address } = await server.ready;
  const service = ownService(address);
  t.after(() => service.close());
  await othersGoOn(service, "before");
  const beforeMib = rssMib(server.pid);
  const calls = bySize(60, 400);
  const deaf = deafStream(t, address, "deaf");
  for (let at = 0; at < calls; at += 1) call(deaf, `c${at}`, LARGE);
  const isStopped = ({ queueSize }: GetStatusResponse) => queueSize === BigInt(calls - STARTED);
  await statusIs(service, isStopped);
  await othersGoOn(service, "beside");
  await statusIs(service, isStopped);
  const grownMib = rssMib(server.pid) - beforeMib;
  t.diagnostic(
    `the server has ${beforeMib.toFixed(0)} MiB, and ${grownMib.toFixed(0)} more with a client that does not read`,
  );
  assert.ok(grownMib < RSS_GROWTH_MIB_MAX);

  // It reads after all: everything comes, once.
  const results: string[] = [];
  await new Promise<void>((resolve) => {
    deaf.on("data", ({ frame }: RunTrajectoryResponse) => {
      if (frame?.$case !== "result") return;
      results.push(frame.value.uniqId);
      deaf.write({ frame: { $case: "ack", value: { uniqIds: [frame.value.uniqId] } } });
      if (results.length === calls) resolve();
    });
  });
  assert.equal(new Set(results).size, calls, "a result came twice");
  await assertEnds(server);
});

test("a client that never reads and floods: bounded memory, and 50 others go on", async (t) => {
  const server = new ServerProcess(t, { ...SETTINGS, pools: { default: POOL } }, { backend: "process" });
  const { address } = await server.ready;
  const service = ownService(address);
  t.after(() => service.close());
  await othersGoOn(service, "before");
  const beforeMib = rssMib(server.pid);
  const deaf = deafStream(t, address, "flood");
  // Each is rejected, and each rejection is a frame that nobody reads.
  for (let at = 0; at < bySize(20_000, 200_000); at += 1) call(deaf, "not an id", "true");
  await othersGoOn(service, "beside");
  const grownMib = rssMib(server.pid) - beforeMib;
  t.diagnostic(`the server has ${beforeMib.toFixed(0)} MiB, and ${grownMib.toFixed(0)} more with the flood`);
  assert.ok(grownMib < RSS_GROWTH_MIB_MAX);
  deaf.cancel();
  await assertEnds(server);
});

test("a client that never acknowledges: calls wait at the bound, cancels and acks are heeded", async (t) => {
  const live = await startLive("process", { ...SETTINGS, pools: { default: POOL } });
  t.after(() => live.close());
  const stream = await TrajectoryClient.open(live.client, { trajectoryId: "t" });
  const ids = Array.from({ length: STARTED + 10 }, (_, at) => `c${at}`);
  const results = ids.map((uniqId) => stream.bash(`echo ${uniqId} >> log; ${LARGE}`, { uniqId }));
  await Promise.all(results.slice(0, STARTED));
  await live.statusIs(({ queueSize }) => queueSize === 10n);

  const victim = `c${STARTED + 3}`;
  stream.send({ $case: "cancel", value: { uniqId: victim } });
  assert.equal((await stream.resultOf(victim)).status, CallStatus.CALL_STATUS_CANCELLED);
  assert.equal((await live.status()).queueSize, 9n);

  // Makes room for one outcome, so one more call starts, and no other.
  stream.ack("c0");
  const next = `c${STARTED}`;
  assert.equal((await stream.resultOf(next)).status, CallStatus.CALL_STATUS_OK);
  await othersGoOn(live.client, "beside");
  assert.equal((await live.status()).queueSize, 8n);

  stream.ack(...ids);
  for (const [at, result] of results.entries()) {
    const { status } = await result;
    stream.ack(`c${at}`);
    assert.equal(status, at === STARTED + 3 ? CallStatus.CALL_STATUS_CANCELLED : CallStatus.CALL_STATUS_OK);
  }
  const { output } = await stream.bash("sort log | uniq -d; wc -l < log", { uniqId: "count" });
  assert.equal(output, `${ids.length - 1}`);
});
