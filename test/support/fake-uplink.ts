// A server that a test plays by hand: streams that a client's session opened, the frames that came up on each, and what to
// send down.

import type { Failure } from "../../src/client/grpc-error.js";
import type { ClientStream, Connect, Frame, StreamListener } from "../../src/client/transport.js";
import { RunTrajectoryRequest, RunTrajectoryResponse } from "../../src/gen/switchyard/v1/trajectory.js";

type RequestFrame = NonNullable<RunTrajectoryRequest["frame"]>;
type ValueOf<K extends RequestFrame["$case"]> = Extract<RequestFrame, { $case: K }>["value"];

export class FakeStream implements ClientStream {
  readonly frames: RequestFrame[] = [];
  halfClosed = false;
  /** Undefined while it is not cut. */
  suspect: boolean | undefined;

  constructor(
    readonly listener: StreamListener,
    /** Whether it takes more frames. */
    public takes: boolean,
  ) {}

  write(bytes: Uint8Array): boolean {
    const { frame } = RunTrajectoryRequest.decode(bytes);
    if (frame === undefined) throw new Error("an empty frame");
    this.frames.push(frame);
    return this.takes;
  }

  halfClose(): void {
    this.halfClosed = true;
  }

  cut(suspect: boolean): void {
    this.suspect = suspect;
  }

  sent<K extends RequestFrame["$case"]>($case: K): ValueOf<K>[] {
    return this.frames.filter((frame) => frame.$case === $case).map((frame) => frame.value as ValueOf<K>);
  }

  get calls(): string[] {
    return this.sent("call").map(({ uniqId }) => uniqId);
  }

  /** Partial frames, as a server sends them. */
  send(frame: Parameters<typeof RunTrajectoryResponse.fromPartial>[0]["frame"]): void {
    const bytes = RunTrajectoryResponse.encode(RunTrajectoryResponse.fromPartial({ frame })).finish();
    this.listener.onFrame(RunTrajectoryResponse.decode(bytes).frame as Frame);
  }

  end(failure?: Failure): void {
    this.listener.onEnd(failure);
  }
}

export class FakeServer {
  readonly streams: FakeStream[] = [];
  /** Whether new streams take more than their first frame. */
  takes = true;
  readonly connect: Connect = (listener) => {
    const stream = new FakeStream(listener, this.takes);
    this.streams.push(stream);
    return stream;
  };

  /** The newest stream. */
  get stream(): FakeStream {
    const stream = this.streams.at(-1);
    if (stream === undefined) throw new Error("there is no stream");
    return stream;
  }
}
