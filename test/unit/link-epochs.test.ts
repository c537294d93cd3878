// Who is heard on a link when servers follow one another, and what becomes of bytes that two of them mixed up.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EPOCH_MAX } from "../../src/link/frames.js";
import type { LinkEnd } from "../../src/link/link.js";
import { MarkerScanner, type Piece, resyncMarker } from "../../src/link/marker.js";
import { settled } from "../support/fake-clock.js";
import { EPOCH, frames, linkEnd, NONCE, RUNNER, SERVER } from "../support/link-end.js";

const marker = (epoch = EPOCH) => resyncMarker(NONCE, epoch);

/** What an end that was given the chunks makes of them. */
async function storyOf(role: LinkEnd, ...chunks: readonly Buffer[]) {
  const end = linkEnd(role);
  for (const chunk of chunks) {
    end.input.write(chunk);
    await settled();
  }
  return { ...end, said: end.said() };
}

describe("the scanner", () => {
  const scan = (...chunks: Buffer[]): Piece[] => {
    const scanner = new MarkerScanner(NONCE);
    return chunks.flatMap((chunk) => [...scanner.push(chunk)]);
  };
  const text = (pieces: readonly Piece[]) =>
    pieces.map((piece) => (piece.kind === "marker" ? `<${piece.epoch}>` : piece.bytes.toString("latin1"))).join("");

  test("finds markers wherever they are cut, and keeps every byte between them", () => {
    const stream = Buffer.concat([
      Buffer.from("one\n"),
      marker(1),
      marker(EPOCH_MAX),
      Buffer.from("\n\ntwo"),
      marker(2),
    ]);
    for (let cut = 0; cut <= stream.length; cut++) {
      const pieces = scan(stream.subarray(0, cut), stream.subarray(cut));
      assert.equal(text(pieces), `one\n<1><${EPOCH_MAX}>\n\ntwo<2>`, `cut at ${cut}`);
    }
    assert.equal(text(scan(...[...stream].map((byte) => Buffer.from([byte])))), `one\n<1><${EPOCH_MAX}>\n\ntwo<2>`);
  });

  test("holds back no more than the beginning of a marker, and gives it when it is none", () => {
    assert.equal(text(scan(Buffer.from("a\nswitchyard"))), "a");
    assert.equal(text(scan(Buffer.from("a\nswitchyard"), Buffer.from(" is a yard"))), "a\nswitchyard is a yard");
    assert.equal(text(scan(Buffer.from("a\n\n\nswitch"), Buffer.from("\n"))), "a\n\n\nswitch");
  });

  test("a marker that was cut short hides none that follows", () => {
    for (let size = 0; size < marker().length; size++) {
      const pieces = scan(Buffer.concat([marker(1).subarray(0, size), marker(2), Buffer.from("after")]));
      assert.match(text(pieces), /<2>after$/, `cut at ${size}`);
    }
  });

  test("an epoch that has no digits, or none of ours, is none", () => {
    const odd = Buffer.concat([marker().subarray(0, -13), Buffer.from("00000000zzzz;")]);
    assert(!scan(odd, Buffer.from("after")).some(({ kind }) => kind === "marker"));
    for (const epoch of [-1, 1.5, EPOCH_MAX + 1, Number.NaN]) assert.throws(() => marker(epoch), RangeError);
  });
});

describe("a complete frame is never held back", () => {
  // Up to its epoch: nothing that a frame is made of knows the nonce.
  const tails = Array.from({ length: marker().length - 13 }, (_, size) => marker().subarray(0, size));
  for (const role of [SERVER, RUNNER]) {
    test(`${role.end}: whatever its body ends with`, async () => {
      const end = linkEnd(role);
      end.input.write(marker());
      for (const tail of tails) {
        end.input.write(frames([`x${tail}`]));
        await settled();
        assert.equal(end.frames.at(-1), `x${tail}`);
      }
      assert.deepEqual(end.ends, []);
    });
  }

  test("nor is one whose trailer looks like such a beginning", async () => {
    const epoch = Buffer.from("\nswitc").readUIntBE(0, 6);
    const { story } = await storyOf(RUNNER, marker(epoch), frames(["now"], epoch));
    assert.deepEqual(story, [`synced ${epoch}`, "now"]);
  });
});

describe("at a runner", () => {
  test("each marker of its server begins the link anew, and is answered by its own", async () => {
    const { story, said } = await storyOf(RUNNER, marker(), frames(["one"]), marker(), frames(["two"]));
    assert.deepEqual(story, ["synced 5", "one", "synced 5", "two"]);
    assert.deepEqual(said, ["marker 5", "marker 5"]);
  });

  test("a marker of a higher epoch is another server: the older one is not heard any more", async () => {
    const { story, said, ends } = await storyOf(
      RUNNER,
      Buffer.concat([marker(), frames(["old"])]),
      Buffer.concat([marker(6), frames(["late"], 5), frames(["new"], 6)]),
      Buffer.concat([marker(5), frames(["late again"], 5), frames(["new again"], 6)]),
    );
    assert.deepEqual(story, ["synced 5", "old", "synced 6", "new", "new again"]);
    assert.deepEqual(said, ["marker 5", "marker 6"]);
    assert.deepEqual(ends, []);
  });

  test("what it says belongs to the server that it heeds", async () => {
    const end = linkEnd(RUNNER);
    for (const epoch of [5, 6]) {
      end.input.write(marker(epoch));
      await settled();
      end.link.send("word");
    }
    assert.deepEqual(end.said(), ["marker 5", "5: word", "marker 6", "6: word"]);
  });

  test("a frame of a higher epoch that had no marker is garbage", async () => {
    const { story } = await storyOf(RUNNER, marker(), frames(["new"], 6), frames(["old"], 5));
    assert.deepEqual(story, ["synced 5", "garbled a frame of an epoch without its marker"]);
  });

  const torn = frames(["a frame of some length"]);
  test("a marker in the middle of a frame ends that frame, wherever it is", async () => {
    for (let cut = 0; cut <= torn.length; cut++) {
      const { story } = await storyOf(RUNNER, marker(), torn.subarray(0, cut), marker(6), frames(["whole"], 6));
      const expected = cut === torn.length ? ["a frame of some length"] : [];
      assert.deepEqual(story, ["synced 5", ...expected, "synced 6", "whole"], `cut at ${cut}`);
    }
  });

  test("two writers mixed up in the middle of a frame: no half of one is heard, and a marker mends it", async () => {
    for (let cut = 1; cut < torn.length; cut++) {
      const mixed = [torn.subarray(0, cut), frames(["new server's"], 6), torn.subarray(cut)];
      const end = linkEnd(RUNNER);
      end.input.write(Buffer.concat([marker(6), ...mixed]));
      // More of the new one, until the runner has noticed.
      for (let round = 0; round < 100; round++) end.input.write(frames(["more of it"], 6));
      await settled();
      assert(
        end.story.some((line) => line.startsWith("garbled")),
        `cut at ${cut}: ${end.story}`,
      );
      assert(
        end.frames.every((frame) => ["new server's", "more of it"].includes(frame)),
        `cut at ${cut}`,
      );
      const before = end.story.length;
      end.input.write(Buffer.concat([marker(6), frames(["mended"], 6)]));
      await settled();
      assert.deepEqual(end.story.slice(before), ["synced 6", "mended"], `cut at ${cut}`);
      assert.deepEqual(end.ends, []);
    }
  });

  test("bytes that are no frame do not close it: nothing is heard until the next marker", async () => {
    for (const [bytes, why] of [
      [frames(["undecodable"]), "no such frame"],
      [Buffer.alloc(10, 0xff), "frame over 1000 bytes"],
      [Buffer.concat([frames(["torn"]).subarray(0, -1), Buffer.of(0)]), "frame without its trailer"],
    ] as const) {
      const { story, ends } = await storyOf(RUNNER, marker(), bytes, frames(["unheard"]), marker(), frames(["heard"]));
      assert.deepEqual(story, ["synced 5", `garbled ${why}`, "synced 5", "heard"]);
      assert.deepEqual(ends, []);
    }
  });
});

describe("at a server", () => {
  test("it begins with its marker, and may begin anew over the same bytes", async () => {
    const end = linkEnd(SERVER);
    end.link.send("one");
    end.link.mark();
    end.link.send("two");
    assert.deepEqual(end.said(), ["marker 5", "5: one", "marker 5", "5: two"]);
  });

  test("the runner's marker of its own epoch begins the link, in the middle of a frame too", async () => {
    const { story } = await storyOf(
      SERVER,
      Buffer.concat([marker(), frames(["one"])]),
      Buffer.concat([frames(["torn"]).subarray(0, 4), marker(), frames(["two"])]),
    );
    assert.deepEqual(story, ["synced 5", "one", "synced 5", "two"]);
  });

  test("answers that a runner gave to an older server are not heard", async () => {
    const { story, ends } = await storyOf(
      SERVER,
      Buffer.concat([marker(4), frames(["old"], 4)]),
      Buffer.concat([marker(), frames(["old again"], 4), frames(["mine"])]),
      Buffer.concat([marker(4), frames(["mine too"])]),
    );
    assert.deepEqual(story, ["synced 5", "mine", "mine too"]);
    assert.deepEqual(ends, []);
  });

  test("a marker or a frame of a higher epoch says that the runner has another server", async () => {
    const byMarker = await storyOf(SERVER, marker(), frames(["mine"]), marker(7));
    assert.deepEqual(byMarker.story, ["synced 5", "mine", "superseded 7"]);
    const byFrame = await storyOf(SERVER, marker(), frames(["not mine"], 7), frames(["mine"]));
    assert.deepEqual(byFrame.story, ["synced 5", "superseded 7", "mine"]);
    assert.deepEqual([byMarker.ends, byFrame.ends], [[], []]);
  });

  test("that is so before its own link began too", async () => {
    const { story } = await storyOf(SERVER, marker(7));
    assert.deepEqual(story, ["superseded 7"]);
  });
});
