// What both clients over grpc-js share: connections, a stream that is read when asked for, errors with their details, health.
import {
  type CallOptions,
  type ChannelCredentials,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  credentials,
  status as GrpcStatus,
  Metadata,
  makeGenericClientConstructor,
  type ServiceError,
} from "@grpc/grpc-js";
import { service as healthService } from "grpc-health-check";
import { detailsOf } from "./error-info.js";
import { authorization, type Server } from "./main.js";
import { type RequestOptions, RpcFailure } from "./transport.js";

/** Of a test that waits for what never comes; a real client sets none. */
const STREAM_TIMEOUT_S = 60;

export type Answer<T> = (error: ServiceError | null, response?: T) => void;

export function credentialsOf({ ca }: Server): ChannelCredentials {
  return ca === undefined ? credentials.createInsecure() : credentials.createSsl(ca);
}

export function callSettings(server: Server, { deadlineS, bearer }: RequestOptions): [Metadata, CallOptions] {
  const metadata = new Metadata();
  const value = authorization(server, bearer);
  if (value !== undefined) metadata.set("authorization", value);
  return [metadata, { deadline: Date.now() + deadlineS * 1000 }];
}

export function streamSettings(server: Server, bearer: string | undefined): [Metadata, CallOptions] {
  return callSettings(server, { deadlineS: STREAM_TIMEOUT_S, bearer });
}

/** Runs one request on a client of its own. */
export async function withClient<C extends Client, T>(client: C, ask: (client: C) => Promise<T>): Promise<T> {
  try {
    return await ask(client);
  } catch (error) {
    throw isServiceError(error) ? rpcFailure(error) : error;
  } finally {
    client.close();
  }
}

/** Rejects with the ServiceError, of which `withClient` makes an RpcFailure. */
export function unary<T>(start: (answer: Answer<T>) => ClientUnaryCall): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, response) => (error !== null || response === undefined ? reject(error) : resolve(response)));
  });
}

/** Every message, once the stream has ended with OK. */
export async function download<T>(stream: ClientReadableStream<T>): Promise<T[]> {
  const messages: T[] = [];
  for await (const message of stream) messages.push(message);
  return messages;
}

/** Waits where the other end does not take more; what it says early ends the upload. */
export function upload<Q, T>(
  start: (answer: Answer<T>) => ClientWritableStream<Q>,
  messages: readonly Q[],
): Promise<T> {
  return new Promise((resolve, reject) => {
    let over = false;
    const stream = start((error, response) => {
      over = true;
      if (error !== null || response === undefined) reject(error);
      else resolve(response);
    });
    const queue = [...messages];
    const pump = (): void => {
      while (!over && queue.length > 0) {
        const message = queue.shift();
        if (message !== undefined && !stream.write(message)) {
          stream.once("drain", pump);
          return;
        }
      }
      if (!over) stream.end();
    };
    pump();
  });
}

/** A stream of frames that are kept until they are asked for. */
export class GrpcJsStream<Q, R> {
  readonly #frames: R[] = [];
  #over = false;
  #error: ServiceError | undefined;
  #changed: () => void = () => undefined;

  constructor(
    readonly client: Client,
    readonly call: ClientDuplexStream<Q, R>,
  ) {
    call.on("data", (frame: R) => {
      this.#frames.push(frame);
      this.#changed();
    });
    call.on("error", (error: ServiceError) => {
      this.#error = error;
    });
    // After the error, if there is one, and after every frame.
    call.once("end", () => {
      this.#over = true;
      this.#changed();
    });
  }

  async next(): Promise<R | undefined> {
    while (this.#frames.length === 0 && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    if (this.#frames.length > 0) return this.#frames.shift();
    if (this.#error !== undefined) throw rpcFailure(this.#error);
    return undefined;
  }

  cut(): void {
    this.call.cancel();
    this.client.close();
  }
}

export async function askHealth(server: Server, service: string, options: RequestOptions): Promise<string> {
  const Health = makeGenericClientConstructor(healthService, "Health");
  return withClient(new Health(server.address, credentialsOf(server)), async (client) => {
    const check = client.check;
    if (check === undefined) throw new Error("no method check");
    const settings = callSettings(server, options);
    const answer = await unary<{ status: string }>((done) => check.call(client, { service }, ...settings, done));
    return answer.status;
  });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error;
}

function rpcFailure(error: ServiceError): RpcFailure {
  const [details] = error.metadata?.get("grpc-status-details-bin") ?? [];
  const infos = Buffer.isBuffer(details) ? detailsOf(details) : [];
  return new RpcFailure(GrpcStatus[error.code] ?? String(error.code), error.details, infos);
}
