// A trajectory that outlives its streams, as a trainer's client would keep it: reconnects with the same token, sends again
// what the server does not know, and keeps the log that the checker judges. What the checker finds wrong rejects every
// call that waits.
import { setTimeout as pause } from "node:timers/promises";
import { type ChannelOptions, credentials, status as GrpcCode, type ServiceError } from "@grpc/grpc-js";
import { CallStatus, ToolCall, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { ToolExecutorServiceClient } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import type { Open } from "../../src/gen/switchyard/v1/trajectory.js";
import { CallLog, markedCommand, READ_MARKS } from "./fault-checker.js";
import type { CallFields } from "./live-service.js";
import { type Frame, TrajectoryClient } from "./trajectory-client.js";

const RETRY_MS = 20;

/** A client with a connection of its own, which is tried again soon. */
export function ownService(address: string, options: ChannelOptions = {}): ToolExecutorServiceClient {
  return new ToolExecutorServiceClient(address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 100,
    ...options,
  });
}

interface Pending {
  readonly call: ToolCall;
  resolve(result: ToolResult): void;
  reject(error: unknown): void;
}

export class CheckedTrajectory {
  readonly log: CallLog;
  readonly #pending = new Map<string, Pending>();
  #stream: Promise<TrajectoryClient> | undefined;
  /** Set once it is open. */
  #live: TrajectoryClient | undefined;
  #failure: unknown;

  constructor(
    private readonly service: ToolExecutorServiceClient,
    private readonly open: Partial<Open> & { trajectoryId: string },
  ) {
    this.log = new CallLog(open.trajectoryId);
  }

  /** Its stream of the moment, once it is open; a new one when the last has broken. */
  stream(): Promise<TrajectoryClient> {
    this.#stream ??= this.#connect();
    return this.#stream;
  }

  /** A call that leaves its mark and then does `body`. Resolves with its result, on whichever stream it comes. */
  call(uniqId: string, body = "", fields: CallFields = {}): Promise<ToolResult> {
    this.log.sent(uniqId);
    const command = markedCommand(uniqId, body);
    return this.#send(ToolCall.fromPartial({ uniqId, name: "bash", arguments: { command }, ...fields }));
  }

  async ack(...uniqIds: string[]): Promise<void> {
    this.log.acked(uniqIds);
    (await this.stream()).ack(...uniqIds);
  }

  /** Half-closes until the server ends a stream OK. */
  async finish(): Promise<void> {
    for (;;) {
      const failure = await (await this.stream()).halfClose();
      if (this.#failure) throw this.#failure;
      if (failure === undefined) return;
      requireBroken(failure, failure);
    }
  }

  /** Reads the file in the workspace, while there is one, and judges the log. */
  async check(): Promise<void> {
    const { opened } = await this.stream();
    const slotIsGone = this.log.opens > 1 && opened.slotGeneration === 0;
    if (slotIsGone || this.log.results.size === 0) return this.log.check();
    const uniqId = `audit.${opened.epoch}`;
    this.log.sent(uniqId, false);
    const audit = await this.#send(ToolCall.fromPartial({ uniqId, name: "bash", arguments: { command: READ_MARKS } }));
    if (audit.status !== CallStatus.CALL_STATUS_OK) throw new Error(`the file cannot be read: ${audit.error}`);
    this.log.check(audit.output.split("\n").filter(Boolean), audit.slotGeneration);
  }

  #send(call: ToolCall): Promise<ToolResult> {
    const result = new Promise<ToolResult>((resolve, reject) => {
      this.#pending.set(call.uniqId, { call, resolve, reject });
    });
    if (this.#failure) this.#fail(this.#failure);
    else if (this.#live) this.#live.send({ $case: "call", value: call });
    // What opens sends all that waits.
    else this.stream().catch(() => undefined);
    return result;
  }

  async #connect(): Promise<TrajectoryClient> {
    for (;;) {
      try {
        const stream = await TrajectoryClient.open(this.service, this.open, (frame, client) =>
          this.#receive(frame, client),
        );
        void stream.ended.then((failure) => this.#onEnded(failure));
        return stream;
      } catch (error) {
        if (this.#failure) throw this.#failure;
        requireBroken(error instanceof Error ? error.cause : undefined, error);
      }
      await pause(RETRY_MS);
    }
  }

  #onEnded(failure: ServiceError | undefined): void {
    this.#stream = undefined;
    this.#live = undefined;
    if (this.#pending.size === 0 || this.#failure) return;
    if (failure && !isBroken(failure)) this.#fail(failure);
    else this.stream().catch((error: unknown) => this.#fail(error));
  }

  #receive(frame: Frame, stream: TrajectoryClient): void {
    try {
      if (frame.$case === "opened") {
        this.log.opened(frame.value);
        const known = new Set(frame.value.known.map(({ uniqId }) => uniqId));
        this.#live = stream;
        for (const { call } of this.#pending.values()) {
          if (!known.has(call.uniqId)) stream.send({ $case: "call", value: call });
        }
      } else if (frame.$case === "result") {
        this.log.result(frame.value);
        this.#pending.get(frame.value.uniqId)?.resolve(frame.value);
        this.#pending.delete(frame.value.uniqId);
      } else if (frame.$case === "rejected") {
        throw new Error(`${this.open.trajectoryId}: ${frame.value.uniqId} was rejected: ${frame.value.error}`);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}

function requireBroken(failure: unknown, error: unknown): void {
  if (!isBroken(failure)) throw error;
}

/** A connection that broke, as grpc-js tells it. */
function isBroken(failure: unknown): boolean {
  if (!(failure instanceof Error) || !("code" in failure)) return false;
  if (failure.code === GrpcCode.UNAVAILABLE) return true;
  return failure.code === GrpcCode.INTERNAL && /RST_STREAM/.test(failure.message);
}
