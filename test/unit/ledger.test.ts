import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { callDigest } from "../../src/core/call.js";
import type { Entry } from "../../src/trajectory/ledger.js";
import { Ledger } from "../../src/trajectory/ledger.js";
import { okOutcome } from "../support/outcomes.js";
import { bashCall } from "../support/trajectory-world.js";

const BYTES_MAX = 1 << 20;

/** `forgotten` gets the calls whose outcomes are no longer kept, in the order in which the ledger says so. */
function ledger(limits: { callsMax?: number; bytesMax?: number } = {}, forgotten: string[] = []): Ledger {
  const onForgotten = (uniqIds: readonly string[]) => void forgotten.push(...uniqIds);
  return new Ledger({ callsMax: 1024, bytesMax: BYTES_MAX, ...limits }, onForgotten);
}

function accept(book: Ledger, uniqId: string, forStream = true): Entry {
  const { kind, entry } = book.admit(bashCall(uniqId), forStream);
  assert.equal(kind, "new");
  return entry;
}

function finish(book: Ledger, uniqId: string, forStream = true, output = uniqId): Entry {
  const entry = accept(book, uniqId, forStream);
  book.finish(entry, okOutcome(output));
  return entry;
}

describe("digest", () => {
  const base = bashCall("a", { arguments: { command: "x", timeout: 5 }, timeoutS: 3 });

  test("the same call, whatever the order of its keys and what it says beside", () => {
    const same = { ...base, arguments: { timeout: 5, command: "x" }, queueTimeoutS: 9, noOutputTimeoutS: 1 };
    assert.equal(callDigest(same), callDigest(base));
  });

  test("another name, argument or timeout is another call", () => {
    const others = [
      { ...base, tool: "terminal" },
      { ...base, arguments: { command: "x", timeout: "5" } },
      { ...base, arguments: { command: "x" } },
      { ...base, timeoutS: 4 },
      bashCall("a", { arguments: base.arguments }),
      { ...base, arguments: JSON.parse('{"command": "x", "timeout": 5, "__proto__": 1}') },
    ];
    assert.equal(new Set([base, ...others].map(callDigest)).size, others.length + 1);
  });
});

describe("a uniq_id that comes again", () => {
  test("with the same call is known, unfinished or finished", () => {
    const book = ledger();
    const entry = accept(book, "a");
    assert.deepEqual(book.admit(bashCall("a"), true), { kind: "known", entry });
    book.finish(entry, okOutcome("done"));
    const again = book.admit(bashCall("a"), true);
    assert.equal(again.kind, "known");
    assert.equal(again.entry.outcome?.output, "done");
    assert.equal(book.unfinished, 0);
  });

  test("with another call is refused, and the first is unharmed", () => {
    const book = ledger();
    finish(book, "a", true, "first");
    assert.throws(() => book.admit(bashCall("a", { tool: "terminal" }), true), {
      reason: "CALL_CONFLICT",
      message: "uniq_id a was used before for another call; choose a new one",
    });
    assert.equal(book.get("a")?.outcome?.output, "first");
  });

  test("after its acknowledgement is refused, with the same call too", () => {
    const book = ledger();
    finish(book, "a");
    book.acknowledge(["a"]);
    assert.throws(() => book.admit(bashCall("a"), true), { reason: "CALL_CONFLICT", message: /no longer kept/ });
  });
});

describe("acknowledgement", () => {
  test("is idempotent, in any order, and leaves what is unknown or unfinished alone", () => {
    const book = ledger();
    for (const uniqId of ["a", "b", "c"]) finish(book, uniqId);
    const running = accept(book, "d");
    book.acknowledge(["c", "nobody", "d", "a"]);
    book.acknowledge(["a", "c"]);
    assert.deepEqual(
      book.forStream().map(({ uniqId }) => uniqId),
      ["b", "d"],
    );
    book.finish(running, okOutcome());
    assert.equal(book.get("d")?.state, "finished");
  });

  test("does not concern the results of Execute", () => {
    const book = ledger();
    finish(book, "a", false);
    book.acknowledge(["a"]);
    assert.equal(book.get("a")?.outcome?.output, "a");
  });
});

describe("bounds", () => {
  test("calls that are not acknowledged", () => {
    const book = ledger({ callsMax: 2 });
    finish(book, "a");
    accept(book, "b");
    assert.throws(() => book.admit(bashCall("c"), true), { reason: "LIMIT_REACHED", message: /2 calls/ });
    book.acknowledge(["a"]);
    accept(book, "c");
  });

  test("bytes of results: full until they are acknowledged", () => {
    const book = ledger({ bytesMax: 100_000 });
    finish(book, "a", true, "x".repeat(30_000));
    assert.equal(book.isFull, false);
    finish(book, "b", true, "x".repeat(30_000));
    assert.equal(book.isFull, true);
    book.acknowledge(["a"]);
    assert.equal(book.isFull, false);
    book.acknowledge(["b"]);
    for (let round = 0; round < 10; round++) {
      finish(book, `c${round}`, true, "x".repeat(40_000));
      book.acknowledge([`c${round}`]);
    }
    assert.equal(book.isFull, false);
  });

  test("100,000 calls in a life, and then no more, while the known are still known", () => {
    const book = ledger();
    for (let count = 0; count < 100_000; count++) {
      finish(book, `c${count}`);
      if (count < 99_999) book.acknowledge([`c${count}`]);
    }
    assert.throws(() => book.admit(bashCall("one more"), true), { reason: "LIMIT_REACHED", message: /100000 calls/ });
    assert.equal(book.admit(bashCall("c99999"), true).kind, "known");
  });
});

describe("the window of Execute", () => {
  test("keeps the newest 64 results, and the digests of all", () => {
    const book = ledger();
    for (let count = 0; count < 70; count++) finish(book, `e${count}`, false);
    assert.equal(book.get("e5"), undefined);
    assert.equal(book.admit(bashCall("e6"), false).kind, "known");
    assert.throws(() => book.admit(bashCall("e5"), false), { reason: "CALL_CONFLICT" });
  });

  test("does not push out what a stream is owed", () => {
    const book = ledger();
    finish(book, "s");
    for (let count = 0; count < 70; count++) finish(book, `e${count}`, false);
    assert.equal(book.get("s")?.outcome?.output, "s");
  });

  test("a result that a stream asks for too waits for that stream's acknowledgement", () => {
    const book = ledger();
    finish(book, "both", false);
    book.admit(bashCall("both"), true);
    for (let count = 0; count < 70; count++) finish(book, `e${count}`, false);
    assert.equal(book.get("both")?.outcome?.output, "both");
    book.acknowledge(["both"]);
    assert.equal(book.get("both"), undefined);
  });

  test("nobody acknowledges it, so it never keeps new calls out: not by its bytes", () => {
    const book = ledger({ bytesMax: 100_000 });
    for (let count = 0; count < 20; count++) {
      finish(book, `e${count}`, false, "x".repeat(40_000));
      assert.equal(book.isFull, false, `after ${count + 1} results`);
    }
    assert.equal(book.get("e19")?.outcome?.output.length, 40_000);
  });

  test("nor by its number", () => {
    const book = ledger({ callsMax: 2 });
    for (let count = 0; count < 20; count++) finish(book, `e${count}`, false);
    accept(book, "a");
    accept(book, "b");
    assert.throws(() => book.admit(bashCall("c"), true), { reason: "LIMIT_REACHED" });
  });
});

test("whoever waits for an entry hears its end once", () => {
  const book = ledger();
  const entry = accept(book, "a", false);
  const heard: string[] = [];
  entry.waiting.push(({ output }) => heard.push(`1 ${output}`));
  entry.waiting.push(({ output }) => heard.push(`2 ${output}`));
  book.finish(entry, okOutcome("end"));
  assert.deepEqual(heard, ["1 end", "2 end"]);
  assert.equal(entry.waiting.length, 0);
});

describe("calls from an earlier server", () => {
  const adopted = (uniqId: string, state: "running" | "finished" | "acknowledged", forStream = true) => {
    return { uniqId, digest: callDigest(bashCall(uniqId)), forStream, state } as const;
  };

  test("one that runs, or whose result is still to be taken over, is unfinished until then", () => {
    const book = ledger();
    for (const state of ["running", "finished"] as const) {
      const entry = book.restore(adopted(state, state));
      assert(entry);
      assert.deepEqual([entry.state, entry.outcome, book.unfinished], ["running", undefined, 1]);
      assert.deepEqual(book.admit(bashCall(state), true), { kind: "known", entry });
      book.finish(entry, okOutcome("end"));
      assert.equal(book.unfinished, 0);
      assert.equal(book.admit(bashCall(state), true).entry.outcome?.output, "end");
    }
    assert.throws(() => book.admit(bashCall("running", { tool: "terminal" }), true), { reason: "CALL_CONFLICT" });
    assert.deepEqual(
      book.forStream().map(({ uniqId }) => uniqId),
      ["running", "finished"],
    );
  });

  test("of one that was acknowledged only the digest is kept", () => {
    const book = ledger();
    assert.equal(book.restore(adopted("a", "acknowledged")), undefined);
    assert.deepEqual([book.unfinished, book.forStream()], [0, []]);
    assert.throws(() => book.admit(bashCall("a"), true), { reason: "CALL_CONFLICT", message: /no longer kept/ });
  });

  test("one of Execute is in its window, and owed to no stream", () => {
    const book = ledger();
    const entry = book.restore(adopted("e", "finished", false));
    assert(entry);
    book.finish(entry, okOutcome("end"));
    assert.deepEqual(book.forStream(), []);
    assert.equal(book.admit(bashCall("e"), false).entry.outcome?.output, "end");
    for (let count = 0; count < 64; count++) finish(book, `e${count}`, false);
    assert.equal(book.get("e"), undefined);
  });

  test("they count towards the bounds", () => {
    const book = ledger({ callsMax: 1, bytesMax: 10_000 });
    const entry = book.restore(adopted("a", "finished"));
    assert(entry);
    assert.throws(() => book.admit(bashCall("b"), true), { reason: "LIMIT_REACHED" });
    book.finish(entry, okOutcome("x".repeat(10_000)));
    assert.equal(book.isFull, true);
    book.acknowledge(["a"]);
    assert.equal(book.isFull, false);
    accept(book, "b");
  });
});

describe("outcomes that are no longer kept", () => {
  test("are named once, when they are acknowledged", () => {
    const forgotten: string[] = [];
    const book = ledger({}, forgotten);
    for (const uniqId of ["a", "b", "c"]) finish(book, uniqId);
    accept(book, "running");
    book.acknowledge(["b", "running", "nobody"]);
    book.acknowledge(["b"]);
    assert.deepEqual(forgotten, ["b"]);
    book.acknowledge(["c", "a"]);
    assert.deepEqual(forgotten, ["b", "c", "a"]);
  });

  test("and when they leave the window of Execute, by its number, its bytes, or for a new call", () => {
    const forgotten: string[] = [];
    const book = ledger({}, forgotten);
    for (let count = 0; count < 66; count++) finish(book, `e${count}`, false);
    assert.deepEqual(forgotten.splice(0), ["e0", "e1"]);
    const small = ledger({ callsMax: 2, bytesMax: 100_000 }, forgotten);
    finish(small, "large", false, "x".repeat(45_000));
    finish(small, "larger", false, "x".repeat(46_000));
    assert.deepEqual(forgotten.splice(0), ["large"]);
    accept(small, "a");
    assert.deepEqual(forgotten, []);
    accept(small, "b");
    assert.deepEqual(forgotten, ["larger"]);
  });
});
