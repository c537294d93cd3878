// Length-delimited frames on a byte stream: a varint length, so many bytes, and a trailer that names the epoch of the
// server that the link belongs to, and the length again. Two servers may write into one runner's input for a moment, one
// of them stopped long ago: whatever of theirs is mixed up misses its own trailer (another frame's may stand in its place,
// but not one of the same length), and whole frames of the older one are told by their epoch.
// Invariant: what the reader holds is bounded by twice a frame of `bytesMax`, and by a few times what has come of it.

/** A frame from a runner: a result of `output.chars_max` characters at 4 bytes each, or a file as base64, with room. */
export const RUNNER_FRAME_BYTES_MAX = 8 * 1024 * 1024;
/** A frame to a runner: a batch is cut so that it stays below, and one call is at most one gRPC message (16 MiB). */
export const SERVER_FRAME_BYTES_MAX = 64 * 1024 * 1024;
/** An epoch has 48 bits, as much as Buffer writes at once. */
export const EPOCH_MAX = 2 ** 48 - 1;

const EPOCH_BYTES = 6;
/** Ends each frame, so that none ends like the beginning of a resync marker. */
const LAST_BYTE = 0xa5;
const LENGTH_BYTES = 4;
const TRAILER_BYTES = EPOCH_BYTES + LENGTH_BYTES + 1;
/** Memory for a frame that comes in pieces, at first: any piece of output, and most results. */
const HELD_BYTES_FIRST = 512 * 1024;
const NOTHING: Buffer = Buffer.alloc(0);

export interface TaggedBody {
  readonly epoch: number;
  readonly body: Buffer;
}

/** The frame of a message. One that comes in parts, one after the other, is put together in its frame and nowhere before. */
export function encodeFrame(message: Uint8Array | readonly Uint8Array[], epoch: number): Buffer {
  const parts = message instanceof Uint8Array ? [message] : message;
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const prefix: number[] = [];
  let rest = length;
  while (rest > 127) {
    prefix.push((rest & 127) | 128);
    rest >>>= 7;
  }
  prefix.push(rest);
  const frame = Buffer.allocUnsafe(prefix.length + length + TRAILER_BYTES);
  frame.set(prefix, 0);
  let at = prefix.length;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  frame.writeUIntBE(epoch, at, EPOCH_BYTES);
  frame.writeUInt32BE(length, at + EPOCH_BYTES);
  frame[frame.length - 1] = LAST_BYTE;
  return frame;
}

export class FrameReader {
  /** Of the frame that is being read: how much of its length is known, the length, and how much of the rest is there. */
  #prefixBytes = 0;
  #body = 0;
  #isSized = false;
  #held = NOTHING;
  #heldBytes = 0;

  constructor(private readonly bytesMax: number) {}

  /** The frames that `chunk` completes, in order. Throws for one that is over `bytesMax` or has no trailer. */
  *push(chunk: Buffer): Generator<TaggedBody> {
    for (let at = 0; at < chunk.length; ) {
      if (!this.#isSized) {
        at = this.#readPrefix(chunk, at);
        continue;
      }
      const needed = this.#body + TRAILER_BYTES;
      const next = chunk.subarray(at, at + needed - this.#heldBytes);
      at += next.length;
      const isWhole = next.length === needed;
      if (!isWhole) this.#hold(next, needed);
      if (!isWhole && this.#heldBytes < needed) return;
      const frame = isWhole ? next : this.#held.subarray(0, needed);
      const body = this.#body;
      this.#begin();
      yield taggedBody(frame, body);
    }
  }

  #begin(): void {
    this.#prefixBytes = 0;
    this.#body = 0;
    this.#isSized = false;
    this.#held = NOTHING;
    this.#heldBytes = 0;
  }

  /** Where the prefix, or the chunk, ends. */
  #readPrefix(chunk: Buffer, from: number): number {
    let at = from;
    while (at < chunk.length && !this.#isSized) {
      const byte = chunk[at] ?? 0;
      at += 1;
      this.#body += (byte & 127) * 2 ** (7 * this.#prefixBytes);
      this.#prefixBytes += 1;
      if (this.#body > this.bytesMax || this.#prefixBytes > 5) throw new Error(`frame over ${this.bytesMax} bytes`);
      this.#isSized = byte < 128;
    }
    return at;
  }

  /** Most frames are copied once; a length alone takes little memory, whatever it claims. */
  #hold(piece: Buffer, needed: number): void {
    const bytes = this.#heldBytes + piece.length;
    if (bytes > this.#held.length) {
      const before = this.#held.subarray(0, this.#heldBytes);
      this.#held = Buffer.allocUnsafe(Math.min(needed, Math.max(HELD_BYTES_FIRST, 2 * bytes)));
      this.#held.set(before, 0);
    }
    this.#held.set(piece, this.#heldBytes);
    this.#heldBytes = bytes;
  }
}

function taggedBody(frame: Buffer, body: number): TaggedBody {
  const isWhole = frame.readUInt32BE(body + EPOCH_BYTES) === body;
  if (!isWhole || frame[frame.length - 1] !== LAST_BYTE) throw new Error("frame without its trailer");
  return { epoch: frame.readUIntBE(body, EPOCH_BYTES), body: frame.subarray(0, body) };
}
