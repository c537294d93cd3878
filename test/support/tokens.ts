// Bearer tokens for servers that a test starts, and clients that use them.
import { createHash, randomBytes } from "node:crypto";
import { credentials, InterceptingCall, type Interceptor, type ServiceError } from "@grpc/grpc-js";
import {
  ArtifactServiceClient,
  ListArtifactsRequest,
  type ListArtifactsResponse,
} from "../../src/gen/switchyard/v1/artifact_service.js";
import { ToolCall, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { GetStatusRequest, type GetStatusResponse } from "../../src/gen/switchyard/v1/status.js";
import {
  ExecuteRequest,
  ReleaseTrajectoryRequest,
  ToolExecutorServiceClient,
} from "../../src/gen/switchyard/v1/tool_executor_service.js";
import type { Open } from "../../src/gen/switchyard/v1/trajectory.js";
import { TrajectoryClient } from "./trajectory-client.js";

interface TestScope {
  after(cleanUp: () => void): void;
}

export interface TestToken {
  readonly text: string;
  /** As `auth.tokens` has it. */
  readonly settings: { readonly name: string; readonly sha256: string };
}

export function newToken(name: string, limits: object = {}): TestToken {
  return tokenOf(name, `swy_${randomBytes(32).toString("base64url")}`, limits);
}

export function tokenOf(name: string, text: string, limits: object = {}): TestToken {
  return { text, settings: { name, sha256: createHash("sha256").update(text).digest("hex"), ...limits } };
}

export function authOf(...tokens: readonly TestToken[]) {
  return { auth: { tokens: tokens.map(({ settings }) => settings) } };
}

/** Sends it with every RPC. */
export function bearer(text: string): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) => {
        metadata.set("authorization", `Bearer ${text}`);
        next(metadata, listener);
      },
    });
}

/** Someone with a token, over a connection of his own. */
export class Holder {
  readonly client: ToolExecutorServiceClient;
  readonly artifacts: ArtifactServiceClient;

  constructor(test: TestScope, address: string, { text }: Pick<TestToken, "text">) {
    const options = { interceptors: [bearer(text)], "grpc.use_local_subchannel_pool": 1 };
    this.client = new ToolExecutorServiceClient(address, credentials.createInsecure(), options);
    this.artifacts = new ArtifactServiceClient(address, credentials.createInsecure(), options);
    test.after(() => {
      this.client.close();
      this.artifacts.close();
    });
  }

  open(open: Partial<Open> & { trajectoryId: string }): Promise<TrajectoryClient> {
    return TrajectoryClient.open(this.client, open);
  }

  execute(trajectoryId: string, command: string, uniqId: string): Promise<ToolResult> {
    const call = ToolCall.fromPartial({ uniqId, name: "bash", arguments: { command } });
    const request = ExecuteRequest.fromPartial({ trajectoryId, call });
    return new Promise((resolve, reject) => {
      this.client.execute(request, (error, response) => {
        if (error) reject(error);
        else if (response.result) resolve(response.result);
        else reject(new Error("a response without a result"));
      });
    });
  }

  /** Resolves with how many were released. */
  release(target: NonNullable<ReleaseTrajectoryRequest["target"]>): Promise<number> {
    const request = ReleaseTrajectoryRequest.fromPartial({ target, resetWorkspace: true });
    return new Promise((resolve, reject) => {
      this.client.releaseTrajectory(request, (error, response) => (error ? reject(error) : resolve(response.released)));
    });
  }

  status(): Promise<GetStatusResponse> {
    return new Promise((resolve, reject) => {
      this.client.getStatus(GetStatusRequest.fromPartial({}), (error, response) =>
        error ? reject(error) : resolve(response),
      );
    });
  }

  list(trajectoryId: string): Promise<ListArtifactsResponse> {
    return new Promise((resolve, reject) => {
      this.artifacts.listArtifacts(ListArtifactsRequest.fromPartial({ trajectoryId }), (error, response) =>
        error ? reject(error) : resolve(response),
      );
    });
  }
}

/** A failure of a TrajectoryClient has the stream's own as its cause. */
export function serviceErrorOf(error: unknown): ServiceError | undefined {
  if (!(error instanceof Error)) return undefined;
  return isServiceError(error) ? error : serviceErrorOf(error.cause);
}

function isServiceError(error: Error): error is ServiceError {
  return "code" in error && "details" in error;
}
