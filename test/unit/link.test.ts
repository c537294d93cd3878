import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, test } from "node:test";
import { NotAFrame } from "../../src/link/link.js";
import { resyncMarker } from "../../src/link/marker.js";
import { settled } from "../support/fake-clock.js";
import { EPOCH, frames, linkEnd, NONCE, RUNNER, SERVER, type TestEnd } from "../support/link-end.js";

const MARKER = resyncMarker(NONCE, EPOCH);

test("two ends talk, whoever came first", async () => {
  const [there, back] = [new PassThrough(), new PassThrough()];
  const server = linkEnd(SERVER, back, there);
  server.link.send("early");
  const runner = linkEnd(RUNNER, there, back);
  runner.link.on("synced", () => runner.link.send("hello"));
  server.link.send("late");
  await settled();
  assert.deepEqual(runner.frames, ["early", "late"]);
  assert.deepEqual(server.frames, ["hello"]);
});

test("what nobody waits for goes out with the next frame, before it, or by itself soon after", async () => {
  const [there, back] = [new PassThrough(), new PassThrough()];
  const server = linkEnd(SERVER, back, there);
  const runner = linkEnd(RUNNER, there, back);
  await settled();
  const sizes: number[] = [];
  there.on("data", (chunk: Buffer) => sizes.push(chunk.length));
  server.link.sendSoon("one");
  server.link.sendSoon("two");
  await settled();
  server.link.send("three");
  await settled();
  assert.deepEqual(runner.frames, ["one", "two", "three"]);
  assert.deepEqual(sizes, [frames(["one", "two", "three"]).length]);
  server.link.sendSoon("four");
  while (runner.frames.length < 4) await settled();
  server.link.sendSoon("five");
  server.link.close();
  await settled();
  assert.deepEqual([runner.frames.at(-1), sizes.length], ["five", 3]);
});

test("a runner says its marker before anything else, and nothing that it said before is heard", async () => {
  const [there, back] = [new PassThrough(), new PassThrough()];
  const runner = linkEnd(RUNNER, there, back);
  runner.link.send("into the void");
  await settled();
  const server = linkEnd(SERVER, back, there);
  await settled();
  runner.link.send("heard");
  await settled();
  assert.deepEqual(server.story, [`synced ${EPOCH}`, "heard"]);
});

test("whatever came before the marker is dropped, and the marker may be cut anywhere", async () => {
  const others = [resyncMarker("another", EPOCH), MARKER.subarray(0, 9)];
  for (const role of [SERVER, RUNNER]) {
    for (let cut = 0; cut <= MARKER.length; cut++) {
      const { input, frames: heard, ends } = linkEnd(role);
      for (const chunk of [Buffer.from("half a frame of somebody else"), ...others]) input.write(chunk);
      input.write(MARKER.subarray(0, cut));
      input.write(Buffer.concat([MARKER.subarray(cut), frames(["one"])]));
      input.write(frames(["two"]));
      await settled();
      assert.deepEqual(heard, ["one", "two"], `${role.end}: cut at ${cut}`);
      assert.deepEqual(ends, []);
    }
  }
});

test("without the marker nothing is heard, however much comes", async () => {
  for (const role of [SERVER, RUNNER]) {
    const { input, story, ends } = linkEnd(role);
    input.write(resyncMarker("another nonce", EPOCH));
    for (let round = 0; round < 50; round++) input.write(frames(["x".repeat(900)]));
    await settled();
    assert.deepEqual({ story, ends }, { story: [], ends: [] });
  }
});

describe("a server, which believes nothing", () => {
  test("a frame that is too long closes the link, and says so", async () => {
    const { link, input, output, frames: heard, ends } = linkEnd(SERVER);
    input.write(Buffer.concat([MARKER, frames(["fine", "x".repeat(1001), "unheard"])]));
    await settled();
    assert.deepEqual(heard, ["fine"]);
    assert.equal(ends.length, 1);
    assert(ends[0] instanceof NotAFrame);
    assert.equal(ends[0].message, "frame over 1000 bytes");
    assert(link.closed && input.destroyed && output.destroyed);
  });

  test("so do a frame that cannot be decoded and one without its trailer", async () => {
    for (const [bytes, why] of [
      [frames(["undecodable", "unheard"]), "no such frame"],
      [Buffer.concat([frames(["torn"]).subarray(0, -1), frames(["unheard"])]), "frame without its trailer"],
    ] as const) {
      const { input, frames: heard, ends } = linkEnd(SERVER);
      input.write(Buffer.concat([MARKER, frames(["fine"]), bytes]));
      await settled();
      assert.deepEqual(heard, ["fine"]);
      assert(ends[0] instanceof NotAFrame);
      assert.equal(ends[0].message, why);
    }
  });

  test("a listener that throws closes the link, and it is not the other side's doing", async () => {
    const { link, input, ends } = linkEnd(SERVER);
    link.prependListener("frame", () => {
      throw new Error("a bug");
    });
    input.write(Buffer.concat([MARKER, frames(["one", "two"])]));
    await settled();
    assert.equal(ends.length, 1);
    assert(ends[0] instanceof Error && !(ends[0] instanceof NotAFrame));
  });
});

test("after its close nothing is heard and what is sent is dropped", async () => {
  const { link, input, frames: heard, ends } = linkEnd(SERVER);
  link.on("frame", () => link.close());
  input.write(Buffer.concat([MARKER, frames(["one", "two", "three"]), MARKER]));
  await settled();
  link.send("nobody hears");
  link.mark();
  link.close();
  await settled();
  assert.deepEqual({ heard, ends }, { heard: ["one"], ends: [undefined] });
});

test("an ordinary end, a broken input and a broken output each close it once", async () => {
  for (const end of [
    ({ input }: TestEnd) => input.end(),
    ({ input }: TestEnd) => input.destroy(),
    ({ input }: TestEnd) => input.destroy(new Error("broken")),
    ({ output }: TestEnd) => output.destroy(new Error("broken")),
    ({ output }: TestEnd) => output.destroy(),
  ]) {
    for (const role of [SERVER, RUNNER]) {
      const live = linkEnd(role);
      end(live);
      await settled();
      await settled();
      assert.equal(live.ends.length, 1, String(end));
      assert.equal(live.ends[0]?.message, String(end).includes("Error") ? "broken" : undefined);
    }
  }
});
