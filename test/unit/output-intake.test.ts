import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { OutputPiece } from "../../src/core/output.js";
import { OUTPUT_CHUNK_BYTES, OUTPUT_WINDOW_BYTES, OUTPUT_WINDOW_FRAMES } from "../../src/link/output-window.js";
import { bash, bindingOf } from "../support/outcomes.js";
import { finished, known, leasedTo, Peer, type Say, watched } from "../support/runner-peer.js";

const KIB = 1024;

function output(offset: number, data: string | Buffer, fields: object = {}): Say {
  return {
    $case: "output",
    value: { slot: 0, uniqId: "a", offset: BigInt(offset), data: Buffer.from(data), ...fields },
  };
}

/** A runner with the call `a`, whose output is wanted. */
async function streaming(peer?: Peer) {
  const runner = peer ?? (await Peer.ready());
  const pieces: OutputPiece[] = [];
  const operation = bash(0, "run a", { uniqId: "a", output: (piece) => pieces.push(piece) });
  const ends: string[] = [];
  const running = runner.client.runBatch([operation], 5, (_, outcome) => ends.push(outcome.output));
  void watched(running.done);
  /** `CHANNEL OFFSET DATA MISSING` of each piece since the last time. */
  const got = () =>
    pieces
      .splice(0)
      .map(({ channel, offset, data, missing }) => `${channel} ${offset} ${Buffer.from(data)} ${missing}`);
  /** `SEQ STDOUT STDERR` of what the runner was told. */
  const pulls = () =>
    runner.take("pullOutput").map(({ seq, stdoutOffset, stderrOffset }) => `${seq} ${stdoutOffset} ${stderrOffset}`);
  return { peer: runner, pieces, got, pulls, ends };
}

describe("live output of an honest runner", () => {
  test("is asked for only by who wants it, and comes exactly, with its gaps", async () => {
    const { peer, got, pulls, ends } = await streaming();
    peer.run(["b"], 1);
    const calls = peer.take("runBatch").flatMap(({ calls }) => calls);
    assert.deepEqual(
      calls.map(({ uniqId, streamOutput }) => [uniqId, streamOutput]),
      [
        ["a", true],
        ["b", false],
      ],
    );
    await peer.say(output(0, "one"), output(0, "err", { isStderr: true }), output(10, "more"));
    await peer.say(output(20, ""), finished(0, "a", { output: "end" }));
    assert.deepEqual(got(), ["stdout 0 one 0", "stderr 0 err 0", "stdout 10 more 7", "stdout 20  6"]);
    assert.deepEqual([ends, pulls(), peer.lost], [["end"], [], undefined]);
  });

  test("the runner is told by the quarter of a window what has left, in bytes or frames", async () => {
    const { peer, pieces, pulls } = await streaming();
    const chunk = Buffer.alloc(OUTPUT_CHUNK_BYTES);
    for (let at = 0; at < OUTPUT_WINDOW_BYTES; at += chunk.length) await peer.say(output(at, chunk));
    const [first, second, third, fourth] = pieces;
    second?.taken();
    third?.taken();
    fourth?.taken();
    assert.deepEqual(pulls(), [], "not in order");
    first?.taken();
    first?.taken();
    assert.deepEqual(pulls(), [`0 ${4 * OUTPUT_CHUNK_BYTES} 0`]);
    const small = await streaming();
    for (let at = 0; at < OUTPUT_WINDOW_FRAMES; at += 1) await small.peer.say(output(at, "x"));
    for (const piece of small.pieces.slice(0, 20)) piece.taken();
    assert.deepEqual(small.pulls(), ["0 16 0"]);
  });

  test("asked for again: what is still on its way is dropped, and what was passed on counts no more", async () => {
    const { peer, pieces, got, pulls } = await streaming();
    await peer.say(output(0, "abcdef"));
    const [before] = pieces;
    peer.client.replayOutput(0, "a", { stdout: 2, stderr: 0 });
    peer.client.replayOutput(0, "nobody", { stdout: 0, stderr: 0 });
    assert.deepEqual(pulls(), ["1 2 0"]);
    got();
    await peer.say(output(6, "ghi"), output(2, "cdefghi", { seq: 1 }));
    before?.taken();
    assert.deepEqual([got(), pulls(), peer.lost], [["stdout 2 cdefghi 0"], [], undefined]);
  });

  test("a link that begins anew asks for what got lost, once nothing is held", async () => {
    const { peer, pieces, got, pulls } = await streaming();
    await peer.say(output(0, "abc"), output(0, "e", { isStderr: true }));
    const held = [...pieces];
    await peer.relink({ calls: { 0: [known(0, "a", "running")] } });
    assert.deepEqual(pulls(), []);
    for (const piece of held) piece.taken();
    assert.deepEqual(pulls(), ["1 3 1"]);
    await peer.say(output(3, "def", { seq: 1 }));
    for (const piece of pieces) piece.taken();
    assert.deepEqual(got(), ["stdout 0 abc 0", "stderr 0 e 0", "stdout 3 def 0"]);
    await peer.relink({ calls: { 0: [known(0, "a", "running")] } });
    assert.deepEqual([pulls(), peer.lost], [["2 6 1"], undefined]);
  });

  test("one that was adopted sends when it is asked", async () => {
    const { peer, slots } = await Peer.adopted({
      slots: [leasedTo(bindingOf("t")), { open: true }],
      calls: { 0: [{ ...known(0, "a", "running"), streamOutput: true }] },
    });
    assert.equal(slots[0]?.lease?.calls[0]?.streamOutput, true);
    const pieces: OutputPiece[] = [];
    void watched(
      peer.client.resumeCall(
        0,
        "a",
        () => undefined,
        (piece) => pieces.push(piece),
      ).done,
    );
    peer.client.replayOutput(0, "a", { stdout: 100, stderr: 0 });
    assert.deepEqual(
      peer.take("pullOutput").map(({ seq, stdoutOffset }) => [seq, stdoutOffset]),
      [[1, 100n]],
    );
    await peer.say(output(150, "x", { seq: 1 }));
    assert.deepEqual([pieces[0]?.offset, pieces[0]?.missing], [150, 50]);
  });
});

describe("a runner breaks the rules with output", () => {
  const broken: Readonly<Record<string, readonly Say[]>> = {
    "of a call that wants none": [output(0, "x", { uniqId: "b", slot: 1 })],
    "of a call that there is not": [output(0, "x", { uniqId: "c" })],
    "of another slot": [output(0, "x", { slot: 1 })],
    "of a call that has ended": [finished(0, "a"), output(0, "x")],
    "that goes back": [output(0, "abc"), output(2, "c")],
    "that nobody has asked for": [output(0, "x", { seq: 1 })],
    "of nothing": [output(0, "")],
    "after its end": [output(5, ""), output(5, "x")],
    "in too large a frame": [output(0, Buffer.alloc(OUTPUT_CHUNK_BYTES + 1))],
    "beyond what can be counted": [output(2 ** 53, "x")],
    "beyond the window": Array.from({ length: 17 }, (_, at) => output(at * 64 * KIB, Buffer.alloc(64 * KIB))),
    "in too many frames": Array.from({ length: OUTPUT_WINDOW_FRAMES + 3 }, (_, at) => output(at, "x")),
  };
  for (const [what, frames] of Object.entries(broken)) {
    test(what, async () => {
      const { peer } = await streaming();
      peer.run(["b"], 1);
      await peer.say(...frames);
      assert.deepEqual(peer.lost?.reason, "RUNNER_VIOLATION");
      assert.match(peer.lost?.message ?? "", /output that nobody asked for/);
    });
  }

  test("of earlier requests, without end", async () => {
    const { peer } = await streaming();
    const lost = () => peer.lost?.reason;
    peer.client.replayOutput(0, "a", { stdout: 0, stderr: 0 });
    await peer.say(...Array.from({ length: OUTPUT_WINDOW_FRAMES + 2 }, () => output(0, "x")));
    assert.equal(lost(), undefined);
    await peer.say(output(0, "x"));
    assert.equal(lost(), "RUNNER_VIOLATION");
  });
});
