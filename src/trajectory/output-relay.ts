// The live output of one trajectory's calls, on its way to the stream. Without a stream it stays with the runner, which sends it
// again to the next one. Invariant: what waits here for a client is bounded, for the trajectory and for the server; beyond
// that a piece goes on as the name of a gap.
import type { OutputPiece, OutputPosition, OutputSink } from "../core/output.js";
import type { SlotHolder } from "./slot-holder.js";
import type { CallCounters } from "./surroundings.js";

/** Output that one client has not taken: of the running call, and of those before it. */
const TRAJECTORY_BYTES_MAX = 2 * 1024 * 1024;
/** The same of all clients. */
const SERVER_BYTES_MAX = 64 * 1024 * 1024;
const BEGINNING: OutputPosition = { stdout: 0, stderr: 0 };
const NOTHING = new Uint8Array();

export class OutputRelay {
  /** Of most trajectories there is none, so neither is made before it is needed. */
  #live: Set<string> | undefined;
  /** Pieces that were delivered and not taken. */
  #held: Set<OutputPiece> | undefined;
  #bytes = 0;
  #closed = false;

  constructor(
    private readonly counters: Pick<CallCounters, "outputBytes">,
    private readonly slot: SlotHolder,
    /** Whether there is a stream to deliver to. */
    private readonly hasStream: () => boolean,
    private readonly deliver: (uniqId: string, piece: OutputPiece) => void,
  ) {}

  /** Of a call that is about to run. */
  sinkOf(uniqId: string): OutputSink {
    this.#live ??= new Set();
    this.#live.add(uniqId);
    return (piece) => {
      if (this.hasStream() && !this.#closed) this.deliver(uniqId, this.#hold(piece));
    };
  }

  ended(uniqId: string): void {
    this.#live?.delete(uniqId);
  }

  /** For a new stream: what runs sends its output from where the client has it. */
  replay(positions: ReadonlyMap<string, OutputPosition> = new Map()): void {
    this.forget();
    const held = this.slot.slot;
    for (const uniqId of this.#live ?? []) {
      held?.runner.replayOutput(held.index, uniqId, positions.get(uniqId) ?? BEGINNING);
    }
  }

  /** The stream that pieces were delivered to is gone, or will be. */
  forget(): void {
    this.#held?.clear();
    this.#count(-this.#bytes);
  }

  /** Nothing more is delivered. */
  close(): void {
    this.#closed = true;
    this.forget();
  }

  #hold(piece: OutputPiece): OutputPiece {
    const bytes = piece.data.length;
    const isOver = this.#bytes + bytes > TRAJECTORY_BYTES_MAX || this.counters.outputBytes + bytes > SERVER_BYTES_MAX;
    if (isOver) return { ...piece, offset: piece.offset + bytes, data: NOTHING, missing: piece.missing + bytes };
    const held: OutputPiece = {
      ...piece,
      taken: () => {
        if (this.#held?.delete(held)) this.#count(-bytes);
        piece.taken();
      },
    };
    this.#held ??= new Set();
    this.#held.add(held);
    this.#count(bytes);
    return held;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.counters.outputBytes += bytes;
  }
}
