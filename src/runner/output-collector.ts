// Takes in what a call prints and keeps a bounded part of it: all of it while it is small, else its head and its tail.
// Invariant: memory stays below `4 × charsMax` bytes and one chunk, however much is printed; `bytes` is the true total.

/** UTF-8 needs at most so many bytes for one character. */
const BYTES_PER_CHAR = 4;
const NOTHING: Buffer = Buffer.alloc(0);

export class OutputCollector {
  readonly #headMax: number;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  /** A ring, made when the head is full: chunks that were kept themselves would be garbage by the gigabyte. */
  #tail: Buffer = NOTHING;
  #tailEnd = 0;
  #tailBytes = 0;
  #bytes = 0;

  constructor(charsMax: number) {
    this.#headMax = charsMax * (BYTES_PER_CHAR / 2);
  }

  /** Bytes taken in, kept or not. */
  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length;
    const toHead = Math.min(chunk.length, this.#headMax - this.#headBytes);
    if (toHead > 0) {
      // Copied: a chunk is a view of a pooled read buffer that would otherwise stay alive as a whole.
      this.#head.push(Buffer.from(chunk.subarray(0, toHead)));
      this.#headBytes += toHead;
    }
    if (toHead < chunk.length) this.#pushTail(chunk.subarray(Math.max(toHead, chunk.length - this.#headMax)));
  }

  /** Takes no more than the ring holds. */
  #pushTail(chunk: Buffer): void {
    if (this.#tail.length === 0) this.#tail = Buffer.alloc(this.#headMax);
    const copied = chunk.copy(this.#tail, this.#tailEnd);
    chunk.copy(this.#tail, 0, copied);
    this.#tailEnd = (this.#tailEnd + chunk.length) % this.#headMax;
    this.#tailBytes = Math.min(this.#tailBytes + chunk.length, this.#headMax);
  }

  /** What was kept, good until more is taken in. `missing` bytes lie between head and tail; with none missing the tail is empty. */
  kept(): { head: Buffer; tail: Buffer; missing: number } {
    const isFull = this.#tailBytes === this.#headMax;
    const tail = isFull
      ? [this.#tail.subarray(this.#tailEnd), this.#tail.subarray(0, this.#tailEnd)]
      : [this.#tail.subarray(0, this.#tailBytes)];
    const missing = this.#bytes - this.#headBytes - this.#tailBytes;
    if (missing === 0) return { head: joined([...this.#head, ...tail]), tail: NOTHING, missing };
    return { head: joined(this.#head), tail: joined(tail), missing };
  }
}

/** Not copied where it is in one piece. */
function joined(pieces: readonly Buffer[]): Buffer {
  const [piece = NOTHING, ...more] = pieces.filter(({ length }) => length > 0);
  return more.length === 0 ? piece : Buffer.concat([piece, ...more]);
}
