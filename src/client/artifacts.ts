// Files of a workspace on their way to and from a program: the streams of ArtifactService, each with the backpressure of HTTP/2.
import { createHash } from "node:crypto";
import {
  type ArchiveArtifactsResponse,
  ArtifactServiceService,
  type ReadArtifactResponse,
  WriteArtifactRequest,
  type WriteArtifactResponse,
} from "../gen/switchyard/v1/artifact_service.js";
import {
  type ArchiveSummary,
  archiveSummary,
  type FileInfo,
  hex,
  infoOf,
  type ReadSummary,
  readSummary,
  type WriteSummary,
} from "./artifact-values.js";
import type { ChannelPool } from "./channel-pool.js";
import { SwitchyardClientError } from "./errors.js";
import { failureOf } from "./grpc-error.js";
import { asBuffer } from "./grpc-stream.js";
import { onAbort } from "./on-abort.js";
import { type Shape, serverStream } from "./server-stream.js";

interface Part<Summary> {
  readonly data?: Uint8Array;
  readonly summary?: Summary;
  readonly info?: FileInfo;
}

const CHUNK_BYTES = 256 * 1024;
/** So many messages wait at most, when they come faster than they are asked for. */
const WAITING_MAX = 8;

/**
 * What comes down, in its order; read it once, and to its end: leaving the loop early cancels it. Throws
 * {@link SwitchyardClientError} when it breaks off, also in the midst; ask again then. The digest is compared.
 */
export class Download<Summary extends { readonly sha256: string }> implements AsyncIterable<Uint8Array> {
  #summary: Summary | undefined;

  /** @internal */
  constructor(private readonly parts: AsyncGenerator<Part<Summary>>) {}

  /** How it ended; once it was read to its end. */
  get summary(): Summary {
    if (this.#summary) return this.#summary;
    throw new SwitchyardClientError("UNKNOWN", "the download was not read to its end");
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const hash = createHash("sha256");
    for await (const { data, summary } of this.parts) {
      if (summary) this.#summary = summary;
      if (data === undefined) continue;
      hash.update(data);
      yield data;
    }
    if (this.#summary === undefined) throw new SwitchyardClientError("UNKNOWN", "the stream ended without its trailer");
    if (this.#summary.sha256 !== hash.digest("hex")) {
      throw new SwitchyardClientError("UNKNOWN", "what arrived has another SHA-256 than what was sent");
    }
  }
}

/** A file that is read. */
export interface FileDownload extends Download<ReadSummary> {
  readonly info: FileInfo;
}

const { readArtifact, archiveArtifacts, writeArtifact } = ArtifactServiceService;

/** Resolves once the file is known; rejects when it cannot be read. */
export async function readFile(pool: ChannelPool, request: Uint8Array, signal?: AbortSignal): Promise<FileDownload> {
  const parts = download(pool, readArtifact, request, readPart, signal);
  const first = await parts.next();
  const info = first.done ? undefined : first.value.info;
  if (!info) throw new SwitchyardClientError("UNKNOWN", "the stream began without its header");
  return Object.assign(new Download(parts), { info });
}

export function readArchive(pool: ChannelPool, request: Uint8Array, signal?: AbortSignal): Download<ArchiveSummary> {
  return new Download(download(pool, archiveArtifacts, request, archivePart, signal));
}

/** Writes as fast as the server takes it. Rejects with the server's reason, the signal's, or what `content` throws. */
export async function write(
  pool: ChannelPool,
  header: NonNullable<WriteArtifactRequest["part"]> & { $case: "header" },
  content: Uint8Array | AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<WriteSummary> {
  signal?.throwIfAborted();
  const lease = pool.acquire();
  const pieces = piecesOf(content);
  let failed = false;
  let wake: () => void = () => undefined;
  let stop: () => void = () => undefined;
  const { promise, settle } = settling<WriteArtifactResponse>();
  const { path, responseDeserialize } = writeArtifact;
  const call = lease.client.makeClientStreamRequest(path, encodeWrite, responseDeserialize, (error, response) => {
    failed = true;
    wake();
    stop();
    if (error) settle.reject(signal?.aborted ? signal.reason : failureOf(error).error);
    else if (response) settle.resolve(response);
    else settle.reject(new SwitchyardClientError("UNKNOWN", "an answer without a message"));
  });
  call.on("drain", () => wake());
  const forget = onAbort(signal, () => call.cancel());
  try {
    call.write({ part: header });
    while (!failed) {
      // The content may take its time; the server's refusal is heard meanwhile.
      const step = await new Promise<IteratorResult<Uint8Array> | undefined>((resolve, reject) => {
        stop = () => resolve(undefined);
        pieces.next().then(resolve, reject);
      });
      if (!step || step.done) break;
      const drained = new Promise<void>((resolve) => {
        wake = resolve;
      });
      if (!call.write({ part: { $case: "data", value: asBuffer(step.value) } })) await drained;
    }
    call.end();
    const { entries, fileBytes, sha256 } = await promise;
    return { entries: Number(entries), fileBytes: Number(fileBytes), sha256: hex(sha256) };
  } catch (error) {
    call.cancel();
    throw error;
  } finally {
    // Not awaited: what the content is asked for already may never come.
    pieces.return(undefined).catch(() => undefined);
    forget();
    lease.release(false);
  }
}

async function* download<T, Summary>(
  pool: ChannelPool,
  method: Shape<T>,
  request: Uint8Array,
  partOf: (response: T) => Part<Summary>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Part<Summary>> {
  for await (const response of serverStream(pool, method, request, WAITING_MAX, [signal])) yield partOf(response);
}

function readPart({ part }: ReadArtifactResponse): Part<ReadSummary> {
  if (part?.$case === "header") return { info: infoOf(part.value) };
  if (part?.$case === "data") return { data: part.value };
  return part?.$case === "trailer" ? { summary: readSummary(part.value) } : {};
}

function archivePart({ part }: ArchiveArtifactsResponse): Part<ArchiveSummary> {
  if (part?.$case === "data") return { data: part.value };
  return part?.$case === "trailer" ? { summary: archiveSummary(part.value) } : {};
}

function encodeWrite(message: WriteArtifactRequest): Buffer {
  return asBuffer(WriteArtifactRequest.encode(message).finish());
}

async function* piecesOf(content: Uint8Array | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (content instanceof Uint8Array) {
    for (let at = 0; at < content.length; at += CHUNK_BYTES) yield content.subarray(at, at + CHUNK_BYTES);
  } else for await (const chunk of content) yield* piecesOf(chunk);
}

function settling<T>() {
  let settle: { resolve(value: T): void; reject(error: unknown): void } | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // It may fail before anybody waits for it.
  promise.catch(() => undefined);
  return {
    promise,
    settle: { resolve: (value: T) => settle?.resolve(value), reject: (error: unknown) => settle?.reject(error) },
  };
}
