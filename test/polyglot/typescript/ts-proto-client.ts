// The table by what ts-proto generates for grpc-js: the code in src/gen, with messages and oneofs as its types have them.
import {
  ArchiveArtifactsRequest,
  ArtifactServiceClient,
  ArtifactType,
  ArtifactUploadKind,
  ListArtifactsRequest,
  type ListArtifactsResponse,
  ReadArtifactRequest,
  WriteArtifactHeader,
  type WriteArtifactRequest,
  type WriteArtifactResponse,
} from "../../../src/gen/switchyard/v1/artifact_service.js";
import { CallStatus, Fault, OutputChannel, ToolCall, type ToolResult } from "../../../src/gen/switchyard/v1/call.js";
import { GetStatusRequest, type GetStatusResponse } from "../../../src/gen/switchyard/v1/status.js";
import {
  ExecuteRequest,
  type ExecuteResponse,
  ListToolsRequest,
  type ListToolsResponse,
  ReleaseTrajectoryRequest,
  type ReleaseTrajectoryResponse,
  ToolExecutorServiceClient,
} from "../../../src/gen/switchyard/v1/tool_executor_service.js";
import {
  Ack,
  CallState,
  Cancel,
  Open,
  type Opened,
  Release,
  type RunTrajectoryRequest,
  type RunTrajectoryResponse,
} from "../../../src/gen/switchyard/v1/trajectory.js";
import {
  askHealth,
  callSettings,
  credentialsOf,
  download,
  GrpcJsStream,
  streamSettings,
  unary,
  upload,
  withClient,
} from "./grpc-js.js";
import { main, type Server } from "./main.js";
import type { Result } from "./table.js";
import type { CallRequest, OpenRequest, Part, Received, Stream, Transport } from "./transport.js";

const KINDS: Readonly<Record<string, ArtifactUploadKind>> = {
  ARTIFACT_UPLOAD_KIND_FILE: ArtifactUploadKind.ARTIFACT_UPLOAD_KIND_FILE,
  ARTIFACT_UPLOAD_KIND_TAR_GZ: ArtifactUploadKind.ARTIFACT_UPLOAD_KIND_TAR_GZ,
};

type Duration = NonNullable<Open["lease"]>;

function durationOf(seconds: number | undefined): Duration | undefined {
  if (seconds === undefined) return undefined;
  const nanos = Math.round(seconds * 1e9);
  return { seconds: BigInt(Math.trunc(nanos / 1e9)), nanos: nanos % 1e9 };
}

function secondsOf(duration: Duration | undefined): number {
  return Number(duration?.seconds ?? 0n) + (duration?.nanos ?? 0) / 1e9;
}

function openOf(request: OpenRequest): Open {
  return Open.fromPartial({
    trajectoryId: request.trajectory_id,
    resumeToken: request.resume_token,
    group: request.group ?? "",
    pool: request.pool ?? "",
    env: { ...request.env },
    acquireSlot: request.acquire_slot ?? false,
    requireResume: request.require_resume ?? false,
    lease: durationOf(request.lease_s),
    outputPositions: (request.output_positions ?? []).map((position) => ({
      uniqId: position.uniq_id,
      stdoutOffset: BigInt(position.stdout_offset),
      stderrOffset: BigInt(position.stderr_offset),
    })),
  });
}

function toolCallOf(request: CallRequest): ToolCall {
  return ToolCall.fromPartial({
    uniqId: request.uniq_id,
    name: request.name,
    arguments: { ...request.arguments },
    timeout: durationOf(request.timeout_s),
    queueTimeout: durationOf(request.queue_timeout_s),
    noOutputTimeout: durationOf(request.no_output_timeout_s),
    streamOutput: request.stream_output ?? false,
    slotGeneration: request.slot_generation,
  });
}

function resultOf(result: ToolResult): Result {
  return {
    uniq_id: result.uniqId,
    status: CallStatus[result.status],
    fault: Fault[result.fault],
    success: result.success,
    output: result.output,
    error: result.error,
    exit_code: result.exitCode ?? null,
    signal: result.signal,
    output_bytes_total: Number(result.outputBytesTotal),
    truncated: result.truncated,
    slot_generation: result.slotGeneration,
    metadata: result.metadata ?? {},
  };
}

function openedOf(opened: Opened): Received {
  return {
    kind: "opened",
    opened: {
      resumed: opened.resumed,
      epoch: Number(opened.epoch),
      slot_generation: opened.slotGeneration,
      lease_s: secondsOf(opened.lease),
      known: Object.fromEntries(opened.known.map(({ uniqId, state }) => [uniqId, CallState[state]])),
    },
  };
}

function receivedOf({ frame }: RunTrajectoryResponse): Received {
  switch (frame?.$case) {
    case "opened":
      return openedOf(frame.value);
    case "output": {
      const { uniqId, channel, offset, missing, data } = frame.value;
      const numbers = { offset: Number(offset), missing: Number(missing) };
      return { kind: "output", uniq_id: uniqId, channel: OutputChannel[channel], ...numbers, data };
    }
    case "result":
      return { kind: "result", result: resultOf(frame.value) };
    case "rejected": {
      const { uniqId, status, fault, error } = frame.value;
      return { kind: "rejected", uniq_id: uniqId, status: CallStatus[status], fault: Fault[fault], error };
    }
    case "released":
      return { kind: "released", wiped: frame.value.wiped };
    default:
      return { kind: "other" };
  }
}

class TsProtoStream implements Stream {
  readonly #stream: GrpcJsStream<RunTrajectoryRequest, RunTrajectoryResponse>;

  constructor(server: Server, bearer: string | undefined) {
    const client = new ToolExecutorServiceClient(server.address, credentialsOf(server));
    this.#stream = new GrpcJsStream(client, client.runTrajectory(...streamSettings(server, bearer)));
  }

  #send(frame: NonNullable<RunTrajectoryRequest["frame"]>): void {
    this.#stream.call.write({ frame });
  }

  open(request: OpenRequest): void {
    this.#send({ $case: "open", value: openOf(request) });
  }

  call(request: CallRequest): void {
    this.#send({ $case: "call", value: toolCallOf(request) });
  }

  cancel(uniqId: string): void {
    this.#send({ $case: "cancel", value: Cancel.fromPartial({ uniqId }) });
  }

  ack(uniqIds: readonly string[]): void {
    this.#send({ $case: "ack", value: Ack.fromPartial({ uniqIds: [...uniqIds] }) });
  }

  release(resetWorkspace: boolean): void {
    this.#send({ $case: "release", value: Release.fromPartial({ resetWorkspace }) });
  }

  halfClose(): void {
    this.#stream.call.end();
  }

  cut(): void {
    this.#stream.cut();
  }

  async receive(): Promise<Received | undefined> {
    const response = await this.#stream.next();
    return response && receivedOf(response);
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

function connect(server: Server): Transport {
  const tools = () => new ToolExecutorServiceClient(server.address, credentialsOf(server));
  const artifacts = () => new ArtifactServiceClient(server.address, credentialsOf(server));
  const owned = (owner: { trajectory_id: string; resume_token: string }) => ({
    trajectoryId: owner.trajectory_id,
    resumeToken: owner.resume_token,
  });
  return {
    begin: (bearer) => new TsProtoStream(server, bearer),
    execute: (request, options) =>
      withClient(tools(), async (client) => {
        const message = ExecuteRequest.fromPartial({ ...owned(request), call: toolCallOf(request.call) });
        const settings = callSettings(server, options);
        const { result } = await unary<ExecuteResponse>((done) => client.execute(message, ...settings, done));
        if (result === undefined) throw new Error("an ExecuteResponse without a result");
        return resultOf(result);
      }),
    release: (request, options) =>
      withClient(tools(), (client) => {
        const { trajectory_id: id = "", group } = request;
        const message = ReleaseTrajectoryRequest.fromPartial({
          target: group === undefined ? { $case: "trajectoryId", value: id } : { $case: "group", value: group },
          resumeToken: request.resume_token,
          resetWorkspace: request.reset_workspace,
        });
        const settings = callSettings(server, options);
        return unary<ReleaseTrajectoryResponse>((done) => client.releaseTrajectory(message, ...settings, done));
      }),
    listTools: (options) =>
      withClient(tools(), async (client) => {
        const settings = callSettings(server, options);
        const message = ListToolsRequest.fromPartial({});
        const answer = await unary<ListToolsResponse>((done) => client.listTools(message, ...settings, done));
        return answer.tools.map(({ name, external, parameters = {} }) => ({ name, external, parameters }));
      }),
    status: (options) =>
      withClient(tools(), async (client) => {
        const settings = callSettings(server, options);
        const message = GetStatusRequest.fromPartial({});
        const answer = await unary<GetStatusResponse>((done) => client.getStatus(message, ...settings, done));
        const pools = answer.pools.map(({ name, slotsTotal }) => ({ name, slots_total: slotsTotal }));
        return { version: answer.version, server_id: answer.serverId, pools };
      }),
    health: (service, options) => askHealth(server, service, options),
    write: (header, chunks, options) =>
      withClient(artifacts(), async (client) => {
        const value = WriteArtifactHeader.fromPartial({
          ...owned(header),
          path: header.path,
          kind: KINDS[header.kind] ?? ArtifactUploadKind.UNRECOGNIZED,
          mode: header.mode,
        });
        const messages: WriteArtifactRequest[] = [
          { part: { $case: "header", value } },
          ...chunks.map((data) => ({ part: { $case: "data" as const, value: data } })),
        ];
        const settings = callSettings(server, options);
        const answer = await upload<WriteArtifactRequest, WriteArtifactResponse>(
          (done) => client.writeArtifact(...settings, done),
          messages,
        );
        return { sha256: hex(answer.sha256), entries: Number(answer.entries) };
      }),
    read: (request, options) =>
      withClient(artifacts(), async (client) => {
        const message = ReadArtifactRequest.fromPartial({
          ...owned(request),
          path: request.path,
          offset: BigInt(request.offset ?? 0),
          maxBytes: BigInt(request.max_bytes ?? 0),
        });
        const messages = await download(client.readArtifact(message, ...callSettings(server, options)));
        return messages.flatMap(({ part }): Part[] => {
          if (part?.$case === "data") return [{ part: "data", data: part.value }];
          if (part?.$case === "header") {
            const { size, mimeType, mode } = part.value;
            return [{ part: "header", size: Number(size), mime_type: mimeType, mode }];
          }
          if (part === undefined) return [];
          const { sha256, bytes, truncated } = part.value;
          return [{ part: "trailer", sha256: hex(sha256), bytes: Number(bytes), truncated, entries: 0 }];
        });
      }),
    list: (request, options) =>
      withClient(artifacts(), async (client) => {
        const { path, recursive } = request;
        const message = ListArtifactsRequest.fromPartial({ ...owned(request), path, recursive });
        const settings = callSettings(server, options);
        const answer = await unary<ListArtifactsResponse>((done) => client.listArtifacts(message, ...settings, done));
        return answer.entries.map((entry) => ({
          path: entry.path,
          type: ArtifactType[entry.type],
          size: Number(entry.size),
        }));
      }),
    archive: (request, options) =>
      withClient(artifacts(), async (client) => {
        const message = ArchiveArtifactsRequest.fromPartial({ ...owned(request), path: request.path });
        const messages = await download(client.archiveArtifacts(message, ...callSettings(server, options)));
        return messages.flatMap(({ part }): Part[] => {
          if (part?.$case === "data") return [{ part: "data", data: part.value }];
          if (part === undefined) return [];
          const { sha256, bytes, truncated, entries } = part.value;
          return [{ part: "trailer", sha256: hex(sha256), bytes: Number(bytes), truncated, entries: Number(entries) }];
        });
      }),
  };
}

await main(connect);
