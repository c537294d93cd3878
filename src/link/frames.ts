// Length-delimited frames on a byte stream: a varint length, so many bytes, and a trailer that names the epoch of the
// server that the link belongs to, and the length again. Two servers may write into one runner's input for a moment, one
// of them stopped long ago: whatever of theirs is mixed up misses its own trailer (another frame's may stand in its place,
// but not one of the same length), and whole frames of the older one are told by their epoch.
// Invariant: what the reader holds is bounded by one frame of `bytesMax` and one chunk.

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

export interface TaggedBody {
  readonly epoch: number;
  readonly body: Buffer;
}

export function encodeFrame(body: Uint8Array, epoch: number): Buffer {
  const prefix: number[] = [];
  let rest = body.length;
  while (rest > 127) {
    prefix.push((rest & 127) | 128);
    rest >>>= 7;
  }
  prefix.push(rest);
  const frame = Buffer.allocUnsafe(prefix.length + body.length + TRAILER_BYTES);
  frame.set(prefix, 0);
  frame.set(body, prefix.length);
  const trailer = prefix.length + body.length;
  frame.writeUIntBE(epoch, trailer, EPOCH_BYTES);
  frame.writeUInt32BE(body.length, trailer + EPOCH_BYTES);
  frame[frame.length - 1] = LAST_BYTE;
  return frame;
}

export class FrameReader {
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(private readonly bytesMax: number) {}

  /** The frames that `chunk` completes, in order. Throws for one that is over `bytesMax` or has no trailer. */
  *push(chunk: Buffer): Generator<TaggedBody> {
    this.#hold(chunk);
    for (;;) {
      const size = this.#peekSize();
      if (size === undefined || this.#heldBytes < size.prefix + size.body + TRAILER_BYTES) return;
      const all = this.#held.length === 1 && this.#held[0] ? this.#held[0] : Buffer.concat(this.#held);
      const trailer = size.prefix + size.body;
      const rest = all.subarray(trailer + TRAILER_BYTES);
      this.#held = rest.length > 0 ? [rest] : [];
      this.#heldBytes = rest.length;
      const isWhole = all.readUInt32BE(trailer + EPOCH_BYTES) === size.body;
      if (!isWhole || all[trailer + TRAILER_BYTES - 1] !== LAST_BYTE) throw new Error("frame without its trailer");
      yield { epoch: all.readUIntBE(trailer, EPOCH_BYTES), body: all.subarray(size.prefix, trailer) };
    }
  }

  /** Small chunks are joined with what came before, each byte a few times at most: a million of one byte cost a megabyte. */
  #hold(chunk: Buffer): void {
    this.#heldBytes += chunk.length;
    let last = chunk;
    for (let before = this.#held.at(-1); before && before.length <= last.length; before = this.#held.at(-1)) {
      this.#held.pop();
      last = Buffer.concat([before, last]);
    }
    this.#held.push(last);
  }

  #peekSize(): { prefix: number; body: number } | undefined {
    let body = 0;
    let prefix = 0;
    for (const chunk of this.#held) {
      for (const byte of chunk) {
        body += (byte & 127) * 2 ** (7 * prefix);
        prefix += 1;
        if (body > this.bytesMax || prefix > 5) throw new Error(`frame over ${this.bytesMax} bytes`);
        if (byte < 128) return { prefix, body };
      }
    }
    return undefined;
  }
}
