// RunTrajectory over grpc-js, as a session's ClientStream. Invariant: no exception leaves a handler; once cut or ended the
// listener hears nothing, and the channel has its stream back.
import type { ServiceError } from "@grpc/grpc-js";
import { ToolExecutorServiceService } from "../gen/switchyard/v1/tool_executor_service.js";
import { RunTrajectoryResponse } from "../gen/switchyard/v1/trajectory.js";
import type { ChannelPool } from "./channel-pool.js";
import { failureOf } from "./grpc-error.js";
import { Retrying } from "./retrying.js";
import type { ClientStream, Connect, StreamListener } from "./transport.js";

export function connectOver(pool: ChannelPool): Connect {
  const retrying = new Retrying(pool);
  return (listener) => openStream(pool, retrying, listener);
}

function openStream(pool: ChannelPool, retrying: Retrying, listener: StreamListener): ClientStream {
  const lease = pool.acquire();
  const { path } = ToolExecutorServiceService.runTrajectory;
  const call = lease.client.makeBidiStreamRequest(path, asBuffer, (bytes) => RunTrajectoryResponse.decode(bytes));
  let over = false;
  let failure: ServiceError | undefined;
  call.on("data", ({ frame }: RunTrajectoryResponse) => {
    retrying.succeeded();
    // A frame that this client does not know is none to it.
    if (!over && frame !== undefined) listener.onFrame(frame);
  });
  call.on("drain", () => {
    if (!over) listener.onDrain();
  });
  call.on("error", (error: ServiceError) => {
    failure = error;
  });
  // After every frame, and after `error`; `close` would wait for our own half, too.
  call.on("end", () => {
    if (over) return;
    over = true;
    lease.release(false);
    listener.onEnd(failure === undefined ? undefined : retrying.judge(failureOf(failure)));
  });
  return {
    write: (bytes) => call.write(bytes),
    halfClose: () => call.end(),
    cut: (suspect) => {
      if (over) return;
      over = true;
      lease.release(suspect);
      call.cancel();
    },
  };
}

/** Shares the memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
