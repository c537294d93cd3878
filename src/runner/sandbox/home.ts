// What a launcher lives in, as the runner reaches it.
import type { Readable, Writable } from "node:stream";

export interface Home {
  /** Of the launcher. */
  readonly input: Writable;
  readonly output: Readable;
  /** Resolves with how the launcher ended: after the output's last byte, and when nothing lives in a home with pids of its own. */
  readonly gone: Promise<string>;
  /** Ends the launcher, and with it everything in a home with pids of its own. */
  destroy(): void;
}

/** How long the last lines of what has ended may take to be read, in milliseconds. */
export const LAST_LINES_MS = 200;

/** Resolves when the output was read to its end. */
export function lastLinesRead(output: Readable): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, LAST_LINES_MS);
    const done = () => {
      clearTimeout(late);
      resolve();
    };
    output.once("close", done);
    if (output.closed) done();
  });
}
