// Row 10: bytes that no client of ours sends. The stream or connection that they came on ends, with a status where there
// is one to tell, and a trajectory beside it goes on; large messages, and deadlines that are far away, are served or refused.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { status as GrpcCode } from "@grpc/grpc-js";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { RunTrajectoryRequest } from "../../src/gen/switchyard/v1/trajectory.js";
import { Random } from "../../src/load/random.js";
import { type LiveService, startLive } from "../support/live-service.js";
import { bySize } from "../support/suite-size.js";
import type { TrajectoryClient } from "../support/trajectory-client.js";

const MIB = 1024 * 1024;
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PATH = "/switchyard.v1.ToolExecutorService/RunTrajectory";
const ROUNDS = bySize(20, 300);
const SEED = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);
const random = new Random(SEED);

let live: LiveService;
let bystander: TrajectoryClient;

before(async () => {
  live = await startLive("process", { pools: { default: { slots_per_container: 4, max_containers: 1 } } });
  bystander = await live.open({ trajectoryId: "bystander" });
});

after(() => live.close());

async function bystanderLives(): Promise<void> {
  const { output, slotGeneration } = await bystander.bash("echo alive");
  assert.deepEqual([output, slotGeneration], ["alive", 1]);
}

function noise(lengthMax: number): Buffer {
  return Buffer.from(Array.from({ length: random.whole(1, lengthMax) }, () => random.whole(0, 255)));
}

function framed(message: Uint8Array, length = message.length, compressed = 0): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

const open = (trajectoryId: string) =>
  framed(
    RunTrajectoryRequest.encode(
      RunTrajectoryRequest.fromPartial({ frame: { $case: "open", value: { trajectoryId } } }),
    ).finish(),
  );

/** The gRPC status of a stream that sends these bytes and half-closes. */
async function statusAfter(session: ClientHttp2Session, body: Buffer, headers: object = {}): Promise<number> {
  const stream = session.request({
    ":method": "POST",
    ":path": PATH,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  let code = Number.NaN;
  // Without any message the status comes with the headers.
  stream.on("response", (fields) => {
    code = Number(fields["grpc-status"] ?? code);
  });
  stream.on("trailers", (fields) => {
    code = Number(fields["grpc-status"]);
  });
  stream.on("error", () => undefined);
  stream.resume();
  stream.end(body);
  await once(stream, "close");
  return code;
}

async function inSession<T>(act: (session: ClientHttp2Session) => Promise<T>): Promise<T> {
  const session = connectHttp2(`http://${live.address}`);
  session.on("error", () => undefined);
  try {
    return await act(session);
  } finally {
    session.destroy();
  }
}

test(`random bytes on a connection, with and without an HTTP/2 preface (FAULT_SEED=${SEED})`, async () => {
  const port = Number(live.address.split(":")[1]);
  for (let round = 0; round < ROUNDS; round += 1) {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.on("error", () => undefined);
    socket.resume();
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.end(Buffer.concat([Buffer.from(round % 2 ? PREFACE : ""), noise(2000)]));
    await closed;
  }
  await bystanderLives();
});

test("random bytes as a message end their stream with a status", () =>
  inSession(async (session) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const body = round % 2 ? Buffer.concat([open(`noise${round}`), framed(noise(500))]) : framed(noise(500));
      const code = await statusAfter(session, body);
      const refusals = [GrpcCode.FAILED_PRECONDITION, GrpcCode.INVALID_ARGUMENT, GrpcCode.UNIMPLEMENTED, GrpcCode.OK];
      assert.ok(refusals.includes(code), `round ${round} ended ${GrpcCode[code]}`);
    }
    await bystanderLives();
  }));

for (const [what, body, codes] of [
  [
    "a message shorter than its prefix says",
    framed(Buffer.alloc(10), 100),
    [GrpcCode.INTERNAL, GrpcCode.FAILED_PRECONDITION],
  ],
  ["a prefix of 4 GiB", framed(Buffer.alloc(10), 0xffff_ffff), [GrpcCode.RESOURCE_EXHAUSTED]],
  [
    "a compressed message that is none",
    framed(Buffer.alloc(10), 10, 1),
    [GrpcCode.INTERNAL, GrpcCode.FAILED_PRECONDITION],
  ],
  [
    "a prefix with an unknown flag",
    framed(Buffer.alloc(10), 10, 7),
    [GrpcCode.INTERNAL, GrpcCode.UNIMPLEMENTED, GrpcCode.FAILED_PRECONDITION],
  ],
  ["half a prefix", Buffer.alloc(3), [GrpcCode.FAILED_PRECONDITION, GrpcCode.INTERNAL]],
  ["nothing", Buffer.alloc(0), [GrpcCode.FAILED_PRECONDITION]],
] as const) {
  test(`${what} ends its stream with a status, and another stream of the connection lives`, () =>
    inSession(async (session) => {
      const beside = statusAfter(session, open("beside"));
      const code = await statusAfter(session, body);
      assert.ok(
        codes.some((it) => it === code),
        `it ended ${GrpcCode[code] ?? code}`,
      );
      assert.equal(await beside, GrpcCode.OK);
      await bystanderLives();
    }));
}

test("a call of 5 MiB is served, one of 17 MiB refused", async () => {
  const stream = await live.open({ trajectoryId: "large" });
  const large = await stream.call("bash", { command: "echo served", padding: "x".repeat(5 * MIB) });
  assert.deepEqual([large.status, large.output], [CallStatus.CALL_STATUS_OK, "served"]);
  const written = await stream.call("bash", { command: `: ${"x".repeat(5 * MIB)}; echo served` });
  assert.deepEqual([written.status, written.output], [CallStatus.CALL_STATUS_OK, "served"]);
  stream.call("bash", { command: "true", padding: "x".repeat(17 * MIB) }).catch(() => undefined);
  assert.equal((await stream.ended)?.code, GrpcCode.RESOURCE_EXHAUSTED);
  const again = await live.open({ trajectoryId: "large" });
  assert.deepEqual([again.opened.resumed, again.opened.slotGeneration], [true, 1]);
  await bystanderLives();
});

// Timers of Node overflow after 24.8 days, and whole numbers of 32 bits after 49.7.
for (const days of [24, 25, 30, 49, 60, 1000]) {
  test(`a deadline of ${days} days is served or refused, and never fires at once`, () =>
    inSession(async (session) => {
      const code = await Promise.race([
        statusAfter(session, open(`days${days}`), { "grpc-timeout": `${days * 24}H` }),
        pause(5_000, Number.NaN, { ref: false }),
      ]);
      assert.ok([GrpcCode.OK, GrpcCode.INVALID_ARGUMENT].includes(code), `it ended ${GrpcCode[code] ?? code}`);
    }));
}
