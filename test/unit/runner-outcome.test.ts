import assert from "node:assert/strict";
import { test } from "node:test";
import { outcomeOfFrame } from "../../src/backend/runner-outcome.js";
import { CallFinished, Init, TmuxState } from "../../src/gen/switchyard/runner/v1/runner.js";

const INIT = Init.fromPartial({ isolation: "auto", slots: 1, outputCharsMax: 1000, fileBytesMax: 500 });

function outcome(fields: Partial<CallFinished>) {
  return outcomeOfFrame(CallFinished.fromPartial({ uniqId: "a", status: "OK", ...fields }), INIT);
}

test("an honest result keeps all that it says", () => {
  const finished = {
    status: "NONZERO_EXIT",
    output: "text",
    error: "Exit code: 3",
    exitCode: 3,
    outputBytes: 4n,
    truncated: true,
    execMs: 12.5,
  };
  assert.deepEqual(outcome(finished), {
    status: "NONZERO_EXIT",
    output: "text",
    error: "Exit code: 3",
    metadata: { exit_code: 3 },
    exitCode: 3,
    outputBytes: 4,
    truncated: true,
    queueMs: 0,
    execMs: 12.5,
    slotGeneration: 0,
  });
});

test("a signal and a file's size are told", () => {
  assert.equal(outcome({ status: "SIGNALED", signal: "SIGSEGV", error: "Killed by SIGSEGV" })?.signal, "SIGSEGV");
  assert.deepEqual(outcome({ fileSize: 0n })?.metadata, { size: 0 });
});

test("what became of the lasting shell is told", () => {
  const metadata = (restarted: boolean, kept: boolean) => outcome({ shell: { restarted, kept } })?.metadata;
  assert.deepEqual(metadata(false, true), { shell: "kept" });
  assert.deepEqual(metadata(true, false), { shell: "restarted", restarted: true });
});

test("what there is to say of the tmux session is told", () => {
  const metadata = (tmux: Partial<TmuxState>) => outcome({ tmux: TmuxState.fromPartial(tmux) })?.metadata;
  const recording = ".tmux-2.asciinema.cast";
  const sizes = { pane_width: 80, pane_height: 24, session: "switchyard", recording };
  assert.deepEqual(metadata({ paneWidth: 80, paneHeight: 24, number: 2 }), sizes);
  assert.deepEqual(metadata({ paneWidth: 80, paneHeight: 24, number: 2, kept: true }), { ...sizes, kept: true });
  assert.deepEqual(metadata({ offset: 0n, number: 2 }), { offset: 0, recording });
  assert.deepEqual(metadata({ done: false }), { done: false });
});

test("OK has no error, whatever the runner says", () => assert.equal(outcome({ error: "but" })?.error, ""));

const IMPOSSIBLE: Record<string, Partial<CallFinished>> = {
  "no status": { status: "" },
  "a status that is none": { status: "SPLENDID" },
  "a property of every object": { status: "constructor" },
  "a status that only the server gives": { status: "INVALID" },
  "another of those": { status: "EXTERNAL_FAILED" },
  "a negative exit code": { exitCode: -1 },
  "an exit code over 255": { exitCode: 256 },
  "a signal with odd characters": { signal: "SIG\n" },
  "a long signal": { signal: "S".repeat(33) },
  "more output than any call has": { output: "x".repeat(12_001) },
  "a long error": { error: "x".repeat(10_001) },
  "a time that is no number": { execMs: Number.NaN },
  "an endless time": { execMs: Number.POSITIVE_INFINITY },
  "a negative time": { execMs: -1 },
  "more bytes than can be counted": { outputBytes: 2n ** 53n },
  "a file larger than can be counted": { fileSize: 2n ** 63n },
  "a pane wider than any": { tmux: TmuxState.fromPartial({ paneWidth: 10_001 }) },
  "a pane higher than any": { tmux: TmuxState.fromPartial({ paneHeight: 10_001 }) },
  "more tmux sessions than there can be": { tmux: TmuxState.fromPartial({ number: 1_000_001 }) },
  "a recording longer than can be counted": { tmux: TmuxState.fromPartial({ offset: 2n ** 53n }) },
};

for (const [what, fields] of Object.entries(IMPOSSIBLE)) {
  test(`refused: ${what}`, () => assert.equal(outcome(fields), undefined));
}

test("the most that an honest runner sends is taken", () => {
  assert(outcome({ output: "😀".repeat(1000), execMs: 0, exitCode: 255, outputBytes: 2n ** 53n - 1n }));
});
