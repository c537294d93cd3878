// The messages of ArtifactService: decodes and checks what clients send, and encodes what they get. A name that is not UTF-8
// goes both ways as bytes, beside a text that can be shown.
import { BYTES_DEFAULT, BYTES_MAX, bounded, PATH_BYTES_MAX } from "../artifacts/limits.js";
import type { ArchiveSummary } from "../artifacts/pack-archive.js";
import { utf8Of } from "../artifacts/slot-entries.js";
import type { UploadKind } from "../artifacts/unpack-archive.js";
import type { ArtifactEntry as Entry, ArtifactType as Type } from "../core/artifacts.js";
import { SwitchyardError } from "../core/errors.js";
import {
  ArchiveArtifactsRequest,
  ArchiveArtifactsResponse,
  type ArtifactEntry,
  ArtifactType,
  ArtifactUploadKind,
  ListArtifactsRequest,
  ReadArtifactRequest,
  ReadArtifactResponse,
  WriteArtifactRequest,
} from "../gen/switchyard/v1/artifact_service.js";
import type { TrajectoryKey } from "../trajectory/session.js";
import { checkedId, checkedToken, decoded } from "./conversion.js";
import { count } from "./responses.js";
import { asBuffer, wellFormed } from "./wire.js";

export interface Place {
  readonly key: TrajectoryKey;
  readonly path: Buffer;
}

interface WirePlace {
  readonly trajectoryId: string;
  readonly resumeToken: string;
  readonly path: string;
  readonly rawPath: Buffer;
}

export interface UploadHeader extends Place {
  readonly kind: UploadKind;
  readonly mode: number;
  readonly bytesMax: number;
  /** 0: the default. */
  readonly entriesMax: number;
}

const CHUNK_BYTES_MAX = 1024 * 1024;
const MODE_DEFAULT = 0o644;

export function decodeRead(bytes: Buffer): Place & { readonly offset: number; readonly bytesMax: number } {
  const request = decoded("request", () => ReadArtifactRequest.decode(bytes));
  const offset = Number(request.offset);
  if (!Number.isSafeInteger(offset)) throw new SwitchyardError("INVALID_FIELD", "offset is over 2^53 - 1");
  return { ...placeOf(request, true), offset, bytesMax: bytesMaxOf(request.maxBytes) };
}

export function decodeList(bytes: Buffer): Place & { readonly recursive: boolean; readonly entriesMax: number } {
  const request = decoded("request", () => ListArtifactsRequest.decode(bytes));
  return { ...placeOf(request), recursive: request.recursive, entriesMax: request.maxEntries };
}

export function decodeArchive(bytes: Buffer): Place & { readonly bytesMax: number; readonly entriesMax: number } {
  const request = decoded("request", () => ArchiveArtifactsRequest.decode(bytes));
  return { ...placeOf(request), bytesMax: bytesMaxOf(request.maxBytes), entriesMax: request.maxEntries };
}

/** The first message of an upload; `bytes` is absent when there was none. */
export function decodeUploadHeader(bytes: Buffer | undefined): UploadHeader {
  const { part } = decoded("message", () => WriteArtifactRequest.decode(bytes ?? Buffer.alloc(0)));
  if (part?.$case !== "header") {
    throw new SwitchyardError("PROTOCOL_BROKEN", "the first message of an upload must be header");
  }
  const { kind: wireKind, mode = MODE_DEFAULT, maxBytes, maxEntries } = part.value;
  const kind = UPLOAD_KIND[wireKind];
  if (kind === undefined)
    throw new SwitchyardError("INVALID_FIELD", `kind is ${wireKind}: this server has no such kind`);
  if (mode > 0o777) {
    const text = `mode is 0${mode.toString(8)}: only the nine permission bits, up to 0777, are allowed`;
    throw new SwitchyardError("INVALID_FIELD", text);
  }
  return {
    ...placeOf(part.value, kind === "file"),
    kind,
    mode,
    bytesMax: bytesMaxOf(maxBytes),
    entriesMax: maxEntries,
  };
}

/** The data of a later message of an upload. */
export function decodeUploadData(bytes: Buffer): Buffer {
  const { part } = decoded("message", () => WriteArtifactRequest.decode(bytes));
  if (part?.$case !== "data")
    throw new SwitchyardError("PROTOCOL_BROKEN", "a message of an upload must be data after the header");
  if (part.value.length <= CHUNK_BYTES_MAX) return asBuffer(part.value);
  throw new SwitchyardError(
    "INVALID_FIELD",
    `data has ${part.value.length} bytes: at most ${CHUNK_BYTES_MAX} are allowed`,
  );
}

export function encodeReadPart(part: NonNullable<ReadArtifactResponse["part"]>): Buffer {
  return asBuffer(ReadArtifactResponse.encode({ part }).finish());
}

export function encodeArchiveData(data: Buffer): Buffer {
  return asBuffer(ArchiveArtifactsResponse.encode({ part: { $case: "data", value: data } }).finish());
}

export function encodeArchiveTrailer(summary: ArchiveSummary): Buffer {
  const value = {
    entries: count(summary.entries),
    fileBytes: count(summary.fileBytes),
    bytes: count(summary.bytes),
    sha256: summary.sha256,
    truncated: summary.truncated,
    leftOutCount: count(summary.leftOutCount),
    leftOut: summary.leftOut.map(({ path, reason }) => ({ ...wirePath(path), reason: wellFormed(reason) })),
  };
  return asBuffer(ArchiveArtifactsResponse.encode({ part: { $case: "trailer", value } }).finish());
}

export function wireEntry(path: Buffer, { type, size, mtimeS, mode, linkTarget }: Entry): ArtifactEntry {
  return {
    ...wirePath(path),
    type: WIRE_TYPE[type],
    size: count(size),
    mtimeUnixS: BigInt(mtimeS),
    mode,
    linkTarget: linkTarget.toString("utf8"),
  };
}

/** A path as text, and as bytes where the text is not the whole truth. */
export function wirePath(path: Buffer): { readonly path: string; readonly rawPath: Buffer } {
  const isText = utf8Of(path) !== undefined;
  return { path: path.toString("utf8"), rawPath: isText ? Buffer.alloc(0) : path };
}

function placeOf(wire: WirePlace, isNeeded = false): Place {
  const path = wire.rawPath.length > 0 ? Buffer.from(wire.rawPath) : Buffer.from(wire.path);
  if (isNeeded && path.length === 0) throw new SwitchyardError("INVALID_FIELD", "path is missing");
  if (path.includes(0)) throw new SwitchyardError("INVALID_FIELD", "path holds a NUL");
  if (path.length > PATH_BYTES_MAX) {
    throw new SwitchyardError("INVALID_FIELD", `path has ${path.length} bytes: at most ${PATH_BYTES_MAX} are allowed`);
  }
  const key = {
    trajectoryId: checkedId("trajectory_id", wire.trajectoryId),
    resumeToken: checkedToken(wire.resumeToken),
  };
  return { key, path };
}

function bytesMaxOf(asked: bigint): number {
  return bounded(Number(asked), BYTES_DEFAULT, BYTES_MAX);
}

const UPLOAD_KIND: Readonly<Partial<Record<ArtifactUploadKind, UploadKind>>> = {
  [ArtifactUploadKind.ARTIFACT_UPLOAD_KIND_UNSPECIFIED]: "file",
  [ArtifactUploadKind.ARTIFACT_UPLOAD_KIND_FILE]: "file",
  [ArtifactUploadKind.ARTIFACT_UPLOAD_KIND_TAR]: "tar",
  [ArtifactUploadKind.ARTIFACT_UPLOAD_KIND_TAR_GZ]: "tar.gz",
};

const WIRE_TYPE = {
  file: ArtifactType.ARTIFACT_TYPE_FILE,
  dir: ArtifactType.ARTIFACT_TYPE_DIR,
  symlink: ArtifactType.ARTIFACT_TYPE_SYMLINK,
  other: ArtifactType.ARTIFACT_TYPE_OTHER,
} as const satisfies Record<Type, ArtifactType>;
