// What is too much for one frame, in parts: for both ends of a link.
import type { KnownCall } from "../gen/switchyard/runner/v1/runner.js";
import { RUNNER_FRAME_BYTES_MAX } from "./frames.js";

/** Of a known call beside its texts, generously. */
const KNOWN_BYTES = 512;
/** UTF-8 needs at most so many bytes for one character. */
const BYTES_PER_CHAR = 4;

/** What one end remembers of calls, in frames that the other takes, whichever it is. */
export function knownParts(calls: Iterable<KnownCall>): Generator<KnownCall[]> {
  return partsWithin(
    calls,
    ({ context, finished }) => {
      const chars = context.length + (finished ? finished.output.length + finished.error.length : 0);
      return KNOWN_BYTES + BYTES_PER_CHAR * chars;
    },
    RUNNER_FRAME_BYTES_MAX / 2,
  );
}

/** The items in their order, in parts of at most `bytesMax` bytes each, or of one item that is larger by itself. */
export function* partsWithin<T>(items: Iterable<T>, bytesOf: (item: T) => number, bytesMax: number): Generator<T[]> {
  let part: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = bytesOf(item);
    if (part.length > 0 && bytes + size > bytesMax) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(item);
    bytes += size;
  }
  if (part.length > 0) yield part;
}
