// The newest bytes of an endless stream, by their offsets in it.
// Invariant: it holds the bytes from `start` to `end`, and its memory never exceeds `capacity`.

const FIRST_BYTES = 64 * 1024;

export class OutputRing {
  #buffer: Buffer = Buffer.alloc(0);
  #end = 0;

  constructor(private readonly capacity: number) {}

  /** Offset of the oldest byte that is held. */
  get start(): number {
    return Math.max(0, this.#end - this.capacity);
  }

  /** Bytes that ever came. */
  get end(): number {
    return this.#end;
  }

  push(chunk: Buffer): void {
    const kept = chunk.subarray(Math.max(0, chunk.length - this.capacity));
    this.#grow(this.#end + chunk.length);
    const at = (this.#end + chunk.length - kept.length) % this.capacity;
    const copied = kept.copy(this.#buffer, at);
    kept.copy(this.#buffer, 0, copied);
    this.#end += chunk.length;
  }

  /** At most `bytesMax` bytes from `offset` on, which must be held. A view, good until the next push. */
  read(offset: number, bytesMax: number): Buffer {
    const at = offset % this.capacity;
    return this.#buffer.subarray(at, Math.min(at + Math.min(bytesMax, this.#end - offset), this.capacity));
  }

  /** Until it wraps around, its buffer is only as long as it must be. */
  #grow(bytes: number): void {
    const before = this.#buffer;
    if (bytes <= before.length || before.length === this.capacity) return;
    this.#buffer = Buffer.alloc(Math.min(this.capacity, Math.max(FIRST_BYTES, bytes, 2 * before.length)));
    before.copy(this.#buffer);
  }
}
