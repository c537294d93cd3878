// Makes a tar.gz of what a slot says of its files. Invariant: the archive is whole and valid whatever the slot says: each
// file has as many bytes as its header announced, and what cannot be archived is named instead.
import { createHash } from "node:crypto";
import { constants as fs } from "node:fs";
import { constants, createGzip } from "node:zlib";
import { type Header, type Pack, pack } from "tar-stream";
import { type ArtifactEntry, disturbed, type SlotRecord, type Transfer } from "../core/artifacts.js";
import { buffersOf, drained, quiet } from "./byte-streams.js";
import { LEFT_OUT_BYTES_MAX, LEFT_OUT_NAMED_MAX, PATH_BYTES_MAX } from "./limits.js";
import { EntryCheck, utf8Of } from "./slot-entries.js";

export interface LeftOut {
  /** In the workspace. */
  readonly path: Buffer;
  readonly reason: string;
}

export interface ArchiveSummary {
  readonly entries: number;
  readonly fileBytes: number;
  readonly bytes: number;
  readonly sha256: Buffer;
  readonly truncated: boolean;
  readonly leftOutCount: number;
  readonly leftOut: readonly LeftOut[];
}

export interface ArchiveLimits {
  readonly bytesMax: number;
  readonly entriesMax: number;
}

type MemberHeader = Partial<Header> & Pick<Header, "name">;

/** As much as goes into one message. */
const CHUNK_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(64 * 1024);
/** The times that a ustar header can hold. */
const MTIME_S_MAX = 2 ** 31 - 1;

/** Yields the archive and returns what became of it. Throws what the transfer does, which it leaves to its owner to end. */
export async function* packArchive(
  transfer: Transfer,
  limits: ArchiveLimits,
): AsyncGenerator<Buffer, ArchiveSummary, undefined> {
  const tar = quiet(pack());
  // The slot's disk and the network are slower than this level, and the server has other things to do.
  const gzip = quiet(createGzip({ level: constants.Z_BEST_SPEED, chunkSize: CHUNK_BYTES }));
  tar.pipe(gzip);
  const writer = new ArchiveWriter(tar, limits);
  const written = writer.writeAll(transfer.records());
  written.catch((error: unknown) => gzip.destroy(error instanceof Error ? error : new Error(String(error))));
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of buffersOf(gzip)) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
    await written;
  } finally {
    tar.destroy();
    gzip.destroy();
  }
  return { ...writer.summary, bytes, sha256: hash.digest() };
}

/** Turns records into members. */
class ArchiveWriter {
  readonly #check: EntryCheck;
  #root = Buffer.alloc(0);
  #entries = 0;
  #fileBytes = 0;
  #truncated = false;
  #leftOutCount = 0;
  #leftOutBytes = 0;
  readonly #leftOut: LeftOut[] = [];

  constructor(
    private readonly tar: Pack,
    private readonly limits: ArchiveLimits,
  ) {
    this.#check = new EntryCheck(limits.entriesMax);
  }

  get summary(): Omit<ArchiveSummary, "bytes" | "sha256"> {
    return {
      entries: this.#entries,
      fileBytes: this.#fileBytes,
      truncated: this.#truncated,
      leftOutCount: this.#leftOutCount,
      leftOut: this.#leftOut,
    };
  }

  async writeAll(records: AsyncGenerator<SlotRecord>): Promise<void> {
    for await (const record of records) {
      switch (record.kind) {
        case "root":
          this.#root = Buffer.from(record.path);
          break;
        case "entry":
          await this.#write(record.entry, records);
          break;
        case "leftOut":
          this.#leave(record.name, record.reason);
          break;
        case "end":
          this.#truncated ||= record.truncated;
          this.tar.finalize();
          break;
        case "data":
        case "contentEnd":
          throw disturbed();
        default:
          record satisfies never;
      }
    }
  }

  async #write(entry: ArtifactEntry, records: AsyncGenerator<SlotRecord>): Promise<void> {
    this.#check.check(entry);
    if (this.#fileBytes + entry.size > this.limits.bytesMax) throw disturbed();
    const header = headerOf(entry, this.#root);
    if (typeof header === "string") this.#leave(entry.name, header);
    else this.#entries += 1;
    if (entry.type !== "file") {
      if (typeof header !== "string") await this.#member(header);
      return;
    }
    const sink = typeof header === "string" ? undefined : new Content(this.tar, header);
    const missing = await copyContent(records, entry.size, sink);
    if (sink) this.#fileBytes += entry.size;
    if (sink && missing > 0)
      this.#leave(entry.name, `it became shorter: its last ${missing} bytes are filled with zeros`);
  }

  #member(header: MemberHeader): Promise<void> {
    return new Promise((resolve, reject) => {
      quiet(this.tar.entry(header, (error) => (error ? reject(error) : resolve()))).end(null);
    });
  }

  #leave(name: Buffer, reason: string): void {
    this.#leftOutCount += 1;
    const path = within(this.#root, name).subarray(0, PATH_BYTES_MAX);
    // As text it may have three bytes for one of its own, and it may come as bytes beside that.
    this.#leftOutBytes += 4 * path.length + Buffer.byteLength(reason);
    if (this.#leftOut.length >= LEFT_OUT_NAMED_MAX || this.#leftOutBytes > LEFT_OUT_BYTES_MAX) return;
    this.#leftOut.push({ path: Buffer.from(path), reason });
  }
}

/** The body of one member, as long as its header says. */
class Content {
  readonly #sink: ReturnType<Pack["entry"]>;
  readonly #done: Promise<void>;

  constructor(tar: Pack, header: MemberHeader) {
    let settle: (error?: Error | null) => void = () => undefined;
    this.#done = new Promise((resolve, reject) => {
      settle = (error) => (error ? reject(error) : resolve());
    });
    this.#done.catch(() => undefined);
    this.#sink = quiet(tar.entry(header, (error) => settle(error)));
  }

  async write(data: Buffer): Promise<void> {
    if (!this.#sink.write(data)) await drained(this.#sink);
  }

  end(): Promise<void> {
    this.#sink.end(null);
    return this.#done;
  }
}

/** Resolves with how many bytes were missing. */
async function copyContent(
  records: AsyncGenerator<SlotRecord>,
  size: number,
  to: Content | undefined,
): Promise<number> {
  let left = size;
  for (;;) {
    const { value: record } = await records.next();
    if (record?.kind === "contentEnd") break;
    if (record?.kind !== "data" || record.data.length > left) throw disturbed();
    left -= record.data.length;
    await to?.write(record.data);
  }
  for (let zeros = left; to && zeros > 0; zeros -= ZEROS.length)
    await to.write(ZEROS.subarray(0, Math.min(zeros, ZEROS.length)));
  await to?.end();
  return left;
}

/** Or why there can be none. */
function headerOf({ name, type, size, mtimeS, mode, linkTarget }: ArtifactEntry, root: Buffer): MemberHeader | string {
  const text = utf8Of(name.length > 0 ? name : root.subarray(root.lastIndexOf("/") + 1));
  if (text === undefined) return "its name is not UTF-8";
  // A mode of 0 would be replaced; the bit for a plain file is not written.
  const common = {
    name: text,
    mode: fs.S_IFREG | (mode & 0o777),
    mtime: new Date(Math.min(Math.max(mtimeS, 0), MTIME_S_MAX) * 1000),
  };
  switch (type) {
    case "file":
      return { ...common, type: "file", size };
    case "dir":
      return { ...common, type: "directory" };
    case "symlink": {
      const linkname = utf8Of(linkTarget);
      if (linkname === undefined || linkname === "") return "what it leads to is not UTF-8";
      return { ...common, type: "symlink", linkname };
    }
    case "other":
      return "it is neither a file nor a folder nor a link";
    default:
      return type satisfies never;
  }
}

/** The path in the workspace of what is below `root`. */
export function within(root: Buffer, name: Buffer): Buffer {
  if (root.length === 0 || name.length === 0) return root.length === 0 ? name : root;
  return Buffer.concat([root, Buffer.from("/"), name]);
}
