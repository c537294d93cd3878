// One writer for all messages of an encoder, as a new one begins small and grows by copying.
// Invariant: nothing of one message gets into the next, and the bytes of each are its own.

/** A result whose output is at the default bound, 50,000 characters, takes less. Its writer takes up to four times as much. */
const KEPT_BYTES_MAX = 256 * 1024;

interface Writer {
  /** A copy of what was written since the last time. */
  finish(): Uint8Array;
}

/** An encoder: takes what writes a message, and gives its bytes. Throws what that throws. */
export function encoderWith<W extends Writer>(make: () => W): (write: (writer: W) => W) => Uint8Array {
  let kept = make();
  return (write) => {
    let bytes: Uint8Array | undefined;
    try {
      bytes = write(kept).finish();
      return bytes;
    } finally {
      // After a failure it holds half a message, after a large one too much memory.
      if (bytes === undefined || bytes.length > KEPT_BYTES_MAX) kept = make();
    }
  };
}
