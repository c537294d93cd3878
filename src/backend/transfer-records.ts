// Records of a transfer as bytes; runner/sandbox/transfer-source.ts has their form. What comes from a slot may be the work
// of its code: it is bounded, and what no honest process of ours says ends the transfer, and nothing else.
import {
  type ArtifactEntry,
  type ArtifactType,
  disturbed,
  type PutEntry,
  type PutRecord,
  type SlotRecord,
  type TransferWork,
} from "../core/artifacts.js";
import { SwitchyardError } from "../core/errors.js";
import { TRANSFER_CHUNK_BYTES } from "../link/transfer-window.js";

const HEAD_BYTES = 5;
/** Of a record but content: two paths and some numbers. */
const BODY_BYTES_MAX = 16 * 1024;
const TEXT_CHARS_MAX = 1_000;
const TYPES: Readonly<Partial<Record<string, ArtifactType>>> = { f: "file", d: "dir", l: "symlink", o: "other" };
const LETTERS = { file: "f", dir: "d", symlink: "l", hardlink: "h" } as const;

/**
 * Takes the bytes of one transfer, and gives its records in order; content as it comes, joined as far as it came at once.
 * What an honest process of the work would not say, or not in that order, or not so often, is not passed on.
 */
export class RecordReader {
  readonly #order: RecordOrder;
  #parts: Buffer[] = [];
  #held = 0;
  #letter = "";
  /** Bytes until the record, or its head, is whole. */
  #wanted = HEAD_BYTES;

  constructor(work: TransferWork) {
    this.#order = new RecordOrder(work);
  }

  /** Throws what the slot says no with, and TRANSFER_BROKEN for what is no record. */
  *push(chunk: Buffer): Generator<SlotRecord> {
    let rest = chunk;
    let content: Buffer[] = [];
    while (rest.length > 0) {
      const piece = rest.subarray(0, this.#wanted - this.#held);
      rest = rest.subarray(piece.length);
      if (this.#letter === "D") {
        this.#wanted -= piece.length;
        if (this.#wanted === 0) this.#expectHead();
        content.push(piece);
        continue;
      }
      this.#parts.push(piece);
      this.#held += piece.length;
      if (this.#held < this.#wanted) break;
      const whole = Buffer.concat(this.#parts);
      const record = this.#letter === "" ? this.#begin(whole) : this.#end(whole);
      if (!record) continue;
      if (content.length > 0) yield contentOf(content);
      content = [];
      yield record;
    }
    if (content.length > 0) yield contentOf(content);
  }

  #begin(head: Buffer): SlotRecord | undefined {
    this.#letter = head.toString("latin1", 0, 1);
    this.#wanted = head.readUInt32BE(1);
    this.#parts = [];
    this.#held = 0;
    this.#order.begin(this.#letter);
    if (this.#wanted > (this.#letter === "D" ? TRANSFER_CHUNK_BYTES : BODY_BYTES_MAX)) throw disturbed();
    if (this.#wanted > 0) return undefined;
    if (this.#letter === "D") throw disturbed();
    return this.#end(Buffer.alloc(0));
  }

  #end(body: Buffer): SlotRecord {
    const letter = this.#letter;
    this.#expectHead();
    const fields = new BodyReader(body);
    switch (letter) {
      case "R":
        return { kind: "root", path: body };
      case "E":
        return { kind: "entry", entry: this.#order.entry(entryOf(fields)) };
      case "Z":
        return { kind: "contentEnd" };
      case "O":
        return {
          kind: "leftOut",
          name: fields.bytes(),
          reason: fields.bytes().toString("utf8").slice(0, TEXT_CHARS_MAX),
        };
      case "F":
        return { kind: "end", truncated: body.toString("latin1") === "1" };
      case "X":
        throw refusal(body.toString("utf8").slice(0, TEXT_CHARS_MAX));
      default:
        throw disturbed();
    }
  }

  #expectHead(): void {
    this.#letter = "";
    this.#parts = [];
    this.#held = 0;
    this.#wanted = HEAD_BYTES;
  }
}

function contentOf(pieces: readonly Buffer[]): SlotRecord {
  const [first] = pieces;
  return { kind: "data", data: first && pieces.length === 1 ? first : Buffer.concat(pieces) };
}

/** One root and first, content after a file's entry alone, and so many of the rest as the work can have. */
class RecordOrder {
  #state: "beginning" | "between" | "content" | "over";
  #left: number;

  constructor(private readonly work: TransferWork) {
    this.#state = work.kind === "put" ? "between" : "beginning";
    this.#left = recordsOf(work);
  }

  begin(letter: string): void {
    switch (letter) {
      case "R":
        if (this.#state !== "beginning") throw disturbed();
        this.#state = "between";
        return;
      case "E":
      case "O":
        this.#left -= 1;
        if (this.#state !== "between" || this.#left < 0) throw disturbed();
        return;
      case "D":
        if (this.#state !== "content") throw disturbed();
        return;
      case "Z":
        if (this.#state !== "content") throw disturbed();
        this.#state = "between";
        return;
      case "F":
        if (this.#state !== "between") throw disturbed();
        this.#state = "over";
        return;
      default:
        // It may say no at any time; what no letter is has no body either.
        return;
    }
  }

  entry(entry: ArtifactEntry): ArtifactEntry {
    if (entry.type === "file" && this.work.kind !== "list") this.#state = "content";
    return entry;
  }
}

/** Entries, and what was left out. */
function recordsOf(work: TransferWork): number {
  switch (work.kind) {
    case "read":
      return 1;
    case "list":
    case "pack":
      // What waits deeper down, or changed, may be said on top of an entry.
      return 2 * work.entriesMax + 2;
    case "put":
      return 0;
    default:
      return work satisfies never;
  }
}

class BodyReader {
  #at = 0;

  constructor(private readonly body: Buffer) {}

  take(length: number): Buffer {
    if (this.#at + length > this.body.length) throw disturbed();
    this.#at += length;
    return this.body.subarray(this.#at - length, this.#at);
  }

  uint32(): number {
    return this.take(4).readUInt32BE();
  }

  bytes(): Buffer {
    return this.take(this.uint32());
  }
}

function entryOf(fields: BodyReader): ArtifactEntry {
  const type = TYPES[fields.take(1).toString("latin1")];
  const mode = fields.uint32();
  const [size, mtime] = [Number(fields.take(8).readBigUInt64BE()), Number(fields.take(8).readBigInt64BE())];
  if (type === undefined || mode > 0o7777 || size > Number.MAX_SAFE_INTEGER || !Number.isSafeInteger(mtime)) {
    throw disturbed();
  }
  return { type, mode, size, mtimeS: mtime, name: fields.bytes(), linkTarget: fields.bytes() };
}

/** What the slot's process says no with: its words are those of the file tools. */
function refusal(text: string): SwitchyardError {
  if (text.startsWith("File not found: ")) return new SwitchyardError("ARTIFACT_NOT_FOUND", text);
  if (text.startsWith("Access denied: ")) return new SwitchyardError("ACCESS_DENIED", text);
  return new SwitchyardError("ARTIFACT_UNSUITABLE", text);
}

export function encodePutRecord(record: PutRecord): Buffer {
  switch (record.kind) {
    case "entry":
      return framed("E", entryBody(record.entry));
    case "data":
      return framed("D", record.data);
    case "contentEnd":
      return framed("Z", Buffer.alloc(0));
    case "end":
      return framed("F", Buffer.alloc(0));
    default:
      return record satisfies never;
  }
}

function framed(letter: string, body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + body.length);
  frame.write(letter, "latin1");
  frame.writeUInt32BE(body.length, 1);
  frame.set(body, HEAD_BYTES);
  return frame;
}

function entryBody({ type, mode, mtimeS, name, linkTarget }: PutEntry): Buffer {
  const numbers = Buffer.alloc(1 + 4 + 8 + 8);
  numbers.write(LETTERS[type], "latin1");
  numbers.writeUInt32BE(mode, 1);
  numbers.writeBigInt64BE(BigInt(mtimeS), 13);
  return Buffer.concat([numbers, prefixed(name), prefixed(linkTarget)]);
}

function prefixed(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
