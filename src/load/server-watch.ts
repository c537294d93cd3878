// What the server says of itself during a run, by GetStatus once a second: its queue, its batches, its slots.
import type { Client, Metadata } from "@grpc/grpc-js";
import { GetStatusRequest, GetStatusResponse } from "../gen/switchyard/v1/status.js";
import { connect, requestMetadata } from "./connection.js";
import type { Target } from "./plan.js";

export interface ServerSample {
  readonly queueSize: number;
  readonly batches: number;
  /** Calls that went out in batches. */
  readonly batched: number;
  readonly slotsLeased: number;
  readonly slotsTotal: number;
  readonly containers: number;
  /** Trajectories that wait for a slot. */
  readonly waiting: number;
}

export interface ServerFacts {
  readonly version: string;
  readonly pools: readonly { readonly name: string; readonly backend: string; readonly isolation: string }[];
}

const METHOD = "/switchyard.v1.ToolExecutorService/GetStatus";
/** A server that is slower than this must not hold up what is shown of a run. */
const WITHIN_MS = 2_000;

export class ServerWatch {
  readonly #client: Client;
  readonly #metadata: Metadata;
  #facts: ServerFacts | undefined;

  /** Throws CONFIG_INVALID when the target's files cannot be read. */
  constructor(target: Target) {
    this.#client = connect(target);
    this.#metadata = requestMetadata(target);
  }

  /** As of the last answer. */
  get facts(): ServerFacts | undefined {
    return this.#facts;
  }

  /** Undefined when no answer came. */
  async sample(): Promise<ServerSample | undefined> {
    const status = await this.#status().catch(() => undefined);
    if (status === undefined) return undefined;
    const { version, pools, queueSize, batches, meanBatchSize } = status;
    this.#facts = { version, pools: pools.map(({ name, backend, isolation }) => ({ name, backend, isolation })) };
    const over = (of: (pool: (typeof pools)[number]) => number) => pools.reduce((sum, pool) => sum + of(pool), 0);
    return {
      queueSize: Number(queueSize),
      batches: Number(batches),
      batched: Math.round(Number(batches) * meanBatchSize),
      slotsLeased: over(({ slotsLeased }) => slotsLeased),
      slotsTotal: over(({ slotsTotal }) => slotsTotal),
      containers: over(({ containers }) => containers),
      waiting: over(({ waiting }) => waiting),
    };
  }

  close(): void {
    this.#client.close();
  }

  #status(): Promise<GetStatusResponse> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        METHOD,
        (bytes: Buffer) => bytes,
        (bytes) => GetStatusResponse.decode(bytes),
        Buffer.from(GetStatusRequest.encode({}).finish()),
        this.#metadata,
        { deadline: Date.now() + WITHIN_MS },
        (error, response) => {
          if (response !== undefined) resolve(response);
          else reject(error ?? new Error("an answer without a message"));
        },
      );
    });
  }
}
