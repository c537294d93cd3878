// One RunTrajectory stream as a test drives it: a promise per call, every frame kept, nothing acknowledged by itself.
import { EventEmitter, once } from "node:events";
import { type ClientDuplexStream, Metadata, type ServiceError } from "@grpc/grpc-js";
import { ToolCall, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import type { ToolExecutorServiceClient } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import {
  Open,
  type Opened,
  type RunTrajectoryRequest,
  type RunTrajectoryResponse,
} from "../../src/gen/switchyard/v1/trajectory.js";

export type Frame = NonNullable<RunTrajectoryResponse["frame"]>;
type FrameOf<K extends Frame["$case"]> = Extract<Frame, { $case: K }>["value"];
type RequestFrame = NonNullable<RunTrajectoryRequest["frame"]>;

export class TrajectoryClient {
  readonly frames: Frame[] = [];
  readonly #events = new EventEmitter();
  /** Resolves when the stream has ended: with its error, or undefined for OK. */
  readonly ended: Promise<ServiceError | undefined>;
  #over = false;
  #calls = 0;

  private constructor(
    readonly stream: ClientDuplexStream<RunTrajectoryRequest, RunTrajectoryResponse>,
    onFrame: (frame: Frame, client: TrajectoryClient) => void,
  ) {
    this.#events.setMaxListeners(0);
    let failure: ServiceError | undefined;
    stream.on("data", ({ frame }: RunTrajectoryResponse) => {
      if (frame) {
        this.frames.push(frame);
        onFrame(frame, this);
      }
      this.#events.emit("change");
    });
    stream.on("error", (error: ServiceError) => {
      failure = error;
    });
    this.ended = new Promise((resolve) => {
      // `close` comes only when both directions have ended; `end`, after every frame, also when the server broke off.
      stream.once("end", () => {
        this.#over = true;
        this.#events.emit("change");
        resolve(failure);
      });
    });
  }

  static async open(
    service: ToolExecutorServiceClient,
    open: Partial<Open> & { trajectoryId: string },
    onFrame: (frame: Frame, client: TrajectoryClient) => void = () => undefined,
    metadata = new Metadata(),
  ): Promise<TrajectoryClient> {
    const client = new TrajectoryClient(service.runTrajectory(metadata), onFrame);
    client.send({ $case: "open", value: Open.fromPartial(open) });
    await client.first("opened");
    return client;
  }

  get opened(): Opened {
    const frame = this.frames.find(({ $case }) => $case === "opened");
    if (frame?.$case !== "opened") throw new Error("not opened");
    return frame.value;
  }

  send(frame: RequestFrame): void {
    this.stream.write({ frame });
  }

  /** Sends a call and resolves with its result; rejects when it was rejected or the stream ended first. */
  async call(name: string, args: object, fields: Parameters<typeof ToolCall.fromPartial>[0] = {}): Promise<ToolResult> {
    this.#calls += 1;
    const uniqId = fields.uniqId ?? `c${this.#calls}`;
    this.send({ $case: "call", value: ToolCall.fromPartial({ name, arguments: { ...args }, ...fields, uniqId }) });
    return this.resultOf(uniqId);
  }

  bash(command: string, fields: Parameters<typeof ToolCall.fromPartial>[0] = {}): Promise<ToolResult> {
    return this.call("bash", { command }, fields);
  }

  async resultOf(uniqId: string): Promise<ToolResult> {
    const frame = await this.#find(
      (it) => (it.$case === "result" || it.$case === "rejected") && it.value.uniqId === uniqId,
    );
    if (frame.$case === "result") return frame.value;
    throw new Error(`${uniqId} rejected: ${JSON.stringify(frame.value)}`);
  }

  /** The first frame of a kind, now or later. */
  async first<K extends Frame["$case"]>($case: K): Promise<FrameOf<K>> {
    const frame = await this.#find((it) => it.$case === $case);
    return frame.value as FrameOf<K>;
  }

  ack(...uniqIds: string[]): void {
    this.send({ $case: "ack", value: { uniqIds } });
  }

  /** No more calls; resolves when the stream has ended. */
  halfClose(): Promise<ServiceError | undefined> {
    this.stream.end();
    return this.ended;
  }

  /** Breaks the connection of this stream. */
  cut(): Promise<ServiceError | undefined> {
    this.stream.cancel();
    return this.ended;
  }

  async #find(matches: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.frames.find(matches);
      if (found) return found;
      if (this.#over) {
        const cause = await this.ended;
        throw new Error(`the stream ended first: ${cause?.message ?? "OK"}`, { cause });
      }
      await once(this.#events, "change");
    }
  }
}
