// The responses of a server-streaming RPC, with the backpressure of HTTP/2.
import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import type { ChannelPool } from "./channel-pool.js";
import { failureOf } from "./grpc-error.js";
import { asBuffer } from "./grpc-stream.js";
import { onAbort } from "./on-abort.js";

export interface Shape<T> {
  readonly path: string;
  readonly responseDeserialize: (bytes: Buffer) => T;
}

/** Leaving the loop early cancels the RPC. `waitingMax`: how many responses wait here when they come faster than they are read. */
export async function* serverStream<T>(
  pool: ChannelPool,
  { path, responseDeserialize }: Shape<T>,
  request: Uint8Array,
  waitingMax: number,
  signals: readonly (AbortSignal | undefined)[],
): AsyncGenerator<T> {
  for (const signal of signals) signal?.throwIfAborted();
  const lease = pool.acquire();
  const call: ClientReadableStream<T> = lease.client.makeServerStreamRequest(
    path,
    asBuffer,
    responseDeserialize,
    request,
  );
  const forgets = signals.map((signal) => onAbort(signal, () => call.cancel()));
  try {
    yield* responsesOf<T>(call, waitingMax);
  } catch (error) {
    for (const signal of signals) signal?.throwIfAborted();
    throw error;
  } finally {
    for (const forget of forgets) forget();
    call.cancel();
    lease.release(false);
  }
}

/** One by one; what is not asked for stays with the server, but for a few. */
async function* responsesOf<T>(call: ClientReadableStream<T>, waitingMax: number): AsyncGenerator<T> {
  const waiting: T[] = [];
  let failure: ServiceError | undefined;
  let ended = false;
  let wake: () => void = () => undefined;
  call.on("data", (response: T) => {
    waiting.push(response);
    if (waiting.length >= waitingMax) call.pause();
    wake();
  });
  call.on("error", (error: ServiceError) => {
    failure = error;
    wake();
  });
  call.on("end", () => {
    ended = true;
    wake();
  });
  for (;;) {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) yield next;
    if (failure) throw failureOf(failure).error;
    if (ended) return;
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    call.resume();
    await woken;
  }
}
