import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { tmuxFrame } from "../../src/backend/tmux-frames.js";
import type { Call } from "../../src/core/call.js";
import type { JsonObject, JsonValue } from "../../src/core/json.js";
import type { TmuxAction } from "../../src/core/tmux.js";
import { Tmux } from "../../src/gen/switchyard/runner/v1/runner.js";
import { keyFields } from "../../src/runner/tools/keys.js";
import { tmuxAction } from "../../src/runner/tools/tmux-frames.js";
import { Catalogue } from "../../src/tools/catalogue.js";

const POOL_DEFAULT_S = 30;

function plan(args: JsonObject, fields: Partial<Call> = {}, requireStatefulSandbox = false) {
  const catalogue = new Catalogue({
    limits: { fileBytesMax: 1 },
    timeouts: { minS: 1, maxS: 600 },
    requireStatefulSandbox,
  });
  const call = { uniqId: "u", tool: "tmux", arguments: args, streamOutput: false, bytes: 1, ...fields };
  return catalogue.plan(call, POOL_DEFAULT_S);
}

function runs(args: JsonObject, fields: Partial<Call> = {}) {
  const planned = plan(args, fields);
  assert(planned.kind === "sandbox", planned.kind === "done" ? planned.outcome.error : "");
  return planned.plan;
}

function action(args: JsonObject): TmuxAction {
  const { operation } = runs(args);
  assert(operation.kind === "tmux");
  return operation.action;
}

function refused(args: JsonObject): string {
  const planned = plan(args);
  assert(planned.kind === "done", "it runs");
  assert.equal(planned.outcome.status, "INVALID");
  return planned.outcome.error;
}

describe("start", () => {
  const sized = (args: JsonObject) => {
    const started = action({ action: "start", ...args });
    assert(started.kind === "start");
    return [started.paneWidth, started.paneHeight];
  };

  test("has a size by default, and any number is brought into the range", () => {
    assert.deepEqual(action({ action: "start" }), { kind: "start", paneWidth: 120, paneHeight: 40, reset: false });
    assert.deepEqual(sized({ pane_width: 100.9, pane_height: 50 }), [100, 50]);
    assert.deepEqual(sized({ pane_width: 19, pane_height: 9 }), [20, 10]);
    assert.deepEqual(sized({ pane_width: 501, pane_height: Number.POSITIVE_INFINITY }), [500, 200]);
    assert.deepEqual(sized({ pane_width: null, pane_height: -3 }), [120, 10]);
  });

  test("what is no number, or no boolean, is named", () => {
    assert.equal(refused({ action: "start", pane_width: "wide" }), 'Argument pane_width must be a number, not "wide"');
    assert.equal(
      refused({ action: "start", pane_height: Number.NaN }),
      "Argument pane_height must be a number, not NaN",
    );
    assert.equal(refused({ action: "start", reset: 1 }), "Argument reset must be a boolean, not 1");
  });
});

describe("send_keys", () => {
  test("takes a string or a list, and tells whether it waits", () => {
    const { operation, metadata } = runs({ action: "send_keys", keys: "ls\n" });
    const sent = { kind: "send_keys", keys: ["ls\n"], block: false, minWaitS: 0 };
    assert.deepEqual(operation, { kind: "tmux", action: sent });
    assert.deepEqual(metadata, { stateful: true, blocked: false, timeout: 30 });
    const list = ["ls", "Enter", "", "-l;"];
    const args = { action: "send_keys", keys: list, block: true, min_wait_s: -1, max_wait_s: 2.5 };
    assert.deepEqual(action(args), { kind: "send_keys", keys: list, block: true, minWaitS: 0, maxWaitS: 2.5 });
    assert.equal(runs(args).metadata.blocked, true);
  });

  test("needs keys, that are strings without NUL and not too many", () => {
    const wrong = "Argument keys must be a string or a list of strings, not";
    const cases: readonly (readonly [JsonValue | undefined, string])[] = [
      [undefined, "Missing keys"],
      [null, "Missing keys"],
      ["", "Missing keys"],
      [[], "Missing keys"],
      [[""], "Missing keys"],
      [3, `${wrong} 3`],
      [["a", 3], `${wrong} 3`],
      [["a", ["b"]], `${wrong} a list`],
      [{ a: 1 }, `${wrong} an object`],
      ["a\0b", "Argument keys must not contain a NUL character"],
      ["x".repeat(65_537), "Argument keys must have at most 1000 strings and 65536 bytes"],
      [Array.from({ length: 1001 }, () => "x"), "Argument keys must have at most 1000 strings and 65536 bytes"],
    ];
    for (const [keys, error] of cases) {
      assert.equal(refused({ action: "send_keys", ...(keys !== undefined && { keys }) }), error);
    }
    assert.equal(
      refused({ action: "send_keys", keys: "x", max_wait_s: "1" }),
      'Argument max_wait_s must be a number, not "1"',
    );
  });

  test("the timeout that nobody set is longer than the wait; one that is set holds", () => {
    const timeout = (args: JsonObject, fields: Partial<Call> = {}) =>
      runs({ action: "send_keys", keys: "x", ...args }, fields).timeoutS;
    assert.equal(timeout({ block: true, max_wait_s: 10 }), 30);
    assert.equal(timeout({ block: true, max_wait_s: 60 }), 65);
    assert.equal(timeout({ max_wait_s: 60 }), 30);
    assert.equal(timeout({ min_wait_s: 60 }), 65);
    assert.equal(timeout({ block: true, max_wait_s: 1e9 }), 600);
    assert.equal(timeout({ block: true, max_wait_s: 60, timeout: 20 }), 20);
    assert.equal(timeout({ block: true, max_wait_s: 60 }, { timeoutS: 10 }), 10);
  });
});

describe("the other actions", () => {
  test("capture, stream and stop", () => {
    assert.deepEqual(action({ action: "capture" }), { kind: "capture", entire: false });
    assert.deepEqual(action({ action: "capture", capture_entire: true }), { kind: "capture", entire: true });
    assert.deepEqual(action({ action: "stream" }), { kind: "stream", reset: false });
    const stream = { action: "stream", reset: true, max_bytes: 500 };
    assert.deepEqual(action(stream), { kind: "stream", reset: true, bytesMax: 500 });
    assert.deepEqual(action({ action: "stop" }), { kind: "stop" });
    assert.match(refused({ action: "stream", max_bytes: -1 }), /^Argument max_bytes must be a whole number of bytes/);
  });

  test("one that there is not, and none", () => {
    assert.equal(refused({ action: "resize" }), "Unknown tmux action: resize");
    assert.equal(refused({ action: "x".repeat(1000) }), `Unknown tmux action: ${"x".repeat(100)}`);
    assert.equal(refused({}), "Missing action");
    assert.equal(refused({ action: 3 }), "Argument action must be a string, not 3");
  });

  test("policy is the configuration's, and arguments of another action are ignored and named", () => {
    const policy = { allow_network: true, require_sandbox: false, require_stateful_sandbox: false };
    const { metadata } = runs({ action: "capture", keys: "x", ...policy });
    assert.deepEqual(metadata.ignored_arguments, [
      "allow_network",
      "keys",
      "require_sandbox",
      "require_stateful_sandbox",
    ]);
    const strict = plan({ action: "capture", require_stateful_sandbox: false }, {}, true);
    assert(strict.kind === "sandbox" && strict.plan.needsSandbox !== undefined);
  });
});

test("each action survives the link as it is", () => {
  const actions: readonly TmuxAction[] = [
    { kind: "start", paneWidth: 80, paneHeight: 24, reset: true },
    { kind: "send_keys", keys: ["ü", "Enter"], block: true, minWaitS: 0.5, maxWaitS: 0 },
    { kind: "send_keys", keys: ["x"], block: false, minWaitS: 0 },
    { kind: "capture", entire: true },
    { kind: "stream", reset: false, bytesMax: 7 },
    { kind: "stream", reset: true },
    { kind: "stop" },
  ];
  for (const each of actions) {
    assert.deepEqual(tmuxAction(Tmux.decode(Tmux.encode(tmuxFrame(each)).finish())), each);
  }
});

test("keys go in groups that tmux takes, long text in pieces of whole characters", () => {
  assert.deepEqual(keyFields(["ls", "Enter"]), ["k", "2", "ls", "Enter"]);
  const long = "漢".repeat(2000);
  const fields = keyFields(["a", long, "Enter"]);
  assert.deepEqual(
    [fields.slice(0, 3), fields.slice(-3)],
    [
      ["k", "1", "a"],
      ["k", "1", "Enter"],
    ],
  );
  const pieces = fields.slice(3, -3);
  assert.deepEqual(
    pieces.filter((_, index) => index % 3 === 0),
    ["l", "l"],
  );
  const texts = pieces.filter((_, index) => index % 3 === 2);
  assert.equal(texts.join(""), long);
  assert(texts.every((text) => Buffer.byteLength(text) <= 4096));
  const many = keyFields(Array.from({ length: 1000 }, () => "0123456789"));
  assert.deepEqual(many.filter((field) => field === "k").length, 3);
});
