// What a runner says on stderr goes to the log, within bounds: who took the runner over must not fill the log, nor keep
// the server busy with words.
import type { Readable } from "node:stream";
import type { Logger } from "../core/log.js";

/** In the life of a link. An honest runner says a few lines, or dies with a stack trace. */
const WORDS_BYTES_MAX = 64 * 1024;

/** Beyond the bound nothing is logged, and `onTooMany` is told once. */
export function logRunnerWords(stderr: Readable, log: Logger, onTooMany: () => void): void {
  let left = WORDS_BYTES_MAX;
  stderr.on("data", (chunk: Buffer) => {
    if (left <= 0) return;
    const words = chunk.subarray(0, left).toString("utf8").trim();
    log.warn({ stderr: words }, "runner says");
    left -= chunk.length;
    if (left <= 0) onTooMany();
  });
}
