// A gRPC server on port 0 over a tiny Directory that records what it is driven with, and a client stream to talk to it.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { type ClientDuplexStream, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Transfer } from "../../src/core/artifacts.js";
import type { Call } from "../../src/core/call.js";
import { systemClock } from "../../src/core/clock.js";
import { SwitchyardError } from "../../src/core/errors.js";
import type { Logger } from "../../src/core/log.js";
import type { Outcome } from "../../src/core/outcome.js";
import type { Principal } from "../../src/core/principal.js";
import { ToolExecutorServiceClient } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import { RunTrajectoryRequest, type RunTrajectoryResponse } from "../../src/gen/switchyard/v1/trajectory.js";
import type { Announcement } from "../../src/grpc/responses.js";
import { GrpcServer, type GrpcServerOptions } from "../../src/grpc/server.js";
import type {
  Attachment,
  Directory,
  EventSink,
  ExecuteRequest,
  OpenRequest,
  ReleaseRequest,
} from "../../src/trajectory/session.js";
import { okOutcome } from "./outcomes.js";

/** Answers a call at once with its arguments' `output`; the tool `throw` throws, `hold` never ends. */
export class TestDirectory implements Directory {
  /** `call u1`, `ack a,b`, `halfClose`, `detach`, ... in their order. */
  readonly seen: string[] = [];
  readonly #events = new EventEmitter();
  readonly sinks: EventSink[] = [];
  endOnHalfClose = true;
  onOpen: (request: OpenRequest, sink: EventSink) => void = () => {};

  open(_principal: Principal, request: OpenRequest, sink: EventSink): Attachment {
    this.sinks.push(sink);
    this.onOpen(request, sink);
    sink.event(openedEvent(request.trajectoryId));
    return {
      call: (call) => this.#call(call, sink),
      cancel: (uniqId) => this.#saw(`cancel ${uniqId}`),
      ack: (uniqIds) => this.#saw(`ack ${uniqIds.join()}`),
      release: (resetWorkspace) => {
        this.#saw(`release ${resetWorkspace}`);
        sink.event({ kind: "released", wiped: resetWorkspace });
        sink.end();
      },
      halfClose: () => {
        this.#saw("halfClose");
        if (this.endOnHalfClose) sink.end();
      },
      detach: () => this.#saw("detach"),
    };
  }

  async execute(_principal: Principal, request: ExecuteRequest): Promise<Outcome> {
    this.#saw(`execute ${request.call.uniqId}`);
    if (request.call.tool === "throw") throw new Error("a bug");
    if (request.call.tool === "hold") await this.saw("let go");
    return okOutcome(`${request.call.arguments.output}`);
  }

  onTransfer: () => Transfer = () => {
    throw new SwitchyardError("NO_SLOT", "no slots here");
  };

  transfer(): Transfer {
    return this.onTransfer();
  }

  list(): ReturnType<Directory["list"]> {
    return { total: 0, shown: [] };
  }

  async release(_principal: Principal, request: ReleaseRequest): Promise<{ released: number; wiped: boolean }> {
    if ("group" in request.target) return { released: 2, wiped: request.resetWorkspace };
    throw new SwitchyardError("TRAJECTORY_UNKNOWN", `no trajectory ${request.target.trajectoryId}`);
  }

  /** Resolves once `seen` holds the entry. */
  async saw(entry: string): Promise<void> {
    while (!this.seen.includes(entry)) await once(this.#events, "seen");
  }

  note(entry: string): void {
    this.#saw(entry);
  }

  #call(call: Call, sink: EventSink): void {
    this.#saw(`call ${call.uniqId}`);
    if (call.tool === "throw") throw new Error("a bug");
    if (call.tool === "hold") return;
    sink.event({ kind: "result", uniqId: call.uniqId, outcome: okOutcome(`${call.arguments.output}`) });
  }

  #saw(entry: string): void {
    this.seen.push(entry);
    this.#events.emit("seen");
  }
}

export function openedEvent(trajectoryId: string) {
  return {
    kind: "opened",
    trajectoryId,
    resumed: false,
    incarnation: "i1",
    epoch: 1,
    slotGeneration: 0,
    leaseS: 120,
    known: [],
    knownTruncated: false,
  } as const;
}

export class TestLog implements Logger {
  readonly errors: unknown[] = [];
  debug(): void {}
  info(): void {}
  warn(): void {}
  child(): Logger {
    return this;
  }
  error(fields: object, message: string): void {
    this.errors.push({ ...fields, message });
  }
}

export const announcement: Announcement = {
  serverId: "s1",
  unackedCallsMax: 1024,
  outputCharsMax: 50_000,
  timeoutMinS: 1,
  timeoutMaxS: 600,
  leaseMaxS: 3600,
};

export interface Service {
  readonly server: GrpcServer;
  readonly directory: TestDirectory;
  readonly log: TestLog;
  readonly address: string;
  readonly client: ToolExecutorServiceClient;
  close(): Promise<void>;
}

export async function startService(options: Partial<GrpcServerOptions> = {}): Promise<Service> {
  const directory = new TestDirectory();
  const log = new TestLog();
  const server = new GrpcServer({
    directory,
    log,
    clock: systemClock,
    tools: { listTools: async () => [] },
    status: {
      readStatus: () => ({
        version: "1.2.3",
        serverId: "s1",
        uptimeMs: 1500,
        queueSize: 1,
        totalRequests: 2,
        totalErrors: 3,
        batches: 4,
        batchedCalls: 2,
        meanBatchSize: 0.5,
        trajectories: 1,
        pools: [],
      }),
    },
    announcement,
    streamsMax: 100,
    ...options,
  });
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  const client = new ToolExecutorServiceClient(address, credentials.createInsecure());
  const close = async () => {
    client.close();
    await server.close(0);
  };
  return { server, directory, log, address, client, close };
}

type Frame = NonNullable<RunTrajectoryResponse["frame"]>;
export type RequestFrame = NonNullable<Parameters<typeof RunTrajectoryRequest.fromPartial>[0]["frame"]>;

type FrameValues = { [Each in Frame as Each["$case"]]: Each["value"] };
type AnyFrame = { readonly $case: string; readonly value: unknown };

/** One RunTrajectory stream of a client. */
export class TestStream {
  readonly call: ClientDuplexStream<RunTrajectoryRequest, RunTrajectoryResponse>;
  readonly frames: Frame[] = [];
  readonly #events = new EventEmitter();
  #taken = 0;
  #ended: { error?: ServiceError } | undefined;

  constructor(client: ToolExecutorServiceClient) {
    this.call = client.runTrajectory();
    this.call.on("data", ({ frame }: RunTrajectoryResponse) => {
      if (frame) this.frames.push(frame);
      this.#events.emit("change");
    });
    this.call.on("error", (error: ServiceError) => this.#end({ error }));
    this.call.on("end", () => setImmediate(() => this.#end({})));
  }

  send(frame: RequestFrame): void {
    this.call.write(RunTrajectoryRequest.fromPartial({ frame }));
  }

  open(trajectoryId = "t1"): void {
    this.send({ $case: "open", value: { trajectoryId } });
  }

  run(uniqId: string, output = "", name = "echo"): void {
    this.send({ $case: "call", value: { uniqId, name, arguments: { output } } });
  }

  /** The next frame, in order. */
  async next(): Promise<Frame> {
    for (;;) {
      const frame = this.frames[this.#taken];
      if (frame) {
        this.#taken += 1;
        return frame;
      }
      if (this.#ended) throw this.#ended.error ?? new Error("the stream ended OK");
      await once(this.#events, "change");
    }
  }

  async nextOf<Case extends keyof FrameValues>(kind: Case): Promise<FrameValues[Case]> {
    const frame: AnyFrame = await this.next();
    if (isCase(frame, kind)) return frame.value;
    return assert.fail(`${frame.$case} instead of ${kind}`);
  }

  /** Resolves with the error, or with undefined when the stream ended OK. */
  async ended(): Promise<ServiceError | undefined> {
    while (!this.#ended) await once(this.#events, "change");
    return this.#ended.error;
  }

  #end(end: { error?: ServiceError }): void {
    this.#ended ??= end;
    this.#events.emit("change");
  }
}

function isCase<Case extends keyof FrameValues>(
  frame: AnyFrame,
  kind: Case,
): frame is { readonly $case: Case; readonly value: FrameValues[Case] } {
  return frame.$case === kind;
}

/** The reason in a status' ErrorInfo: the text before its domain. */
export function reasonOf(error: ServiceError | undefined): string {
  const [details] = (error?.metadata ?? new Metadata()).get("grpc-status-details-bin");
  if (!(details instanceof Buffer)) return "";
  const words = details.toString("latin1").split(/[^A-Za-z_]+/);
  return words[words.indexOf("switchyard") - 1] ?? "";
}
