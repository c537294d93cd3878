// What an uploaded tar may say of one member beside its content. The library decodes extended headers of up to 4 MiB at
// once, and global ones again for every further one; so what goes in without a member coming out is bounded, before it is
// decoded. Invariant: between two members, or a member's end and the next, at most HEADER_BYTES_MAX and a slice go in.
import type { Header } from "tar-stream";

/** It is given slices of at most so many bytes, each once the one before is decoded. */
export const SLICE_BYTES = 16 * 1024;
/** Two paths, times, and as many extended attributes as a file system stores. */
const HEADER_BYTES_MAX = 64 * 1024;
const ZEROS = Buffer.alloc(SLICE_BYTES);

export class HeaderBudget {
  #fed = 0;
  #contentEnd = 0;
  #most = HEADER_BYTES_MAX;

  /** Before a slice goes in; false when it may not. */
  feed(slice: Buffer): boolean {
    const isFilling = this.#fed >= this.#contentEnd && slice.equals(ZEROS.subarray(0, slice.length));
    this.#fed += slice.length;
    // Nothing comes of zeros, which end archives and fill their last blocks.
    if (isFilling) this.#most += slice.length;
    return this.#fed <= this.#most;
  }

  /** A member came out, before its content. */
  member({ type, size }: Header): void {
    this.#contentEnd = this.#fed + (type === "directory" ? 0 : size);
    this.#most = this.#contentEnd + HEADER_BYTES_MAX;
  }
}
