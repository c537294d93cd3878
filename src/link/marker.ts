// The resync marker: where a server's frames begin in a byte stream that others may have written to before. It holds the
// container's nonce, which nothing in a slot knows, and the server's epoch.
import { EPOCH_MAX } from "./frames.js";

/** Of the frames and their order; two ends of different versions do not understand each other. */
const VERSION = 2;
const EPOCH_DIGITS = 12;
/** No marker begins with it: one that was cut short takes nothing from the next. */
const LAST = ";";

function prefixOf(nonce: string): Buffer {
  return Buffer.from(`\nswitchyard-link/${VERSION} ${nonce} `);
}

export function resyncMarker(nonce: string, epoch: number): Buffer {
  if (!Number.isInteger(epoch) || epoch < 0 || epoch > EPOCH_MAX) throw new RangeError(`no epoch: ${epoch}`);
  return Buffer.concat([prefixOf(nonce), Buffer.from(`${epoch.toString(16).padStart(EPOCH_DIGITS, "0")}${LAST}`)]);
}

export type Piece =
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  | { readonly kind: "marker"; readonly epoch: number };

/** Splits a byte stream at its markers. Holds back at most what may be the beginning of one. */
export class MarkerScanner {
  readonly #prefix: Buffer;
  #held: Buffer = Buffer.alloc(0);

  constructor(nonce: string) {
    this.#prefix = prefixOf(nonce);
  }

  *push(chunk: Buffer): Generator<Piece> {
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = Buffer.alloc(0);
    for (;;) {
      const at = rest.indexOf(this.#prefix);
      if (at < 0) break;
      const end = at + this.#prefix.length + EPOCH_DIGITS + 1;
      if (at > 0) yield { kind: "bytes", bytes: rest.subarray(0, at) };
      if (rest.length < end) {
        this.#held = Buffer.from(rest.subarray(at));
        return;
      }
      const digits = rest.toString("latin1", at + this.#prefix.length, end - 1);
      const isMarker = /^[0-9a-f]+$/.test(digits) && rest.toString("latin1", end - 1, end) === LAST;
      if (isMarker) yield { kind: "marker", epoch: Number.parseInt(digits, 16) };
      rest = rest.subarray(isMarker ? end : at + this.#prefix.length);
    }
    const begun = this.#beginningAtEndOf(rest);
    if (begun > 0) this.#held = Buffer.from(rest.subarray(rest.length - begun));
    if (rest.length > begun) yield { kind: "bytes", bytes: rest.subarray(0, rest.length - begun) };
  }

  /** Bytes at the end of `bytes` that a marker may begin with. */
  #beginningAtEndOf(bytes: Buffer): number {
    const first = bytes.length - Math.min(bytes.length, this.#prefix.length - 1);
    for (
      let at = bytes.indexOf(this.#prefix[0] ?? 0, first);
      at >= 0;
      at = bytes.indexOf(this.#prefix[0] ?? 0, at + 1)
    ) {
      if (this.#prefix.subarray(0, bytes.length - at).equals(bytes.subarray(at))) return bytes.length - at;
    }
    return 0;
  }
}
