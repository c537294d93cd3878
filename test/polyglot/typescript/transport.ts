// What a way of speaking gRPC does for the scenario player: requests as the table has them, answers in one neutral form.
import type { JsonObject } from "../../../src/core/json.js";
import type { CallFields, Entry, Opened, OpenFields, Result } from "./table.js";

/** Ids and defaults are filled in. */
export type OpenRequest = Partial<OpenFields> & Owner;
export type CallRequest = Omit<CallFields, "repeat">;

export interface Owner {
  readonly trajectory_id: string;
  readonly resume_token: string;
}

export type Received =
  | { readonly kind: "opened"; readonly opened: Opened }
  | {
      readonly kind: "output";
      readonly uniq_id: string;
      readonly channel: string;
      readonly offset: number;
      readonly missing: number;
      readonly data: Buffer;
    }
  | { readonly kind: "result"; readonly result: Result }
  | {
      readonly kind: "rejected";
      readonly uniq_id: string;
      readonly status: string;
      readonly fault: string;
      readonly error: string;
    }
  | { readonly kind: "released"; readonly wiped: boolean }
  | { readonly kind: "other" };

export interface Stream {
  open(request: OpenRequest): void;
  call(request: CallRequest): void;
  cancel(uniqId: string): void;
  ack(uniqIds: readonly string[]): void;
  release(resetWorkspace: boolean): void;
  halfClose(): void;
  /** Ends it and its connection; a second one does nothing. */
  cut(): void;
  /** Nothing but the end is waited for from now on. */
  expectEnd?(): void;
  /** The next frame; undefined when the stream ended with OK; rejects with an RpcFailure when it ended otherwise. */
  receive(): Promise<Received | undefined>;
}

export interface RequestOptions {
  readonly deadlineS: number;
  /** Goes before the client's own token; empty: none. */
  readonly bearer?: string | undefined;
}

export interface Tool {
  readonly name: string;
  readonly external: boolean;
  readonly parameters: JsonObject;
}

export interface Status {
  readonly version: string;
  readonly server_id: string;
  readonly pools: readonly { readonly name: string; readonly slots_total: number }[];
}

export interface UploadHeader extends Owner {
  readonly path: string;
  readonly kind: string;
  readonly mode?: number | undefined;
}

export interface PathRequest extends Owner {
  readonly path: string;
}

/** SHA-256 is hexadecimal. */
export type Part =
  | { readonly part: "header"; readonly size: number; readonly mime_type: string; readonly mode: number }
  | { readonly part: "data"; readonly data: Buffer }
  | {
      readonly part: "trailer";
      readonly sha256: string;
      readonly bytes: number;
      readonly truncated: boolean;
      readonly entries: number;
    };

/** Every request rejects with an RpcFailure. */
export interface Transport {
  begin(bearer?: string): Stream;
  execute(request: Owner & { readonly call: CallRequest }, options: RequestOptions): Promise<Result>;
  release(
    request: {
      readonly trajectory_id?: string;
      readonly group?: string;
      readonly resume_token: string;
      readonly reset_workspace: boolean;
    },
    options: RequestOptions,
  ): Promise<{ readonly released: number; readonly wiped: boolean }>;
  listTools(options: RequestOptions): Promise<readonly Tool[]>;
  status(options: RequestOptions): Promise<Status>;
  health(service: string, options: RequestOptions): Promise<string>;
  write(
    header: UploadHeader,
    chunks: readonly Buffer[],
    options: RequestOptions,
  ): Promise<{ readonly sha256: string; readonly entries: number }>;
  read(
    request: PathRequest & { readonly offset?: number | undefined; readonly max_bytes?: number | undefined },
    options: RequestOptions,
  ): Promise<readonly Part[]>;
  list(request: PathRequest & { readonly recursive: boolean }, options: RequestOptions): Promise<readonly Entry[]>;
  archive(request: PathRequest, options: RequestOptions): Promise<readonly Part[]>;
}

/** `infos` are the google.rpc.ErrorInfos of its details; one entry for each detail, undefined for those that are none. */
export class RpcFailure extends Error {
  override readonly name = "RpcFailure";

  constructor(
    readonly code: string,
    message: string,
    readonly infos: readonly ({ readonly reason: string; readonly domain: string } | undefined)[],
  ) {
    super(message);
  }
}

/** `AlreadyExists`, `already_exists` or `ALREADY_EXISTS` as `ALREADY_EXISTS`. */
export function codeName(name: string): string {
  return name.replace(/([a-z])([A-Z])/g, "$1_$2").toUpperCase();
}
