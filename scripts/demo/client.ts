// A small client of the streaming API: one object per trajectory, a promise per call, matched by uniq_id. It acknowledges
// each result as it comes, and honours the stream's back-pressure. No reconnecting: a broken stream fails the demo.
import { type ClientDuplexStream, credentials, Metadata } from "@grpc/grpc-js";
import { CallStatus, ToolCall, type ToolResult as ToolResultMessage } from "../../src/gen/switchyard/v1/call.js";
import type { GetStatusResponse } from "../../src/gen/switchyard/v1/status.js";
import { ToolExecutorServiceClient } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import { Open, type RunTrajectoryRequest, type RunTrajectoryResponse } from "../../src/gen/switchyard/v1/trajectory.js";

export type ToolResult = ToolResultMessage;
type Frame = NonNullable<RunTrajectoryRequest["frame"]>;

const STATUS_DEADLINE_MS = 10_000;

interface Settle<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

export class Connection {
  readonly #service: ToolExecutorServiceClient;

  constructor(address: string) {
    this.#service = new ToolExecutorServiceClient(address, credentials.createInsecure());
  }

  /** Resolves when the server said `opened`. The signal cuts the stream. */
  async open(trajectoryId: string, group: string, signal: AbortSignal): Promise<Trajectory> {
    signal.throwIfAborted();
    const trajectory = new Trajectory(this.#service.runTrajectory(), signal);
    await trajectory.open(trajectoryId, group);
    return trajectory;
  }

  status(): Promise<GetStatusResponse> {
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + STATUS_DEADLINE_MS;
      this.#service.getStatus({}, new Metadata(), { deadline }, (error, status) =>
        error ? reject(error) : resolve(status),
      );
    });
  }

  close(): void {
    this.#service.close();
  }
}

export class Trajectory {
  readonly #stream: ClientDuplexStream<RunTrajectoryRequest, RunTrajectoryResponse>;
  readonly #calls = new Map<string, Settle<ToolResult>>();
  readonly #opened = withResolvers<void>();
  readonly #ended = withResolvers<void>();
  /** Frames that wait for the stream to drain; undefined while it takes them. */
  #waiting: Frame[] | undefined;
  #halfClosed = false;
  #failure: Error | undefined;
  #callCount = 0;

  constructor(stream: ClientDuplexStream<RunTrajectoryRequest, RunTrajectoryResponse>, signal: AbortSignal) {
    this.#stream = stream;
    const cut = () => stream.cancel();
    signal.addEventListener("abort", cut, { once: true });
    this.#ended.promise.catch(() => {}).finally(() => signal.removeEventListener("abort", cut));
    stream.on("data", (response: RunTrajectoryResponse) => this.#receive(response));
    stream.on("drain", () => this.#drain());
    stream.on("error", (error: Error) => this.#fail(error));
    stream.on("end", () => {
      if (this.#calls.size > 0) this.#fail(new Error(`stream ended with ${this.#calls.size} calls unanswered`));
      this.#ended.resolve();
    });
  }

  open(trajectoryId: string, group: string): Promise<void> {
    this.#send({ $case: "open", value: Open.fromPartial({ trajectoryId, group }) });
    return this.#opened.promise;
  }

  /** Resolves with the result whatever its status; rejects when the call was never accepted or the stream broke. */
  call(name: string, args: Record<string, unknown>, timeoutS: number): Promise<ToolResult> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#callCount++;
    const uniqId = `call-${this.#callCount}`;
    const timeout = { seconds: BigInt(timeoutS), nanos: 0 };
    const { promise, resolve, reject } = withResolvers<ToolResult>();
    this.#calls.set(uniqId, { resolve, reject });
    this.#send({ $case: "call", value: ToolCall.fromPartial({ uniqId, name, arguments: args, timeout }) });
    return promise;
  }

  /** No more calls. Resolves when the server has freed the slot and ended the stream. */
  close(): Promise<void> {
    this.#halfClosed = true;
    if (this.#waiting === undefined) this.#stream.end();
    return this.#ended.promise;
  }

  #receive({ frame }: RunTrajectoryResponse): void {
    if (frame?.$case === "opened") {
      this.#opened.resolve();
    } else if (frame?.$case === "result") {
      const { uniqId } = frame.value;
      this.#calls.get(uniqId)?.resolve(frame.value);
      this.#calls.delete(uniqId);
      this.#send({ $case: "ack", value: { uniqIds: [uniqId] } });
    } else if (frame?.$case === "rejected") {
      const { uniqId, status, error } = frame.value;
      this.#calls.get(uniqId)?.reject(new Error(`${uniqId} rejected: ${CallStatus[status]}: ${error}`));
      this.#calls.delete(uniqId);
    }
  }

  #send(frame: Frame): void {
    if (this.#failure !== undefined || (this.#halfClosed && this.#waiting === undefined)) return;
    if (this.#waiting !== undefined) this.#waiting.push(frame);
    else if (!this.#stream.write({ frame })) this.#waiting = [];
  }

  #drain(): void {
    const frames = this.#waiting ?? [];
    this.#waiting = undefined;
    for (let frame = frames.shift(); frame !== undefined; frame = frames.shift()) {
      if (this.#stream.write({ frame })) continue;
      this.#waiting = frames;
      return;
    }
    if (this.#halfClosed) this.#stream.end();
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#waiting = undefined;
    for (const call of this.#calls.values()) call.reject(error);
    this.#calls.clear();
    this.#opened.reject(error);
    this.#ended.reject(error);
  }
}

/** Promise.withResolvers, which Node 20 lacks. A rejection that nobody waits for is no error of its own. */
function withResolvers<T>(): Settle<T> & { readonly promise: Promise<T> } {
  let settle: Settle<T> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  if (settle === undefined) throw new Error("a promise's executor runs at once");
  promise.catch(() => {});
  return { promise, ...settle };
}
