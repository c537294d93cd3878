// One link: frames both ways over a byte stream, between one server and one runner. The server begins it with a marker
// that names its epoch; the runner answers with the same marker. What either reads before that is dropped.
//
//   server:  unsynced ─runner's marker→ synced          a marker or frame of a higher epoch: superseded
//   runner:  unsynced ─server's marker→ synced ─bytes that are no frame→ unsynced ─marker→ …
//
// A runner may answer the marker over another way than it came: a shortcut. From then on frames take the way of the answer,
// and nothing but markers is heeded on the first.
//
//   server's marker ─over the first way→ runner ─its marker, over the shortcut where one is to be had→ server
//
// Invariant: a runner heeds no epoch below the highest that it has seen a marker of, so an old server that wakes up says
// nothing that is heard.
import { EventEmitter } from "node:events";
import type { Duplex, Readable, Writable } from "node:stream";
import { encodeFrame, FrameReader, type TaggedBody } from "./frames.js";
import { MarkerScanner, resyncMarker } from "./marker.js";

/** How frames of one direction look on the wire; ts-proto's message objects have this shape. */
export interface Codec<Out, In> {
  /** In parts, or as a whole. */
  encode(frame: Out): Uint8Array | readonly Uint8Array[];
  decode(bytes: Uint8Array): In;
  /** Largest frame that may arrive. */
  readonly bytesMax: number;
}

/** The server's end knows its epoch; the runner's end learns it. */
export type LinkEnd =
  | { readonly end: "server"; readonly epoch: number }
  /** `shortcut` is asked at each beginning over the first way; it never rejects. */
  | { readonly end: "runner"; readonly shortcut?: () => Promise<Duplex | undefined> };

/** Where the bytes of a link come from and go to. */
interface Way {
  readonly input: Readable;
  readonly output: Writable;
  readonly scanner: MarkerScanner;
}

interface LinkEvents<In> {
  /** The other end's marker was read: frames of this epoch follow. At a runner, once for each marker of its server. */
  synced: [epoch: number];
  frame: [frame: In];
  /** At a server: the runner heeds a newer one. */
  superseded: [epoch: number];
  /** At a runner: bytes that are no frame; nothing is heard until the next marker. */
  garbled: [error: Error];
  /** Once; `error` says why, when it was not an ordinary end: a NotAFrame when the other side broke the rules. */
  closed: [error: Error | undefined];
}

const STALE_MAX = 10_000;
/**
 * A runner that dies takes its shortcut with it at once, and its first way when whoever holds that has noticed, which tells
 * that there is nobody to dial. How long that is waited for, in milliseconds.
 */
const NOTICED_MS_MAX = 1_000;
/** How long what nobody waits for may wait for the next frame, in milliseconds. */
const SOON_MS = 20;

/** What arrived is too long for a frame, or cannot be decoded as one. */
export class NotAFrame extends Error {}

export class Link<Out, In> extends EventEmitter<LinkEvents<In>> {
  #closed = false;
  /** Frames of other epochs, of which an honest runner sends at most what was on its way. */
  #stale = 0;
  #synced = false;
  #epoch: number;
  /** Frames that wait for the next one. */
  readonly #held: Buffer[] = [];
  #soon: NodeJS.Timeout | undefined;
  #orphaned: NodeJS.Timeout | undefined;
  readonly #first: Way;
  /** That of the newest marker. */
  #way: Way;
  readonly #ways = new Set<Way>();
  /** Beginnings that a runner was asked for. */
  #begun = 0;
  #frames: FrameReader;

  constructor(
    input: Readable,
    output: Writable,
    private readonly nonce: string,
    private readonly codec: Codec<Out, In>,
    private readonly role: LinkEnd,
  ) {
    super();
    this.#epoch = role.end === "server" ? role.epoch : 0;
    this.#frames = new FrameReader(codec.bytesMax);
    this.#first = this.#open(input, output);
    this.#way = this.#first;
    if (role.end === "server") this.mark();
  }

  /** Of the server that is heeded. */
  get epoch(): number {
    return this.#epoch;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** At a server: a stream over which the runner may answer the marker. */
  addWay(stream: Duplex): void {
    if (this.#closed) stream.destroy();
    else this.#open(stream, stream);
  }

  /** Begins the link, or begins it anew over the same bytes: the other end answers with a marker of its own. */
  mark(): void {
    this.#flush();
    if (!this.#closed) this.#way.output.write(resyncMarker(this.nonce, this.#epoch));
  }

  /** Frames keep their order. What is sent after the link closed is dropped; `closed` has told its owner. */
  send(frame: Out): void {
    if (this.#closed) return;
    const bytes = encodeFrame(this.codec.encode(frame), this.#epoch);
    this.#way.output.write(this.#held.length === 0 ? bytes : Buffer.concat([...this.#held.splice(0), bytes]));
  }

  /**
   * As send, for what nobody waits for: goes out with the next frame, or by itself a moment later, so that it wakes the
   * other end, and what lies between, less often.
   */
  sendSoon(frame: Out): void {
    if (this.#closed) return;
    this.#held.push(encodeFrame(this.codec.encode(frame), this.#epoch));
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.#flush();
    }, SOON_MS);
  }

  close(): void {
    this.#flush();
    this.#close();
  }

  #flush(): void {
    if (!this.#closed && this.#held.length > 0) this.#way.output.write(Buffer.concat(this.#held.splice(0)));
  }

  #open(input: Readable, output: Writable): Way {
    const way = { input, output, scanner: new MarkerScanner(this.nonce) };
    this.#ways.add(way);
    input.on("data", (chunk: Buffer) => this.#receive(way, chunk));
    input.once("end", () => this.#ended(way));
    input.once("close", () => this.#ended(way));
    input.once("error", (error) => this.#ended(way, error));
    output.once("error", (error) => this.#ended(way, error));
    output.once("close", () => this.#ended(way));
    return way;
  }

  /** A runner waits for the next marker where it can come; a server dials anew. */
  #ended(way: Way, error?: Error): void {
    if (way === this.#first) return this.#close(error);
    this.#leave(way);
    if (way !== this.#way) return;
    [this.#way, this.#synced] = [this.#first, false];
    if (this.role.end === "server") this.#orphaned = setTimeout(() => this.#close(error), NOTICED_MS_MAX);
  }

  #leave(way: Way): void {
    this.#ways.delete(way);
    way.input.destroy();
    way.output.destroy();
  }

  #receive(way: Way, chunk: Buffer): void {
    try {
      for (const piece of way.scanner.push(chunk)) {
        // A listener may have closed the link over what came before, or left this way.
        if (!this.#ways.has(way)) return;
        if (piece.kind === "marker") this.#marked(way, piece.epoch);
        else if (this.#synced && way === this.#way) this.#read(piece.bytes);
      }
    } catch (error) {
      this.#close(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #marked(way: Way, epoch: number): void {
    if (epoch < this.#epoch) return;
    if (epoch > this.#epoch && this.role.end === "server") {
      this.emit("superseded", epoch);
      return;
    }
    this.#epoch = epoch;
    this.#take(way);
    if (this.role.end === "server") this.emit("synced", epoch);
    else if (way !== this.#first || !this.role.shortcut) this.#answer();
    else void this.#answerOver(this.role.shortcut());
  }

  #take(way: Way): void {
    this.#way = way;
    this.#synced = true;
    this.#frames = new FrameReader(this.codec.bytesMax);
  }

  async #answerOver(shortcut: Promise<Duplex | undefined>): Promise<void> {
    this.#begun += 1;
    const begun = this.#begun;
    const stream = await shortcut;
    // A newer marker is answered in its place.
    if (this.#closed || begun !== this.#begun) {
      stream?.destroy();
      return;
    }
    for (const way of this.#ways) if (way !== this.#first) this.#leave(way);
    this.#take(stream ? this.#open(stream, stream) : this.#first);
    this.#answer();
  }

  #answer(): void {
    this.mark();
    this.emit("synced", this.#epoch);
  }

  #read(bytes: Buffer): void {
    const frames = this.#frames.push(bytes);
    for (;;) {
      let frame: In | undefined;
      try {
        const next = frames.next();
        if (next.done) return;
        frame = this.#decode(next.value);
      } catch (cause) {
        return this.#notAFrame(new NotAFrame(cause instanceof Error ? cause.message : String(cause), { cause }));
      }
      if (frame !== undefined) this.emit("frame", frame);
      if (this.#closed) return;
    }
  }

  /** Undefined for a frame of another server's epoch. */
  #decode({ epoch, body }: TaggedBody): In | undefined {
    if (epoch === this.#epoch) return this.codec.decode(body);
    if (epoch > this.#epoch) {
      if (this.role.end === "runner") throw new Error("a frame of an epoch without its marker");
      this.emit("superseded", epoch);
    }
    this.#stale += 1;
    if (this.role.end === "server" && this.#stale > STALE_MAX) throw new Error(`${STALE_MAX} frames of other epochs`);
    return undefined;
  }

  #notAFrame(error: NotAFrame): void {
    if (this.role.end === "server") return this.#close(error);
    this.#synced = false;
    this.emit("garbled", error);
  }

  #close(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#soon);
    clearTimeout(this.#orphaned);
    for (const way of this.#ways) this.#leave(way);
    this.emit("closed", error);
  }
}
