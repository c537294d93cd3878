// One link: frames both ways over a byte stream. Each side first sends a resync marker that holds the container's nonce
// and discards what it reads before the other's, so that a link can begin in the middle of somebody else's stream.
import { EventEmitter } from "node:events";
import type { Readable, Writable } from "node:stream";
import { encodeFrame, FrameReader } from "./frames.js";

/** How frames of one direction look on the wire; ts-proto's message objects have this shape. */
export interface Codec<Out, In> {
  encode(frame: Out): Uint8Array;
  decode(bytes: Uint8Array): In;
  /** Largest frame that may arrive. */
  readonly bytesMax: number;
}

interface LinkEvents<In> {
  frame: [frame: In];
  /** Once; `error` says why, when it was not an ordinary end: a NotAFrame when the other side broke the rules. */
  closed: [error: Error | undefined];
}

/** What arrived is too long for a frame, or cannot be decoded as one. */
export class NotAFrame extends Error {}

export function resyncMarker(nonce: string): Buffer {
  return Buffer.from(`\nswitchyard-link ${nonce}\n`);
}

export class Link<Out, In> extends EventEmitter<LinkEvents<In>> {
  #closed = false;
  #synced = false;
  #before: Buffer = Buffer.alloc(0);
  readonly #frames: FrameReader;

  constructor(
    private readonly input: Readable,
    private readonly output: Writable,
    private readonly nonce: string,
    private readonly codec: Codec<Out, In>,
  ) {
    super();
    this.#frames = new FrameReader(codec.bytesMax);
    input.on("data", (chunk: Buffer) => this.#receive(chunk));
    input.once("end", () => this.#close());
    input.once("close", () => this.#close());
    input.once("error", (error) => this.#close(error));
    output.once("error", (error) => this.#close(error));
    output.once("close", () => this.#close());
    output.write(resyncMarker(nonce));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Frames keep their order. What is sent after the link closed is dropped; `closed` has told its owner. */
  send(frame: Out): void {
    if (!this.#closed) this.output.write(encodeFrame(this.codec.encode(frame)));
  }

  close(): void {
    this.#close();
  }

  #receive(chunk: Buffer): void {
    if (this.#closed) return;
    try {
      const synced = this.#synced ? chunk : this.#afterMarker(chunk);
      if (synced) for (const frame of this.#decode(synced)) this.emit("frame", frame);
    } catch (error) {
      this.#close(error instanceof Error ? error : new Error(String(error)));
    }
  }

  *#decode(chunk: Buffer): Generator<In> {
    const bodies = this.#frames.push(chunk);
    for (;;) {
      let frame: In;
      try {
        const next = bodies.next();
        if (next.done) return;
        frame = this.codec.decode(next.value);
      } catch (cause) {
        throw new NotAFrame(cause instanceof Error ? cause.message : String(cause), { cause });
      }
      // A listener may have closed the link over the frame before.
      if (this.#closed) return;
      yield frame;
    }
  }

  #afterMarker(chunk: Buffer): Buffer | undefined {
    const marker = resyncMarker(this.nonce);
    const seen = Buffer.concat([this.#before, chunk]);
    const at = seen.indexOf(marker);
    if (at < 0) {
      this.#before = seen.subarray(-marker.length);
      return undefined;
    }
    this.#synced = true;
    this.#before = Buffer.alloc(0);
    return seen.subarray(at + marker.length);
  }

  #close(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.input.destroy();
    this.output.destroy();
    this.emit("closed", error);
  }
}
