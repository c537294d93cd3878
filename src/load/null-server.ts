// The null target: a grpc-js server that answers every call at once with the same result, so that what a run against it takes is the
// harness's own time, and gRPC's. It speaks RunTrajectory and GetStatus, reads nothing but frames' kinds and ids, and runs nothing.

import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { Server as GrpcServer, type Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { CallStatus, Fault, ToolResult } from "../gen/switchyard/v1/call.js";
import { GetStatusResponse } from "../gen/switchyard/v1/status.js";
import { Opened, RunTrajectoryResponse } from "../gen/switchyard/v1/trajectory.js";

const SERVICE = "switchyard.v1.ToolExecutorService";
/** Field numbers of RunTrajectoryRequest, and of `result` in RunTrajectoryResponse. */
const [OPEN, CALL, RELEASE] = [1, 2, 5];
const RESULT_TAG = (3 << 3) | 2;
const ID_TAG = (1 << 3) | 2;

const OPENED = frame({ $case: "opened", value: Opened.fromPartial({ serverId: "null" }) });
const RELEASED = frame({ $case: "released", value: { wiped: true } });
/** Everything of a result but its id. */
const RESULT_BODY = ToolResult.encode(
  ToolResult.fromPartial({ success: true, status: CallStatus.CALL_STATUS_OK, fault: Fault.FAULT_NONE, exitCode: 0 }),
).finish();

type Stream = ServerDuplexStream<Buffer, Uint8Array>;

/** How a stream's calls are answered; a test may hold them back. */
export type Answer = (stream: Stream, result: Uint8Array) => void;

const atOnce: Answer = (stream, result) => {
  stream.write(result);
};

/** Resolves with the port, on loopback. */
export function startNullServer(answer: Answer = atOnce): Promise<{ readonly server: Server; readonly port: number }> {
  const server = new GrpcServer({ "grpc.max_concurrent_streams": 500, "grpc.enable_channelz": 0 });
  const raw = (name: string, streamed: boolean) => ({
    path: `/${SERVICE}/${name}`,
    requestStream: streamed,
    responseStream: streamed,
    requestSerialize: (bytes: Uint8Array) => Buffer.from(bytes),
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    responseDeserialize: (bytes: Buffer) => bytes,
  });
  const status = GetStatusResponse.encode(
    GetStatusResponse.fromPartial({ version: "null", serverId: "null" }),
  ).finish();
  server.addService(
    { runTrajectory: raw("RunTrajectory", true), getStatus: raw("GetStatus", false) },
    {
      runTrajectory: (stream: Stream) => serve(stream, answer),
      getStatus: (_: unknown, callback: (error: null, bytes: Uint8Array) => void) => callback(null, status),
    },
  );
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
      if (error !== null) reject(error);
      else resolve({ server, port });
    });
  });
}

function serve(stream: Stream, answer: Answer): void {
  stream.on("error", () => {});
  stream.on("end", () => stream.end());
  stream.on("data", (bytes: Buffer) => {
    const reader = new BinaryReader(bytes);
    const [field] = reader.tag();
    if (field === CALL) answer(stream, resultOf(reader));
    else if (field === OPEN) stream.write(OPENED);
    else if (field === RELEASE) {
      stream.write(RELEASED);
      stream.end();
    }
  });
}

/** The harness's calls begin with their id. */
function resultOf(reader: BinaryReader): Uint8Array {
  reader.uint32();
  reader.tag();
  const id = reader.bytes();
  const inner = new BinaryWriter().uint32(ID_TAG).bytes(id).raw(RESULT_BODY).finish();
  return new BinaryWriter().uint32(RESULT_TAG).bytes(inner).finish();
}

function frame(value: NonNullable<RunTrajectoryResponse["frame"]>): Uint8Array {
  return RunTrajectoryResponse.encode({ frame: value }).finish();
}
