// What Node's and tar-stream's streams lack in types and in one.

/** The chunks of a stream of bytes. */
export async function* buffersOf(stream: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError("a stream of bytes gave something else");
    yield chunk;
  }
}

interface Drain {
  on(event: "drain" | "close", listener: () => void): unknown;
  off(event: "drain" | "close", listener: () => void): unknown;
}

/** Resolves when the stream takes more, or is closed. */
export function drained(stream: Drain): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });
}

/** An error of a stream that nobody iterates over any more must not end the process; who waits for it hears it elsewhere. */
export function quiet<S extends { on(event: "error", listener: () => void): unknown }>(stream: S): S {
  stream.on("error", () => undefined);
  return stream;
}
