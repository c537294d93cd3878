// The seam between a session and gRPC: a stream of frames up, and what comes down. Tests drive a session without a socket.
import type { RunTrajectoryResponse } from "../gen/switchyard/v1/trajectory.js";
import type { Failure } from "./grpc-error.js";

export type Frame = NonNullable<RunTrajectoryResponse["frame"]>;

export interface ClientStream {
  /** False: it takes no more until `onDrain`. */
  write(bytes: Uint8Array): boolean;
  /** No more frames. */
  halfClose(): void;
  /** Breaks it off; nothing is heard of it any more. `suspect`: its connection should serve no new stream. */
  cut(suspect: boolean): void;
}

export interface StreamListener {
  onFrame(frame: Frame): void;
  onDrain(): void;
  /** Once, and last. Undefined: it ended OK. */
  onEnd(failure: Failure | undefined): void;
}

/** Begins a stream; the listener hears nothing before this has returned. */
export type Connect = (listener: StreamListener) => ClientStream;
