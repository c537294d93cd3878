// Length-delimited frames on a byte stream: a varint length, then so many bytes. Both ends of a link use it.
// Invariant: what the reader holds is bounded by one frame of `bytesMax` and one chunk.

/** A frame from a runner: a result of `output.chars_max` characters at 4 bytes each, or a file as base64, with room. */
export const RUNNER_FRAME_BYTES_MAX = 8 * 1024 * 1024;
/** A frame to a runner: a batch is cut so that it stays below, and one call is at most one gRPC message (16 MiB). */
export const SERVER_FRAME_BYTES_MAX = 64 * 1024 * 1024;

export function encodeFrame(body: Uint8Array): Buffer {
  const prefix: number[] = [];
  let rest = body.length;
  while (rest > 127) {
    prefix.push((rest & 127) | 128);
    rest >>>= 7;
  }
  prefix.push(rest);
  return Buffer.concat([Uint8Array.from(prefix), body]);
}

export class FrameReader {
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(private readonly bytesMax: number) {}

  /** The frames that `chunk` completes, in order. Throws when a frame announces more than `bytesMax`. */
  *push(chunk: Buffer): Generator<Buffer> {
    this.#hold(chunk);
    for (;;) {
      const size = this.#peekSize();
      if (size === undefined || this.#heldBytes < size.prefix + size.body) return;
      const all = this.#held.length === 1 && this.#held[0] ? this.#held[0] : Buffer.concat(this.#held);
      const end = size.prefix + size.body;
      const rest = all.subarray(end);
      this.#held = rest.length > 0 ? [rest] : [];
      this.#heldBytes = rest.length;
      yield all.subarray(size.prefix, end);
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
