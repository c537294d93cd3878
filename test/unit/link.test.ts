import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { encodeFrame } from "../../src/link/frames.js";
import { type Codec, Link, NotAFrame, resyncMarker } from "../../src/link/link.js";
import { settled } from "../support/fake-clock.js";

const NONCE = "0123456789abcdef";
const TEXT: Codec<string, string> = {
  encode: (frame) => Buffer.from(frame),
  decode: (bytes) => {
    const text = Buffer.from(bytes).toString();
    if (text === "undecodable") throw new Error("no such frame");
    return text;
  },
  bytesMax: 1000,
};

function listen(input = new PassThrough(), output = new PassThrough()) {
  const link = new Link(input, output, NONCE, TEXT);
  const frames: string[] = [];
  const ends: (Error | undefined)[] = [];
  link.on("frame", (frame) => frames.push(frame));
  link.on("closed", (error) => ends.push(error));
  const say = (...frames: string[]) => Buffer.concat(frames.map((frame) => encodeFrame(Buffer.from(frame))));
  return { link, input, output, frames, ends, say };
}

test("two ends talk, whoever came first", async () => {
  const [there, back] = [new PassThrough(), new PassThrough()];
  const a = listen(back, there);
  a.link.send("early");
  const b = listen(there, back);
  b.link.send("hello");
  a.link.send("late");
  await settled();
  assert.deepEqual(b.frames, ["early", "late"]);
  assert.deepEqual(a.frames, ["hello"]);
});

test("whatever came before the marker is dropped, and the marker may be cut anywhere", async () => {
  const marker = resyncMarker(NONCE);
  const before = [Buffer.from("half a frame of somebody else"), resyncMarker("another"), marker.subarray(0, 9)];
  for (let cut = 0; cut <= marker.length; cut++) {
    const { input, frames, ends, say } = listen();
    for (const chunk of before) input.write(chunk);
    input.write(marker.subarray(0, cut));
    input.write(Buffer.concat([marker.subarray(cut), say("one")]));
    input.write(say("two"));
    await settled();
    assert.deepEqual(frames, ["one", "two"], `cut at ${cut}`);
    assert.deepEqual(ends, []);
  }
});

test("without the marker nothing is heard, however much comes", async () => {
  const { input, frames, ends, say } = listen();
  input.write(resyncMarker("another nonce"));
  for (let round = 0; round < 50; round++) input.write(say("x".repeat(900)));
  await settled();
  assert.deepEqual({ frames, ends }, { frames: [], ends: [] });
});

test("a frame that is too long closes the link, and says so", async () => {
  const { link, input, output, frames, ends, say } = listen();
  input.write(Buffer.concat([resyncMarker(NONCE), say("fine", "x".repeat(1001), "unheard")]));
  await settled();
  assert.deepEqual(frames, ["fine"]);
  assert.equal(ends.length, 1);
  assert(ends[0] instanceof NotAFrame);
  assert.equal(ends[0].message, "frame over 1000 bytes");
  assert(link.closed && input.destroyed && output.destroyed);
});

test("a frame that cannot be decoded closes the link", async () => {
  const { input, frames, ends, say } = listen();
  input.write(Buffer.concat([resyncMarker(NONCE), say("fine", "undecodable", "unheard")]));
  await settled();
  assert.deepEqual(frames, ["fine"]);
  assert(ends[0] instanceof NotAFrame);
  assert.equal(ends[0].message, "no such frame");
});

test("a listener that throws closes the link, and it is not the other side's doing", async () => {
  const { link, input, ends, say } = listen();
  link.prependListener("frame", () => {
    throw new Error("a bug");
  });
  input.write(Buffer.concat([resyncMarker(NONCE), say("one", "two")]));
  await settled();
  assert.equal(ends.length, 1);
  assert(ends[0] instanceof Error && !(ends[0] instanceof NotAFrame));
});

test("after its close nothing is heard and what is sent is dropped", async () => {
  const { link, input, frames, ends, say } = listen();
  link.on("frame", () => link.close());
  input.write(Buffer.concat([resyncMarker(NONCE), say("one", "two", "three")]));
  await settled();
  link.send("nobody hears");
  link.close();
  await settled();
  assert.deepEqual({ frames, ends }, { frames: ["one"], ends: [undefined] });
});

test("an ordinary end, a broken input and a broken output each close it once", async () => {
  for (const end of [
    ({ input }: ReturnType<typeof listen>) => input.end(),
    ({ input }: ReturnType<typeof listen>) => input.destroy(),
    ({ input }: ReturnType<typeof listen>) => input.destroy(new Error("broken")),
    ({ output }: ReturnType<typeof listen>) => output.destroy(new Error("broken")),
    ({ output }: ReturnType<typeof listen>) => output.destroy(),
  ]) {
    const live = listen();
    end(live);
    await settled();
    await settled();
    assert.equal(live.ends.length, 1, String(end));
    assert.equal(live.ends[0]?.message, String(end).includes("Error") ? "broken" : undefined);
  }
});
