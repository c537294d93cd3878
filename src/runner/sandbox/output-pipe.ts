// What one run writes to its stdout or its stderr. A socket for it costs more than many a command, so nothing is read at first:
// what a short run wrote lies in the FIFO at its end, and is read then. Whoever wants it as it comes follows it by a socket.
// Invariant: no read waits, and one turn of the loop reads a bounded amount, whatever is done with the FIFO's other end.
import type { Socket } from "node:net";
import { socketOf } from "./fifo.js";
import type { Channel, FifoSet } from "./fifo-set.js";
import type { Output } from "./run.js";

/** More than a FIFO usually holds; whoever goes on writing after the run's end is followed. */
const TURN_BYTES_MAX = 256 * 1024;
/** Of all pipes: what is read is handed on at once. */
const PIECE = Buffer.allocUnsafe(TURN_BYTES_MAX);

export class OutputPipe implements Output {
  #onData: ((chunk: Buffer) => void) | undefined;
  #socket: Socket | undefined;
  #isAtEnd = false;

  constructor(
    private readonly set: FifoSet,
    private readonly channel: Channel,
  ) {}

  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  take(onData: (chunk: Buffer) => void): void {
    this.#onData = onData;
    this.#socket?.on("data", onData);
  }

  follow(): Socket {
    this.#socket ??= this.#makeSocket();
    return this.#socket;
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  async ended(): Promise<void> {
    if (!this.#isAtEnd) await new Promise((resolve) => this.follow().once("close", resolve));
  }

  /** The run has ended: what it wrote is taken in. What others may still write is followed. */
  drain(): void {
    for (let bytes = 0; this.#onData && !this.#socket && !this.#isAtEnd && bytes < TURN_BYTES_MAX; ) {
      const count = this.set.read(this.channel, PIECE);
      if (count === undefined) break;
      this.#isAtEnd = count === 0;
      bytes += count;
      if (count > 0) this.#onData(PIECE.subarray(0, count));
    }
    if (!this.#isAtEnd) this.follow();
  }

  /** Nothing more is read of it but what has been already. */
  cutOff(): void {
    this.#socket?.read();
    this.#socket?.destroy();
  }

  /** One that nobody takes from yet keeps what comes. */
  #makeSocket(): Socket {
    const onData = this.#onData;
    const into = onData && { buffer: PIECE, take: (count: number) => onData(PIECE.subarray(0, count)) };
    const socket = socketOf(this.set.cede(this.channel), "read", into);
    socket.once("close", () => {
      this.#isAtEnd = true;
    });
    return socket;
  }
}
