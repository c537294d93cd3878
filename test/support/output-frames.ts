// The output frames that a stream got of one call, put together: contiguous, or with their gaps named.
import assert from "node:assert/strict";
import { type Output, OutputChannel } from "../../src/gen/switchyard/v1/call.js";
import type { Frame } from "./trajectory-client.js";

export interface Heard {
  readonly text: string;
  /** Bytes left out. */
  readonly missing: number;
  /** Offset after the last byte. */
  readonly end: number;
  readonly frames: number;
}

export function outputsOf(frames: readonly Frame[], uniqId: string): Output[] {
  return frames.flatMap((frame) => (frame.$case === "output" && frame.value.uniqId === uniqId ? [frame.value] : []));
}

/** Asserts that every frame of the channel goes on where the one before it ended, from `start` on, or says what is missing. */
export function heard(outputs: readonly Output[], which: "stdout" | "stderr" = "stdout", start = 0): Heard {
  const { OUTPUT_CHANNEL_STDOUT, OUTPUT_CHANNEL_STDERR } = OutputChannel;
  const channel = which === "stdout" ? OUTPUT_CHANNEL_STDOUT : OUTPUT_CHANNEL_STDERR;
  const mine = outputs.filter((output) => output.channel === channel);
  let [end, missing] = [start, 0];
  for (const { offset, data, missing: gap } of mine) {
    assert.equal(Number(offset), end + Number(gap), "a frame goes on where the last one ended");
    end = Number(offset) + data.length;
    missing += Number(gap);
  }
  return { text: Buffer.concat(mine.map(({ data }) => data)).toString("latin1"), missing, end, frames: mine.length };
}
