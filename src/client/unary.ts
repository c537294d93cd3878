// Requests without a stream, each repeated with backoff while the server cannot be reached.
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Clock } from "../core/clock.js";
import { type Backoff, fullJitterMs } from "./backoff.js";
import type { ChannelPool } from "./channel-pool.js";
import { SwitchyardClientError } from "./errors.js";
import { type Failure, failureOf } from "./grpc-error.js";
import { asBuffer } from "./grpc-stream.js";
import { onAbort } from "./on-abort.js";
import { Retrying } from "./retrying.js";

export interface UnaryOptions {
  readonly pool: ChannelPool;
  readonly clock: Clock;
  readonly random: () => number;
  readonly backoff: Backoff;
  /** For all attempts together. */
  readonly timeoutMs: number;
  /** Aborted, one of them: the promise rejects with its reason. */
  readonly signals: readonly AbortSignal[];
}

export interface UnaryMethod<T> {
  readonly path: string;
  readonly responseDeserialize: (bytes: Buffer) => T;
}

type Answer<T> = { readonly response: T } | { readonly failure: Failure };

/** Rejects with the server's reason, with UNREACHABLE when the time is over, or with a signal's reason. */
export async function request<T>(method: UnaryMethod<T>, bytes: Uint8Array, options: UnaryOptions): Promise<T> {
  const { clock, backoff, random, timeoutMs, signals } = options;
  const deadlineMs = clock.now() + timeoutMs;
  const retrying = new Retrying(options.pool);
  for (let attempt = 0; ; attempt += 1) {
    throwIfAborted(signals);
    const answer = await once(method, bytes, options);
    if ("response" in answer) {
      retrying.succeeded();
      return answer.response;
    }
    throwIfAborted(signals);
    const { error, retry } = retrying.judge(answer.failure);
    if (!retry) throw error;
    const waitMs = fullJitterMs(attempt, backoff, random);
    if (clock.now() + waitMs >= deadlineMs) {
      const message = `no answer in time; the last attempt: ${error.message}`;
      throw new SwitchyardClientError("UNREACHABLE", message, { cause: error });
    }
    await waited(waitMs, clock, signals);
  }
}

/** No deadline of gRPC: an Execute may rightly take as long as its call, and a dead connection is found by keepalive. */
function once<T>(method: UnaryMethod<T>, bytes: Uint8Array, { pool, signals }: UnaryOptions): Promise<Answer<T>> {
  const lease = pool.acquire();
  return new Promise<Answer<T>>((resolve, reject) => {
    const call = lease.client.makeUnaryRequest(
      method.path,
      asBuffer,
      method.responseDeserialize,
      bytes,
      new Metadata(),
      (error: ServiceError | null, response?: T) => {
        forget();
        lease.release(false);
        if (error !== null) resolve({ failure: failureOf(error) });
        else if (response !== undefined) resolve({ response });
        else reject(new SwitchyardClientError("UNKNOWN", "an answer without a message"));
      },
    );
    const forget = onAnyAbort(signals, () => call.cancel());
  });
}

function throwIfAborted(signals: readonly AbortSignal[]): void {
  for (const signal of signals) signal.throwIfAborted();
}

/** As onAbort, of whichever is the first. */
function onAnyAbort(signals: readonly AbortSignal[], act: (signal: AbortSignal) => void): () => void {
  const forgets = signals.map((signal) => onAbort(signal, () => act(signal)));
  return () => {
    for (const forget of forgets) forget();
  };
}

function waited(ms: number, clock: Clock, signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => {
      forget();
      resolve();
    });
    const forget = onAnyAbort(signals, (signal) => {
      timer.cancel();
      reject(signal.reason);
    });
  });
}
