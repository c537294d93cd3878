import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { toUSVString } from "node:util";
import { Random } from "../../src/load/random.js";
import { OutputCollector } from "../../src/runner/output-collector.js";
import { outputText } from "../../src/runner/output-text.js";

const CHARS_MAX = 1000;
const NOTE = /\n\[\.\.\. (\d+) bytes missing \.\.\.\]\n/;

type Content = string | Buffer;

function text(out: Content, err: Content = "", charsMax = CHARS_MAX) {
  const channels = [out, err].map((content) => {
    const collector = new OutputCollector(charsMax);
    collector.push(Buffer.from(content));
    return collector;
  });
  const [stdout, stderr] = channels;
  assert(stdout && stderr);
  return outputText(stdout, stderr, charsMax);
}

function assertFit(result: { text: string }, charsMax = CHARS_MAX): void {
  assert.equal(result.text, toUSVString(result.text));
  assert([...result.text].length <= charsMax, `${[...result.text].length} characters`);
}

describe("format", () => {
  const cases: readonly [string, string, string][] = [
    ["out\n", "", "out"],
    ["  out \n\n", "", "out"],
    ["out\n", "err\n", "out\n\n[stderr]\nerr"],
    ["out", "err", "out\n[stderr]\nerr"],
    ["", "err\n", "[stderr]\nerr"],
    ["", "", ""],
    ["a\0b", "", "a\0b"],
    ["\u001b[31mred\u001b[0m", "", "\u001b[31mred\u001b[0m"],
  ];
  for (const [out, err, expected] of cases) {
    test(`${JSON.stringify(out)} and ${JSON.stringify(err)}`, () =>
      assert.deepEqual(text(out, err), { text: expected, truncated: false }));
  }
});

describe("bytes that are not UTF-8", () => {
  test("become U+FFFD", () => {
    assert.equal(text(Buffer.from([0x61, 0xff, 0x62])).text, "a\uFFFDb");
  });

  test("all 256 values come through as valid text", () => {
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const result = text(every);
    assertFit(result);
    assert.equal(result.text, every.toString("utf8").trim());
    assert.equal(result.truncated, false);
  });

  // Each looks like the beginning of a character and is none, so each of its bytes becomes a U+FFFD.
  for (const bytes of [
    [0xe0, 0x80, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf0, 0x80, 0x80, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xf5, 0x80, 0x80, 0x80],
    [0xc0, 0x80],
    [0x80],
    [0xf0, 0x9f, 0x98],
  ]) {
    test(`${Buffer.from(bytes).toString("hex")} over and over stays within the bound`, () => {
      for (const count of [300, CHARS_MAX, 5 * CHARS_MAX]) {
        const flood = Buffer.concat(Array.from({ length: count }, () => Buffer.from(bytes)));
        assertFit(text(flood));
        assertFit(text(flood, flood));
      }
    });
  }
});

describe("output over the limit", () => {
  test("one of exactly the limit is whole, one character more is cut", () => {
    assert.deepEqual(text("x".repeat(CHARS_MAX)), { text: "x".repeat(CHARS_MAX), truncated: false });
    const cut = text("x".repeat(CHARS_MAX + 1));
    assert.equal(cut.truncated, true);
    assertFit(cut);
  });

  for (const unit of ["x", "é", "€", "😀", "a€😀é"]) {
    for (const units of [1001, 2000, 5000, 40_000]) {
      test(`${units} of ${unit}: head, tail, and the true number of bytes between them`, () => {
        const whole = unit.repeat(units);
        const result = text(whole);
        assertFit(result);
        assert.equal(result.truncated, true);
        const [head = "", missing, tail = ""] = result.text.split(NOTE);
        assert(head.length > 0 && tail.length > 0, "both ends are there");
        assert(whole.startsWith(head) && whole.endsWith(tail), "no character was split");
        assert.equal(Number(missing), Buffer.byteLength(whole) - Buffer.byteLength(head) - Buffer.byteLength(tail));
      });
    }
  }

  test("most of the room is used", () => {
    const { length } = [...text("€".repeat(10_000)).text];
    assert(length > CHARS_MAX - 10, `${length}`);
  });

  test("both channels long: both are there, each with its own ends", () => {
    const result = text(`O${"o".repeat(5000)}P`, `E${"e".repeat(5000)}F`);
    assertFit(result);
    assert.equal(result.truncated, true);
    const [out = "", err = ""] = result.text.split("\n[stderr]\n");
    assert.match(out, /^Oo+\n\[\.\.\. \d+ bytes missing \.\.\.\]\no+P$/);
    assert.match(err, /^Ee+\n\[\.\.\. \d+ bytes missing \.\.\.\]\ne+F$/);
  });

  test("a short stderr survives a long stdout, and the other way round", () => {
    const shortErr = text("o".repeat(5000), "error: disk\n");
    assertFit(shortErr);
    assert.match(shortErr.text, /\n\[stderr\]\nerror: disk$/);
    const shortOut = text("result: 42\n", "e".repeat(5000));
    assertFit(shortOut);
    assert.match(shortOut.text, /^result: 42\n\n\[stderr\]\ne+/);
    assert([...shortOut.text].length > CHARS_MAX - 10);
  });

  test("two channels that fit alone but not together are cut to fit", () => {
    const result = text("o".repeat(700), "e".repeat(700));
    assertFit(result);
    assert.equal(result.truncated, true);
  });

  test("a character split over the collector's chunks is whole again", () => {
    const bytes = Buffer.from("a😀€é");
    for (let cut = 1; cut < bytes.length; cut++) {
      const collector = new OutputCollector(CHARS_MAX);
      collector.push(bytes.subarray(0, cut));
      collector.push(bytes.subarray(cut));
      assert.equal(outputText(collector, new OutputCollector(CHARS_MAX), CHARS_MAX).text, "a😀€é");
    }
  });
});

test("whatever the bytes, the text is valid and within the bound", () => {
  const random = new Random(20_251_122);
  for (let round = 0; round < 300; round++) {
    // Bytes that begin and continue characters, more often than chance gives.
    const alphabet = [0x61, 0x80, 0xbf, 0xc3, 0xe0, 0xe2, 0xed, 0xf0, 0xf4, 0xff, random.whole(0, 255)];
    const bytes = () => Buffer.from(Array.from({ length: random.whole(0, 6000) }, () => random.pick(alphabet)));
    const result = text(bytes(), random.chance(0.5) ? bytes() : "");
    const what = `seed ${random.seed}, round ${round}`;
    assert.equal(result.text, toUSVString(result.text), what);
    assert([...result.text].length <= CHARS_MAX, `${what}: ${[...result.text].length} characters`);
  }
});
