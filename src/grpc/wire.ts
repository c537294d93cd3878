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
  const only = onlyField(message);
  if (only !== undefined) return only.number === number ? { field: only.content, rest: NOTHING } : { rest: message };
  const taken: Uint8Array[] = [];
  const kept: Uint8Array[] = [];
  const reader = new BinaryReader(message);
  let keptFrom = 0;
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [found, type] = reader.tag();
    if (found === number && type === LENGTH_DELIMITED) {
      taken.push(reader.bytes());
      if (start > keptFrom) kept.push(message.subarray(keptFrom, start));
      keptFrom = reader.pos;
    } else reader.skip(type, found);
    if (reader.pos > reader.len) throw new RangeError("premature end of message");
  }
  if (keptFrom < message.length) kept.push(message.subarray(keptFrom));
  const rest = joined(kept);
  return taken.length === 0 ? { rest } : { field: joined(taken), rest };
}

/** What most frames are: one length-delimited field of a number below 16. Undefined for all others. */
function onlyField(message: Uint8Array): { readonly number: number; readonly content: Uint8Array } | undefined {
  const tag = message[0] ?? 0;
  const low = message[1] ?? 0;
  const high = message[2] ?? 0;
  if (tag > 0x7f || (tag & 7) !== LENGTH_DELIMITED || tag >> 3 === 0) return undefined;
  const start = low > 0x7f ? 3 : 2;
  const length = low > 0x7f ? (low & 0x7f) | (high << 7) : low;
  if (high > 0x7f && start === 3) return undefined;
  return message.length === start + length ? { number: tag >> 3, content: message.subarray(start) } : undefined;
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

/** A message that is encoded, as a whole or in parts. */
export type Encoded = Uint8Array | readonly Uint8Array[];

/** Of all messages in parts. */
let scratch: Buffer = Buffer.alloc(0);

/** Good until the next one: grpc-js copies what a serializer returns at once, into its frame. */
export function serialized(message: Encoded): Buffer {
  if (message instanceof Uint8Array) return asBuffer(message);
  const length = message.reduce((sum, part) => sum + part.length, 0);
  if (length > scratch.length) scratch = Buffer.allocUnsafeSlow(length);
  let at = 0;
  for (const part of message) {
    scratch.set(part, at);
    at += part.length;
  }
  return scratch.subarray(0, length);
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
