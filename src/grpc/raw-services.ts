// The generated services with bytes for messages: grpc-js passes them on, and we decode and encode.
import type {
  handleClientStreamingCall,
  handleServerStreamingCall,
  MethodDefinition,
  ServerDuplexStream,
  ServiceDefinition,
} from "@grpc/grpc-js";
import { ArtifactServiceService } from "../gen/switchyard/v1/artifact_service.js";
import { ToolExecutorServiceService } from "../gen/switchyard/v1/tool_executor_service.js";
import type { UnaryHandler, UnaryHandlers } from "./unary.js";
import { type Encoded, serialized } from "./wire.js";

export type StreamCall = ServerDuplexStream<Buffer, Encoded>;

export interface ToolHandlers extends UnaryHandlers {
  readonly runTrajectory: (call: StreamCall) => void;
  readonly watchStatus: handleServerStreamingCall<Buffer, Buffer>;
}

export interface ArtifactHandlers {
  readonly readArtifact: handleServerStreamingCall<Buffer, Buffer>;
  readonly listArtifacts: UnaryHandler;
  readonly archiveArtifacts: handleServerStreamingCall<Buffer, Buffer>;
  readonly writeArtifact: handleClientStreamingCall<Buffer, Buffer>;
}

export function rawToolService(): ServiceDefinition<ToolHandlers> {
  const service = ToolExecutorServiceService;
  return {
    runTrajectory: { ...raw(service.runTrajectory), responseSerialize: serialized },
    execute: raw(service.execute),
    releaseTrajectory: raw(service.releaseTrajectory),
    listTools: raw(service.listTools),
    getStatus: raw(service.getStatus),
    watchStatus: raw(service.watchStatus),
  };
}

export function rawArtifactService(): ServiceDefinition<ArtifactHandlers> {
  const service = ArtifactServiceService;
  return {
    readArtifact: raw(service.readArtifact),
    listArtifacts: raw(service.listArtifacts),
    archiveArtifacts: raw(service.archiveArtifacts),
    writeArtifact: raw(service.writeArtifact),
  };
}

type Shape = Pick<MethodDefinition<Buffer, Buffer>, "path" | "requestStream" | "responseStream">;

function raw({ path, requestStream, responseStream }: Shape): MethodDefinition<Buffer, Buffer> {
  const same = (bytes: Buffer): Buffer => bytes;
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}
