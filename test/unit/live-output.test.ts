import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RunnerFrame } from "../../src/gen/switchyard/runner/v1/runner.js";
import { OUTPUT_CHUNK_BYTES, OUTPUT_WINDOW_BYTES, OUTPUT_WINDOW_FRAMES } from "../../src/link/output-window.js";
import { Random } from "../../src/load/random.js";
import { LiveOutput } from "../../src/runner/live-output.js";
import { OutputRing } from "../../src/runner/output-ring.js";
import { FakeClock } from "../support/fake-clock.js";

const KIB = 1024;
const MIB = 1024 * KIB;

class TestSource {
  paused = false;
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
}

function setUp(holdMsMax = 60_000) {
  const clock = new FakeClock();
  const frames: { channel: string; offset: number; data: Buffer; seq: number }[] = [];
  const send = (frame: NonNullable<RunnerFrame["frame"]>) => {
    assert(frame.$case === "output");
    const { isStderr, offset, data, seq } = frame.value;
    frames.push({ channel: isStderr ? "stderr" : "stdout", offset: Number(offset), data: Buffer.from(data), seq });
  };
  const live = new LiveOutput({ slot: 1, uniqId: "a" }, { send, clock, holdMsMax });
  const source = new TestSource();
  const push = (bytes: number, name: "stdout" | "stderr" = "stdout") => live.push(name, Buffer.alloc(bytes, 7), source);
  const pull = (stdout: number, stderr = 0, seq = 0) =>
    live.pull({ seq, stdoutOffset: BigInt(stdout), stderrOffset: BigInt(stderr) });
  /** `CHANNEL OFFSET+LENGTH` of each frame since the last time. */
  const sent = () => frames.splice(0).map(({ channel, offset, data }) => `${channel} ${offset}+${data.length}`);
  /** Writes so much in pieces of 64 KiB, no faster than it is sent while there is room. */
  const fill = async (bytes: number) => {
    for (let pushed = 0; pushed < bytes; pushed += 64 * KIB) {
      push(64 * KIB);
      if ((pushed / KIB / 64) % 4 === 3) await clock.advance(20);
    }
  };
  return { clock, live, source, push, pull, fill, frames, sent };
}

describe("the ring", () => {
  test("holds the newest bytes by their offsets, whatever the pieces", () => {
    const random = new Random(11);
    const ring = new OutputRing(100_000);
    const all = Buffer.from(Array.from({ length: 700_000 }, () => random.whole(0, 255)));
    for (let at = 0; at < all.length; ) {
      const end = Math.min(all.length, at + random.whole(1, 150_000));
      ring.push(all.subarray(at, end));
      at = end;
      assert.deepEqual([ring.end, ring.start], [at, Math.max(0, at - 100_000)]);
      for (let from = ring.start; from < ring.end; ) {
        const piece = ring.read(from, 30_000);
        assert(piece.length > 0 && piece.equals(all.subarray(from, from + piece.length)));
        from += piece.length;
      }
    }
  });
});

describe("live output", () => {
  test("what comes within 20 ms goes together, and never waits longer", async () => {
    const { clock, push, sent } = setUp();
    push(3);
    await clock.advance(19);
    push(4);
    push(5, "stderr");
    assert.deepEqual(sent(), []);
    await clock.advance(1);
    assert.deepEqual(sent(), ["stdout 0+7", "stderr 0+5"]);
    push(1);
    await clock.advance(20);
    assert.deepEqual(sent(), ["stdout 7+1"]);
    assert.equal(clock.timers, 0);
  });

  test("a full piece goes at once", () => {
    const { push, sent } = setUp();
    push(OUTPUT_CHUNK_BYTES + 5);
    assert.deepEqual(sent(), [`stdout 0+${OUTPUT_CHUNK_BYTES}`, `stdout ${OUTPUT_CHUNK_BYTES}+5`]);
  });

  test("no more than the window is on its way, in bytes or in frames", async () => {
    const { clock, fill, pull, frames, sent } = setUp();
    await fill(OUTPUT_WINDOW_BYTES + 256 * KIB);
    await clock.advance(20);
    assert.equal(
      frames.reduce((sum, { data }) => sum + data.length, 0),
      OUTPUT_WINDOW_BYTES,
    );
    sent();
    pull(2 * OUTPUT_CHUNK_BYTES - 1);
    assert.deepEqual(
      sent(),
      [`stdout ${OUTPUT_WINDOW_BYTES}+${OUTPUT_CHUNK_BYTES}`],
      "one piece has left, and not all of the next",
    );
    const small = setUp();
    for (let round = 0; round < 100; round += 1) {
      small.push(1);
      await small.clock.advance(20);
    }
    assert.equal(small.sent().length, OUTPUT_WINDOW_FRAMES);
    small.pull(1);
    assert.deepEqual(small.sent(), [`stdout ${OUTPUT_WINDOW_FRAMES}+36`], "and what has come since goes together");
  });

  test("a client that takes nothing holds the command up for a second in all; then the oldest bytes are dropped", async () => {
    const { clock, push, pull, fill, source, sent } = setUp();
    await fill(OUTPUT_WINDOW_BYTES + 448 * KIB);
    assert.equal(source.paused, false);
    push(64 * KIB);
    assert.equal(source.paused, true);
    await clock.advance(999);
    assert.equal(source.paused, true);
    await clock.advance(1);
    assert.equal(source.paused, false);
    sent();
    for (let pushed = 0; pushed < 10 * MIB; pushed += 64 * KIB) push(64 * KIB);
    assert.deepEqual([source.paused, sent()], [false, []]);
    const end = OUTPUT_WINDOW_BYTES + 512 * KIB + 10 * MIB;
    pull(OUTPUT_WINDOW_BYTES);
    assert.equal(sent()[0], `stdout ${end - MIB}+${OUTPUT_CHUNK_BYTES}`, "it skips to what is kept");
  });

  test("a client that takes 8 MiB/s holds the command up as long as it takes them", async () => {
    const { clock, push, pull, source, frames } = setUp();
    let [pushed, taken] = [0, 0];
    for (let round = 0; round < 2_000; round += 1) {
      while (!source.paused) {
        push(64 * KIB);
        pushed += 64 * KIB;
      }
      await clock.advance(10);
      taken += 100 * KIB;
      pull(taken);
    }
    assert(pushed > 150 * MIB);
    let next = 0;
    for (const { offset, data } of frames) {
      assert.equal(offset, next, "nothing was dropped");
      next += data.length;
    }
  });

  test("a slower one does not, and its command runs on", async () => {
    const { clock, push, pull, source } = setUp();
    let [heldMs, taken] = [0, 0];
    for (let round = 0; round < 1_000; round += 1) {
      for (let chunk = 0; chunk < 10; chunk += 1) if (!source.paused) push(64 * KIB);
      if (source.paused) heldMs += 10;
      await clock.advance(10);
      taken += 10 * KIB;
      pull(taken);
    }
    assert(heldMs > 900 && heldMs < 3_500, `held for ${heldMs} of 10,000 ms`);
  });

  test("however much the client takes, the command is held no longer than allowed", async () => {
    const { clock, push, pull, source, frames } = setUp(3_000);
    let [heldMs, taken] = [0, 0];
    for (let round = 0; round < 1_000; round += 1) {
      for (let chunk = 0; chunk < 10; chunk += 1) if (!source.paused) push(64 * KIB);
      if (source.paused) heldMs += 10;
      await clock.advance(10);
      taken = Math.min(taken + 200 * KIB, frames.at(-1)?.offset ?? 0);
      pull(taken);
    }
    assert(heldMs > 2_900 && heldMs < 3_200, `held for ${heldMs} ms`);
  });

  test("asked for again, it goes on from there, or from the oldest byte that is kept", async () => {
    const { clock, push, pull, frames, sent } = setUp();
    push(500 * KIB);
    push(10, "stderr");
    await clock.advance(40);
    sent();
    pull(499 * KIB, 4, 1);
    assert.deepEqual(
      frames.map(({ seq }) => seq),
      [1, 1],
    );
    assert.deepEqual(sent(), [`stdout ${499 * KIB}+1024`, "stderr 4+6"]);
    for (let pushed = 0; pushed < 2 * MIB; pushed += 64 * KIB) {
      push(64 * KIB);
      await clock.advance(20);
      pull(500 * KIB + pushed + 64 * KIB, 10, 1);
    }
    sent();
    await clock.advance(20);
    pull(0, 10, 2);
    assert.equal(sent()[0], `stdout ${500 * KIB + 2 * MIB - MIB}+${OUTPUT_CHUNK_BYTES}`);
    pull(1e15, 1e15, 3);
    push(64 * KIB);
    await clock.advance(20);
    assert.deepEqual(sent(), [], "nobody wants what comes before that");
  });

  test("after the link began anew nothing goes out before it is asked for, and nobody is held up", async () => {
    const { clock, live, push, pull, fill, source, sent } = setUp();
    await fill(OUTPUT_WINDOW_BYTES + 512 * KIB);
    assert.equal(source.paused, true);
    sent();
    live.unlink();
    assert.equal(source.paused, false);
    push(64 * KIB);
    await clock.advance(100);
    assert.deepEqual([source.paused, sent()], [false, []]);
    pull(OUTPUT_WINDOW_BYTES, 0, 0);
    assert.equal(sent()[0], `stdout ${OUTPUT_WINDOW_BYTES}+${OUTPUT_CHUNK_BYTES}`);
  });

  test("at the end all is sent that the window allows, and what is left is named", async () => {
    const fits = setUp();
    fits.push(10);
    await fits.live.end();
    assert.deepEqual(fits.sent(), ["stdout 0+10"]);
    fits.push(10);
    fits.pull(0, 0, 1);
    assert.deepEqual([fits.sent(), fits.clock.timers], [[], 0], "and nothing after it");
    const { clock, live, fill, sent } = setUp();
    await fill(OUTPUT_WINDOW_BYTES + 256 * KIB);
    sent();
    let over = false;
    const ended = live.end().then(() => {
      over = true;
    });
    await clock.advance(999);
    assert.equal(over, false);
    await clock.advance(1);
    await ended;
    assert.deepEqual(sent(), [`stdout ${OUTPUT_WINDOW_BYTES + 256 * KIB}+0`]);
  });

  test("the end waits for a client that takes, and for nobody once the call is cancelled", async () => {
    for (const how of ["taken", "hurry"]) {
      const { clock, live, fill, pull, sent } = setUp();
      await fill(OUTPUT_WINDOW_BYTES + 64 * KIB);
      await clock.advance(20);
      sent();
      const ended = live.end();
      if (how === "taken") pull(OUTPUT_CHUNK_BYTES);
      else live.hurry();
      await ended;
      const last = how === "taken" ? `${OUTPUT_WINDOW_BYTES}+65536` : `${OUTPUT_WINDOW_BYTES + 64 * KIB}+0`;
      assert.deepEqual(sent(), [`stdout ${last}`]);
    }
  });
});
