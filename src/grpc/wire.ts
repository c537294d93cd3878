// Protobuf at the level of bytes: takes one field out of an encoded message, so that model-made arguments are decoded
// by struct.ts instead of by generated code, and cuts text at a number of UTF-8 bytes.
import { toUSVString } from "node:util";
import { BinaryReader } from "@bufbuild/protobuf/wire";

const LENGTH_DELIMITED = 2;
const NOTHING = new Uint8Array();

export interface Taken {
  /** The bytes of the field; repetitions are joined, which is how protobuf merges messages. */
  readonly field?: Uint8Array;
  /** The message without the field. */
  readonly rest: Uint8Array;
}

/** Takes the length-delimited field `number` out of a message. Throws when the bytes are no protobuf message. */
export function takeField(message: Uint8Array, number: number): Taken {
  const taken: Uint8Array[] = [];
  const kept: Uint8Array[] = [];
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [found, type] = reader.tag();
    if (found === number && type === LENGTH_DELIMITED) {
      taken.push(reader.bytes());
    } else {
      reader.skip(type, found);
      kept.push(message.subarray(start, reader.pos));
    }
    if (reader.pos > reader.len) throw new RangeError("premature end of message");
  }
  const rest = joined(kept);
  return taken.length === 0 ? { rest } : { field: joined(taken), rest };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first = NOTHING] = parts;
  return parts.length <= 1 ? first : Buffer.concat(parts);
}

/** Lone surrogates become U+FFFD: in a `string` field they break Python clients. */
export function wellFormed(text: string): string {
  return toUSVString(text);
}

/** As grpc-js wants its messages; shares the memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The first `bytesMax` UTF-8 bytes of the text at most, never ending within a character. */
export function headOf(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= bytesMax) return wellFormed(text);
  let end = Math.max(0, bytesMax);
  while (end > 0 && isContinuation(bytes[end])) end -= 1;
  return bytes.toString("utf8", 0, end);
}

/** The last `bytesMax` UTF-8 bytes of the text at most, never beginning within a character. */
export function tailOf(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= bytesMax) return wellFormed(text);
  let start = bytes.length - Math.max(0, bytesMax);
  while (start < bytes.length && isContinuation(bytes[start])) start += 1;
  return bytes.toString("utf8", start);
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
