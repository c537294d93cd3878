// The values that `client.readArtifact()` and its like give and take, made of messages.
import {
  type ArchiveArtifactsTrailer,
  ArtifactType,
  ArtifactUploadKind,
  type ListArtifactsResponse,
  type ReadArtifactHeader,
  type ReadArtifactTrailer,
  type ArtifactEntry as WireEntry,
} from "../gen/switchyard/v1/artifact_service.js";
import { asBuffer } from "./grpc-stream.js";

/** In a workspace: text, or bytes for a name that is not UTF-8. */
export type ArtifactPath = string | Uint8Array;

export interface ArtifactEntry {
  /** What is not UTF-8 is shown as U+FFFD. */
  readonly path: string;
  /** The exact path, when `path` is not. */
  readonly rawPath: Uint8Array | undefined;
  readonly type: "file" | "dir" | "symlink" | "other";
  /** Bytes. */
  readonly size: number;
  readonly mtime: Date;
  /** Permission bits. */
  readonly mode: number;
  /** Of a symlink. */
  readonly linkTarget: string | undefined;
}

export interface ArtifactListing {
  readonly entries: readonly ArtifactEntry[];
  /** Whether there is more. */
  readonly truncated: boolean;
}

export interface FileInfo {
  readonly path: string;
  /** Of the whole file, in bytes. */
  readonly size: number;
  /** By the name's extension. */
  readonly mimeType: string;
  readonly mtime: Date;
  readonly mode: number;
}

export interface ReadSummary {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
  /** Whether the file goes on. */
  readonly truncated: boolean;
}

export interface ArchiveSummary extends ReadSummary {
  /** Members of the archive. */
  readonly entries: number;
  readonly fileBytes: number;
  readonly leftOutCount: number;
  /** The first 100. */
  readonly leftOut: readonly { readonly path: string; readonly reason: string }[];
}

export interface WriteSummary {
  readonly entries: number;
  readonly fileBytes: number;
  /** Of what was sent; hex. */
  readonly sha256: string;
}

export interface WriteOptions {
  /** Default: `file`. The archives are unpacked into the folder `path`. */
  readonly kind?: "file" | "tar" | "tar.gz";
  /** Of a file: its permission bits. Default: 0o644. */
  readonly mode?: number;
  /** Of files, after decompression. Default: 1 GiB. */
  readonly maxBytes?: number;
  /** Default: 100,000. */
  readonly maxEntries?: number;
  readonly signal?: AbortSignal;
}

export function uploadKind(kind: WriteOptions["kind"] = "file"): ArtifactUploadKind {
  return {
    file: ArtifactUploadKind.ARTIFACT_UPLOAD_KIND_FILE,
    tar: ArtifactUploadKind.ARTIFACT_UPLOAD_KIND_TAR,
    "tar.gz": ArtifactUploadKind.ARTIFACT_UPLOAD_KIND_TAR_GZ,
  }[kind];
}

export function listingOf({ entries, truncated }: ListArtifactsResponse): ArtifactListing {
  return { entries: entries.map(entryOf), truncated };
}

/** A path as a request has it. */
export function wirePath(path: ArtifactPath): { readonly path: string; readonly rawPath: Buffer } {
  if (typeof path === "string") return { path, rawPath: Buffer.alloc(0) };
  return { path: "", rawPath: asBuffer(path) };
}

export function infoOf({ path, size, mimeType, mtimeUnixS, mode }: ReadArtifactHeader): FileInfo {
  return { path, size: Number(size), mimeType, mtime: dateOf(mtimeUnixS), mode };
}

export function readSummary({ bytes, sha256, truncated }: ReadArtifactTrailer): ReadSummary {
  return { bytes: Number(bytes), sha256: hex(sha256), truncated };
}

export function archiveSummary(trailer: ArchiveArtifactsTrailer): ArchiveSummary {
  return {
    bytes: Number(trailer.bytes),
    sha256: hex(trailer.sha256),
    truncated: trailer.truncated,
    entries: Number(trailer.entries),
    fileBytes: Number(trailer.fileBytes),
    leftOutCount: Number(trailer.leftOutCount),
    leftOut: trailer.leftOut.map(({ path, reason }) => ({ path, reason })),
  };
}

function entryOf({ path, rawPath, type, size, mtimeUnixS, mode, linkTarget }: WireEntry): ArtifactEntry {
  return {
    path,
    rawPath: rawPath.length > 0 ? rawPath : undefined,
    type: TYPES[type] ?? "other",
    size: Number(size),
    mtime: dateOf(mtimeUnixS),
    mode,
    linkTarget: type === ArtifactType.ARTIFACT_TYPE_SYMLINK ? linkTarget : undefined,
  };
}

const TYPES: Readonly<Partial<Record<ArtifactType, ArtifactEntry["type"]>>> = {
  [ArtifactType.ARTIFACT_TYPE_FILE]: "file",
  [ArtifactType.ARTIFACT_TYPE_DIR]: "dir",
  [ArtifactType.ARTIFACT_TYPE_SYMLINK]: "symlink",
};

function dateOf(seconds: bigint): Date {
  return new Date(Number(seconds) * 1000);
}

export function hex(bytes: Uint8Array): string {
  return asBuffer(bytes).toString("hex");
}
