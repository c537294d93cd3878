// Takes Docker's attach stream apart. It carries a container's stdout and stderr in one: messages of a byte that says which
// of the two, three zeros, a 32-bit length, and so many bytes. The container decides how many messages there are and how
// small: each costs one turn of a loop, no recursion, and nothing is held but a header.
import { Readable } from "node:stream";

const HEADER_BYTES = 8;
const STDOUT = 1;
const STDERR = 2;

/** More parts than these of one output in one chunk are small, and cost less together. */
const PARTS_MAX = 4;

/** Both end with the stream, and are to be read as it comes. One that is no attach stream ends `stdout` with an error. */
export function splitAttachStream(stream: Readable): { stdout: Readable; stderr: Readable } {
  const [stdout, stderr] = [new Readable({ read: noop }), new Readable({ read: noop })];
  const messages = new MessageReader();
  stream.on("data", (chunk: Buffer) => {
    try {
      const parts = messages.push(chunk);
      for (const part of fewer(parts.stdout)) stdout.push(part);
      for (const part of fewer(parts.stderr)) stderr.push(part);
    } catch (error) {
      stream.destroy();
      stdout.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  });
  for (const event of ["end", "close", "error"]) {
    stream.once(event, () => {
      stdout.push(null);
      stderr.push(null);
    });
  }
  return { stdout, stderr };
}

function noop(): void {}

function fewer(parts: readonly Buffer[]): readonly Buffer[] {
  return parts.length > PARTS_MAX ? [Buffer.concat(parts)] : parts;
}

class MessageReader {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** Of the message that is being read. */
  #left = 0;

  /** What of `chunk` belongs to which output. Throws when the stream is none of Docker's. */
  push(chunk: Buffer): { stdout: Buffer[]; stderr: Buffer[] } {
    const parts: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        at += this.#readHeader(chunk, at);
        continue;
      }
      const part = chunk.subarray(at, at + this.#left);
      parts[this.#header[0] === STDERR ? "stderr" : "stdout"].push(part);
      this.#left -= part.length;
      at += part.length;
    }
    return parts;
  }

  #readHeader(chunk: Buffer, at: number): number {
    const count = chunk.copy(this.#header, this.#headerBytes, at);
    this.#headerBytes += count;
    if (this.#headerBytes < HEADER_BYTES) return count;
    this.#headerBytes = 0;
    const kind = this.#header[0];
    if (kind !== STDOUT && kind !== STDERR) throw new Error(`Docker sent output of kind ${kind}`);
    this.#left = this.#header.readUInt32BE(4);
    return count;
  }
}
