// What a running call writes, on its way from its runner to the stream that asked for it.

export type OutputChannel = "stdout" | "stderr";

/** Bytes of each channel that were received, or are not wanted. */
export type OutputPosition = Readonly<Record<OutputChannel, number>>;

export interface OutputPiece {
  readonly channel: OutputChannel;
  /** Bytes of the channel before `data`. */
  readonly offset: number;
  /** Empty when it only names a gap. */
  readonly data: Uint8Array;
  /** Bytes just before `offset` that were dropped. */
  readonly missing: number;
  /** It has left the server. Without it no more than a window of pieces comes. Idempotent. */
  taken(): void;
}

/** Does not throw. */
export type OutputSink = (piece: OutputPiece) => void;
