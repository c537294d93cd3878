// Messages of a streaming call one by one, with the backpressure of HTTP/2: a client that does not read is not written to,
// and what the server has not asked for is not read. No event of the call throws.
import type { ServerReadableStream, ServerWritableStream } from "@grpc/grpc-js";

/** So many messages wait at most, when they come faster than they are asked for. */
const WAITING_MAX = 8;

/** The way down. */
export class MessageSink {
  #wake: () => void = () => undefined;

  constructor(private readonly call: ServerWritableStream<Buffer, Buffer>) {
    // `drain` never comes after a cancel.
    for (const event of ["drain", "close", "cancelled", "error"]) call.on(event, () => this.#wake());
  }

  /** Resolves when the next one may be written, or nobody is there to read it. Once the call has its status it is dropped. */
  async write(message: Buffer): Promise<void> {
    // A write after the end would destroy the call before its status has left.
    if (this.call.cancelled || this.call.writableEnded || this.call.destroyed) return;
    const drained = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    if (!this.call.write(message) && !this.call.cancelled) await drained;
  }
}

/** The way up. */
export class MessageSource {
  readonly #waiting: Buffer[] = [];
  #ended = false;
  #failure: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(private readonly call: ServerReadableStream<Buffer, Buffer>) {
    call.on("data", (message: Buffer) => {
      this.#waiting.push(message);
      if (this.#waiting.length >= WAITING_MAX) call.pause();
      this.#wake();
    });
    call.on("end", () => {
      this.#ended = true;
      this.#wake();
    });
    call.on("error", (error: Error) => this.fail(error));
  }

  /** Undefined after the last one. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      if (this.#failure) throw this.#failure;
      const message = this.#waiting.shift();
      if (message) return message;
      if (this.#ended) return undefined;
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.call.resume();
      await woken;
    }
  }

  /** Nobody needs what is still to come. */
  fail(why: Error): void {
    this.#failure ??= why;
    this.#waiting.length = 0;
    this.#wake();
  }
}
