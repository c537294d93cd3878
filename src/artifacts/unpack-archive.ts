// Takes an uploaded file or archive apart as it comes, and hands its entries to a slot. Invariant: what it holds, and what it
// lets through after decompression, is bounded, whatever the upload is.
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { extract, type Header } from "tar-stream";
import type { PutRecord, SlotRecord, Transfer } from "../core/artifacts.js";
import { messageOf, SwitchyardError } from "../core/errors.js";
import { buffersOf, drained, quiet } from "./byte-streams.js";
import { HeaderBudget, SLICE_BYTES } from "./header-budget.js";
import { memberOf } from "./tar-members.js";

export type UploadKind = "file" | "tar" | "tar.gz";

export interface UploadLimits {
  readonly bytesMax: number;
  readonly entriesMax: number;
}

export interface UploadSummary {
  readonly entries: number;
  readonly fileBytes: number;
  readonly sha256: Buffer;
}

type Put = (record: PutRecord) => Promise<void>;

/** Of content at once, with room for a record's head in a frame of the link. */
const PIECE_BYTES = 60 * 1024;
/** Headers and the filling of blocks, beside the files' bytes that are counted exactly. */
const OVERHEAD_BYTES_PER_ENTRY = 16 * 1024;
const OVERHEAD_BYTES = 1024 * 1024;

/** Writes one upload by way of the transfer, which it leaves to its owner to end. Rejects with why it was refused or failed. */
export async function unpackUpload(
  upload: AsyncIterable<Buffer>,
  kind: UploadKind,
  mode: number,
  limits: UploadLimits,
  transfer: Transfer,
): Promise<UploadSummary> {
  const hash = createHash("sha256");
  const unpacker = new Unpacker((record) => transfer.send(record), limits);
  const written = untilWritten(transfer.records());
  // The slot's refusal ends what still waits to be sent.
  written.catch((error: unknown) => transfer.end(asError(error)));
  const rest = upload[Symbol.asyncIterator]();
  const hashed = () => hashing(rest, hash);
  if (kind === "file") await unpacker.file(hashed(), mode);
  else if (kind === "tar") await unpacker.tar(hashed());
  else await unpacker.tar(gunzipped(hashed()));
  // What follows the end of a gzip belongs to the digest.
  for await (const _ of hashed());
  await transfer.send({ kind: "end" });
  await written;
  return { ...unpacker.summary, sha256: hash.digest() };
}

/** Resolves when the slot has written everything. */
async function untilWritten(records: AsyncGenerator<SlotRecord>): Promise<void> {
  for await (const record of records) if (record.kind === "end") return;
}

class Unpacker {
  #entries = 0;
  #fileBytes = 0;

  constructor(
    private readonly put: Put,
    private readonly limits: UploadLimits,
  ) {}

  get summary(): Omit<UploadSummary, "sha256"> {
    return { entries: this.#entries, fileBytes: this.#fileBytes };
  }

  async file(content: AsyncIterable<Buffer>, mode: number): Promise<void> {
    this.#entries = 1;
    const nothing = Buffer.alloc(0);
    await this.put({ kind: "entry", entry: { type: "file", name: nothing, linkTarget: nothing, mode, mtimeS: 0 } });
    await this.#content(content);
  }

  async tar(archive: AsyncIterable<Buffer>): Promise<void> {
    // Each slice is decoded before the next is taken.
    const members = quiet(extract({ highWaterMark: 1 }));
    const fed = this.#feed(archive, members);
    fed.catch((error: unknown) => members.destroy(asError(error)));
    try {
      for await (const member of members) await this.#member(member.header, buffersOf(member));
      await fed;
    } catch (error) {
      members.destroy();
      throw asError(error);
    }
  }

  async #feed(archive: AsyncIterable<Buffer>, members: ReturnType<typeof extract>): Promise<void> {
    const budget = new HeaderBudget();
    members.on("entry", (header) => budget.member(header));
    let bytes = 0;
    for await (const chunk of archive) {
      bytes += chunk.length;
      const overhead = bytes - this.#fileBytes - this.limits.bytesMax;
      if (overhead > OVERHEAD_BYTES + OVERHEAD_BYTES_PER_ENTRY * this.limits.entriesMax) throw this.#tooMuch();
      for (let at = 0; at < chunk.length; at += SLICE_BYTES) {
        const slice = chunk.subarray(at, at + SLICE_BYTES);
        if (!budget.feed(slice)) throw new SwitchyardError("ARCHIVE_REFUSED", "the archive says too much of a member");
        if (!members.write(slice)) await drained(members);
        if (members.destroyed) return;
      }
    }
    members.end(null);
  }

  async #member(header: Header, content: AsyncIterable<Buffer>): Promise<void> {
    if (!Number.isSafeInteger(header.size)) throw new SwitchyardError("ARCHIVE_REFUSED", "a member has no proper size");
    const entry = memberOf(header);
    if (entry) {
      this.#entries += 1;
      if (this.#entries > this.limits.entriesMax) {
        throw new SwitchyardError(
          "LIMIT_REACHED",
          `the archive has more than ${this.limits.entriesMax} members (max_entries)`,
        );
      }
      if (entry.type === "file" && this.#fileBytes + header.size > this.limits.bytesMax) throw this.#tooMuch();
      await this.put({ kind: "entry", entry });
    }
    if (entry?.type === "file") await this.#content(content);
    // Of a folder that has a size the library's content would never end.
    else if (header.type !== "directory") for await (const _ of content);
  }

  async #content(content: AsyncIterable<Buffer>): Promise<void> {
    for await (const chunk of content) {
      this.#fileBytes += chunk.length;
      if (this.#fileBytes > this.limits.bytesMax) throw this.#tooMuch();
      for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
        await this.put({ kind: "data", data: chunk.subarray(at, at + PIECE_BYTES) });
      }
    }
    await this.put({ kind: "contentEnd" });
  }

  #tooMuch(): SwitchyardError {
    const text = `the upload has more than ${this.limits.bytesMax} bytes of files (max_bytes)`;
    return new SwitchyardError("LIMIT_REACHED", text);
  }
}

/** Leaves the upload open for who goes on with it. */
async function* hashing(upload: AsyncIterator<Buffer>, hash: ReturnType<typeof createHash>): AsyncGenerator<Buffer> {
  for (let step = await upload.next(); !step.done; step = await upload.next()) {
    hash.update(step.value);
    yield step.value;
  }
}

async function* gunzipped(upload: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const source = Readable.from(upload, { objectMode: true, highWaterMark: 1 });
  const gunzip = quiet(createGunzip({ chunkSize: PIECE_BYTES }));
  source.once("error", (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  try {
    yield* buffersOf(gunzip);
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

/** What is not ours comes from a library that could not read the archive. */
function asError(error: unknown): SwitchyardError {
  if (error instanceof SwitchyardError) return error;
  return new SwitchyardError("ARCHIVE_REFUSED", `the archive cannot be read: ${messageOf(error)}`, { cause: error });
}
