// Exit codes of commands, and what they say when they fail.
import assert from "node:assert/strict";
import { test } from "node:test";
import { exitCodeOf, failureText, usage } from "../../src/cli/client/exit.js";
import { CallRejectedError, SwitchyardClientError } from "../../src/client/errors.js";
import { localResult } from "../../src/client/tool-result.js";
import type { CallStatus } from "../../src/core/outcome.js";

const CODES: Record<CallStatus, number> = {
  OK: 0,
  NONZERO_EXIT: 1,
  SIGNALED: 128,
  TIMED_OUT: 124,
  OUT_OF_MEMORY: 137,
  TOOL_FAILED: 1,
  INVALID: 64,
  UNKNOWN_TOOL: 64,
  CANCELLED: 130,
  NOT_STARTED: 75,
  LOST: 70,
  EXTERNAL_FAILED: 69,
  SANDBOX_UNAVAILABLE: 69,
};

test("each status has its exit code, and a command keeps its own", () => {
  const result = localResult("u", "LOST", "");
  for (const [status, code] of Object.entries(CODES)) {
    assert.equal(exitCodeOf({ ...result, status: status as CallStatus }), code, status);
  }
  assert.equal(exitCodeOf({ ...result, status: "NONZERO_EXIT", exitCode: 42 }), 42);
  assert.equal(exitCodeOf({ ...result, status: "NONZERO_EXIT", exitCode: 256 }), 1, "never 0");
  assert.equal(exitCodeOf({ ...result, status: "SIGNALED", signal: "SIGSEGV" }), 139);
});

test("a server that is not there is named, with what to do", () => {
  const cause = new SwitchyardClientError(
    "UNKNOWN",
    "No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:9. Resolution note: ",
    { code: "UNAVAILABLE" },
  );
  const expected = {
    text: 'no server answers at h:9 (connect ECONNREFUSED 127.0.0.1:9); start one with "switchyard serve", or name another with --server',
    code: 69,
  };
  assert.deepEqual(failureText(cause, "h:9"), expected);
  const late = new SwitchyardClientError("UNREACHABLE", "no answer in time", { cause });
  assert.deepEqual(failureText(late, "h:9"), expected);
});

for (const [what, error, code, text] of [
  [
    "a token that is not known",
    new SwitchyardClientError("UNKNOWN", "who", { code: "UNAUTHENTICATED" }),
    77,
    /--token-file/,
  ],
  [
    "another's trajectory",
    new SwitchyardClientError("WRONG_TOKEN", "no", { code: "PERMISSION_DENIED" }),
    77,
    /--resume-token/,
  ],
  ["a limit", new SwitchyardClientError("LIMIT_REACHED", "full", { code: "RESOURCE_EXHAUSTED" }), 75, /^full$/],
  ["a server that goes", new SwitchyardClientError("SHUTTING_DOWN", "bye", { code: "UNAVAILABLE" }), 75, /^bye$/],
  [
    "a pool that is not there",
    new SwitchyardClientError("UNKNOWN_POOL", "none", { code: "INVALID_ARGUMENT" }),
    64,
    /^none$/,
  ],
  [
    "a file that is not there",
    new SwitchyardClientError("ARTIFACT_NOT_FOUND", "none", { code: "NOT_FOUND" }),
    1,
    /^none$/,
  ],
  ["a call that was never accepted", new CallRejectedError("u", "INVALID", "CLIENT", "bad"), 64, /^bad$/],
  ["a call over a limit", new CallRejectedError("u", "NOT_STARTED", "INFRASTRUCTURE", "later"), 75, /^later$/],
  ["a wrong option", usage("no"), 64, /^no$/],
  ["a file of this machine", Object.assign(new Error("ENOENT: x"), { code: "ENOENT", syscall: "open" }), 74, /^ENOENT/],
  ["a defect", new TypeError("oops"), 70, /TypeError: oops\n +at /],
] as const) {
  test(`${what} ends with ${code}`, () => {
    const failure = failureText(error, "h:1");
    assert.equal(failure.code, code);
    assert.match(failure.text, text);
  });
}
