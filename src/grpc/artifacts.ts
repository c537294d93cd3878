// The RPCs of ArtifactService: each drives one transfer of its trajectory. Invariant: a transfer ends with its RPC, however
// that ends; a client that goes away ends it at once.
import { createHash } from "node:crypto";
import type { ServerReadableStream, ServerWritableStream } from "@grpc/grpc-js";
import { ARCHIVE_ENTRIES_MAX, bounded, LIST_ENTRIES_DEFAULT, LIST_ENTRIES_MAX } from "../artifacts/limits.js";
import { mimeTypeOf } from "../artifacts/mime-type.js";
import { packArchive, within } from "../artifacts/pack-archive.js";
import { EntryCheck } from "../artifacts/slot-entries.js";
import { unpackUpload } from "../artifacts/unpack-archive.js";
import { type ArtifactEntry, disturbed, type Transfer, type TransferWork } from "../core/artifacts.js";
import type { Clock } from "../core/clock.js";
import { SwitchyardError } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import { ListArtifactsResponse, WriteArtifactResponse } from "../gen/switchyard/v1/artifact_service.js";
import type { Directory } from "../trajectory/session.js";
import {
  decodeArchive,
  decodeList,
  decodeRead,
  decodeUploadData,
  decodeUploadHeader,
  encodeArchiveData,
  encodeArchiveTrailer,
  encodeReadPart,
  type Place,
  wireEntry,
  wirePath,
} from "./artifact-messages.js";
import { requireDeadline } from "./deadline.js";
import { MessageSink, MessageSource } from "./message-flow.js";
import { OpenCalls } from "./open-calls.js";
import type { ArtifactHandlers } from "./raw-services.js";
import { count, RESPONSE_BYTES_MAX } from "./responses.js";
import { grpcStatusOf, type OnRefused } from "./status.js";
import { type Caller, callerOf, handler } from "./unary.js";
import { asBuffer } from "./wire.js";

export interface ArtifactOptions {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly log: Logger;
  /** Around each request. */
  readonly onStart: () => void;
  readonly onEnd: () => void;
  readonly onRefused?: OnRefused | undefined;
}

/** Of an encoded entry beside its texts, generously. */
const ENTRY_BYTES = 64;
/** Until an upload's first message. */
const HEADER_MS_MAX = 60_000;
/** Of compressed data in one message. */
const MESSAGE_DATA_BYTES = 64 * 1024;

export function artifactHandlers(options: ArtifactOptions): ArtifactHandlers {
  const { directory, clock } = options;
  const open = new OpenCalls();
  const begin = (place: Place, work: TransferWork, { principal, gone }: Caller) => {
    const transfer = directory.transfer(principal, place.key, { path: place.path, work });
    try {
      open.enter(principal, place.key.trajectoryId, gone);
    } catch (error) {
      transfer.end();
      throw error;
    }
    if (gone.aborted) transfer.end();
    gone.addEventListener("abort", () => transfer.end(), { once: true });
    return transfer;
  };
  return {
    readArtifact: downloading(options, (request, sink, caller) => {
      const { offset, bytesMax, ...place } = decodeRead(request);
      return during(begin(place, { kind: "read", offset, bytesMax }, caller), (transfer) =>
        read(transfer, bytesMax, sink),
      );
    }),
    listArtifacts: handler(options, async (request, caller) => {
      const { recursive, entriesMax: asked, ...place } = decodeList(request);
      const entriesMax = bounded(asked, LIST_ENTRIES_DEFAULT, LIST_ENTRIES_MAX);
      return during(begin(place, { kind: "list", recursive, entriesMax }, caller), (transfer) =>
        list(transfer, entriesMax),
      );
    }),
    archiveArtifacts: downloading(options, (request, sink, caller) => {
      const { bytesMax, entriesMax: asked, ...place } = decodeArchive(request);
      const limits = { bytesMax, entriesMax: bounded(asked, ARCHIVE_ENTRIES_MAX, ARCHIVE_ENTRIES_MAX) };
      return during(begin(place, { kind: "pack", ...limits }, caller), (transfer) => archive(transfer, limits, sink));
    }),
    writeArtifact: uploading(options, async (source, caller) => {
      const { kind, mode, bytesMax, entriesMax: asked, ...place } = decodeUploadHeader(await firstOf(source, clock));
      const limits = { bytesMax, entriesMax: bounded(asked, ARCHIVE_ENTRIES_MAX, ARCHIVE_ENTRIES_MAX) };
      return during(begin(place, { kind: "put", single: kind === "file" }, caller), async (transfer) => {
        // Else a client that sends nothing would not hear of it.
        void transfer.over.then((why) => source.fail(why));
        const { entries, fileBytes, sha256 } = await unpackUpload(dataOf(source), kind, mode, limits, transfer);
        return WriteArtifactResponse.encode({ entries: count(entries), fileBytes: count(fileBytes), sha256 }).finish();
      });
    }),
  };
}

/** A transfer that is over ends its RPC, whatever that waits for. */
async function during<T>(transfer: Transfer, work: (transfer: Transfer) => Promise<T>): Promise<T> {
  const over = transfer.over.then((why) => Promise.reject(why));
  try {
    return await Promise.race([work(transfer), over]);
  } finally {
    transfer.end();
  }
}

async function read(transfer: Transfer, bytesMax: number, sink: MessageSink): Promise<void> {
  const hash = createHash("sha256");
  let [bytes, root, isBegun] = [0, Buffer.alloc(0), false];
  for await (const record of transfer.records()) {
    if (record.kind === "root") root = Buffer.from(record.path);
    else if (record.kind === "entry" && !isBegun) {
      isBegun = true;
      await sink.write(encodeReadPart({ $case: "header", value: readHeader(root, record.entry) }));
    } else if (record.kind === "data" && isBegun) {
      hash.update(record.data);
      bytes += record.data.length;
      if (bytes > bytesMax) throw disturbed();
      await sink.write(encodeReadPart({ $case: "data", value: record.data }));
    } else if (record.kind === "end" && isBegun) {
      const value = { sha256: hash.digest(), bytes: count(bytes), truncated: record.truncated };
      await sink.write(encodeReadPart({ $case: "trailer", value }));
    } else if (record.kind !== "contentEnd") throw disturbed();
  }
}

function readHeader(root: Buffer, { size, mode, mtimeS }: ArtifactEntry) {
  const { path, rawPath } = wirePath(root);
  return { path, rawPath, size: count(size), mode, mtimeUnixS: BigInt(mtimeS), mimeType: mimeTypeOf(path) };
}

async function list(transfer: Transfer, entriesMax: number): Promise<Uint8Array> {
  const check = new EntryCheck(entriesMax);
  const entries: ReturnType<typeof wireEntry>[] = [];
  let [bytes, root, truncated] = [0, Buffer.alloc(0), false];
  for await (const record of transfer.records()) {
    if (record.kind === "root") root = Buffer.from(record.path);
    else if (record.kind === "entry") {
      check.check(record.entry);
      const entry = wireEntry(within(root, record.entry.name), record.entry);
      bytes += ENTRY_BYTES + Buffer.byteLength(entry.path) + entry.rawPath.length + Buffer.byteLength(entry.linkTarget);
      if (bytes > RESPONSE_BYTES_MAX) {
        truncated = true;
        break;
      }
      entries.push(entry);
    } else if (record.kind === "leftOut") truncated = true;
    else truncated ||= record.kind === "end" && record.truncated;
  }
  return ListArtifactsResponse.encode({ entries, truncated }).finish();
}

async function archive(
  transfer: Transfer,
  limits: { readonly bytesMax: number; readonly entriesMax: number },
  sink: MessageSink,
): Promise<void> {
  const chunks = packArchive(transfer, limits);
  for (;;) {
    const { done, value } = await chunks.next();
    if (done) return sink.write(encodeArchiveTrailer(value));
    for (let at = 0; at < value.length; at += MESSAGE_DATA_BYTES) {
      await sink.write(encodeArchiveData(value.subarray(at, at + MESSAGE_DATA_BYTES)));
    }
  }
}

/** A client that says nothing keeps no RPC for long. */
async function firstOf(source: MessageSource, clock: Clock): Promise<Buffer | undefined> {
  const text = `no header came within ${HEADER_MS_MAX / 1000} s`;
  const timer = clock.after(HEADER_MS_MAX, () => source.fail(new SwitchyardError("PROTOCOL_BROKEN", text)));
  try {
    return await source.next();
  } finally {
    timer.cancel();
  }
}

async function* dataOf(source: MessageSource): AsyncGenerator<Buffer> {
  for (let message = await source.next(); message; message = await source.next()) yield decodeUploadData(message);
}

/** Ends the call whatever `serve` does: an exception becomes a status. */
function downloading(
  options: ArtifactOptions,
  serve: (request: Buffer, sink: MessageSink, caller: Caller) => Promise<void>,
): ArtifactHandlers["readArtifact"] {
  return (call: ServerWritableStream<Buffer, Buffer>) => {
    const sink = new MessageSink(call);
    const gone = new AbortController();
    call.once("cancelled", () => gone.abort());
    options.onStart();
    Promise.resolve()
      .then(() => {
        requireDeadline(call.getDeadline());
        return serve(call.request, sink, callerOf(call, gone.signal));
      })
      .then(
        () => call.end(),
        (error: unknown) => {
          if (!call.cancelled) call.emit("error", grpcStatusOf(error, options.log, options.onRefused));
        },
      )
      .finally(options.onEnd);
  };
}

/** As `downloading`, for what a client sends. */
function uploading(
  options: ArtifactOptions,
  serve: (source: MessageSource, caller: Caller) => Promise<Uint8Array>,
): ArtifactHandlers["writeArtifact"] {
  return (call: ServerReadableStream<Buffer, Buffer>, callback) => {
    const source = new MessageSource(call);
    const gone = new AbortController();
    call.once("cancelled", () => {
      gone.abort();
      source.fail(new SwitchyardError("TRAJECTORY_ENDED", "the client went away"));
    });
    options.onStart();
    Promise.resolve()
      .then(() => {
        requireDeadline(call.getDeadline());
        return serve(source, callerOf(call, gone.signal));
      })
      .then(
        (response) => callback(null, asBuffer(response)),
        (error: unknown) => {
          if (!call.cancelled) callback(grpcStatusOf(error, options.log, options.onRefused));
        },
      )
      .finally(options.onEnd);
  };
}
