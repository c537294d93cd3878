// What one call's reader has of its output, over all streams: drops what comes again, and names what is missing.
import { type Output, OutputChannel as WireChannel } from "../gen/switchyard/v1/call.js";
import type { OutputPosition } from "../gen/switchyard/v1/trajectory.js";

/** A piece of what a call writes, exactly as it was written. The pieces of one channel follow each other. */
export interface OutputChunk {
  readonly channel: "stdout" | "stderr";
  /** Bytes of this channel before `data`. */
  readonly offset: number;
  /** May end within a character, or be empty when it only tells of a gap. */
  readonly data: Uint8Array;
  /** Bytes just before `data` that did not come and will not: the reader was too slow, or a connection broke. */
  readonly missing: number;
}

export class OutputReader {
  readonly #next = { stdout: 0, stderr: 0 };

  constructor(private readonly read: (chunk: OutputChunk) => void) {}

  take({ channel: wire, offset, data }: Output): void {
    const channel = channelOf(wire);
    if (channel === undefined) return;
    const [from, end, next] = [Number(offset), Number(offset) + data.length, this.#next[channel]];
    // Nothing new in it, nor any gap.
    if (end <= next) return;
    this.#next[channel] = end;
    const start = Math.max(from, next);
    try {
      this.read({ channel, offset: start, data: data.subarray(start - from), missing: start - next });
    } catch (error) {
      // The reader's own affair, not the session's.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  position(uniqId: string): OutputPosition {
    const { stdout, stderr } = this.#next;
    return { uniqId, stdoutOffset: BigInt(stdout), stderrOffset: BigInt(stderr) };
  }
}

function channelOf(channel: WireChannel): OutputChunk["channel"] | undefined {
  if (channel === WireChannel.OUTPUT_CHANNEL_STDOUT) return "stdout";
  return channel === WireChannel.OUTPUT_CHANNEL_STDERR ? "stderr" : undefined;
}
