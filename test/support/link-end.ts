// One end of a link whose frames are texts, and the hands of whoever writes to it.
import { PassThrough } from "node:stream";
import { encodeFrame, FrameReader } from "../../src/link/frames.js";
import { type Codec, Link, type LinkEnd, type NotAFrame } from "../../src/link/link.js";
import { MarkerScanner } from "../../src/link/marker.js";

export const NONCE = "0123456789abcdef";
export const EPOCH = 5;
export const SERVER: LinkEnd = { end: "server", epoch: EPOCH };
export const RUNNER: LinkEnd = { end: "runner" };

const TEXT: Codec<string, string> = {
  encode: (frame) => Buffer.from(frame),
  decode: (bytes) => {
    const text = Buffer.from(bytes).toString();
    if (text === "undecodable") throw new Error("no such frame");
    return text;
  },
  bytesMax: 1000,
};

export function frames(texts: readonly string[], epoch = EPOCH): Buffer {
  return Buffer.concat(texts.map((text) => encodeFrame(Buffer.from(text), epoch)));
}

export interface TestEnd {
  readonly link: Link<string, string>;
  readonly input: PassThrough;
  readonly output: PassThrough;
  readonly frames: string[];
  readonly ends: (NotAFrame | Error | undefined)[];
  /** `synced N`, `superseded N`, `garbled WHY` and the frames, in the order in which they came. */
  readonly story: string[];
  /** What it wrote, in order: `marker N` and frames as `N: TEXT`. */
  said(): string[];
}

export function linkEnd(role: LinkEnd, input = new PassThrough(), output = new PassThrough()): TestEnd {
  const link = new Link(input, output, NONCE, TEXT, role);
  const [heard, story, ends]: [string[], string[], (Error | undefined)[]] = [[], [], []];
  link.on("frame", (frame) => heard.push(frame));
  link.on("frame", (frame) => story.push(frame));
  link.on("synced", (epoch) => story.push(`synced ${epoch}`));
  link.on("superseded", (epoch) => story.push(`superseded ${epoch}`));
  link.on("garbled", (error) => story.push(`garbled ${error.message}`));
  link.on("closed", (error) => ends.push(error));
  return { link, input, output, frames: heard, ends, story, said: () => spell(output.read() ?? Buffer.alloc(0)) };
}

function spell(bytes: Buffer): string[] {
  const reader = new FrameReader(TEXT.bytesMax);
  return [...new MarkerScanner(NONCE).push(bytes)].flatMap((piece) => {
    if (piece.kind === "marker") return [`marker ${piece.epoch}`];
    return [...reader.push(piece.bytes)].map(({ epoch, body }) => `${epoch}: ${body}`);
  });
}
