import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { supervise } from "../../src/runner/tools/supervise.js";

const LIMITS = { timeoutS: 10, noOutputTimeoutS: 0, charsMax: 1000 };

test("a run's output is whole although the runner stood still for longer than it drains", async () => {
  const { stdout, stderr } = spawn("sh", ["-c", "echo out; echo err >&2"], { stdio: ["ignore", "pipe", "pipe"] });
  // As on a machine out of breath: the end is known before the loop has looked at the pipes, and its clock is late.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
  const ended = Promise.resolve({ waitStatus: 0 });
  const run = { stdout, stderr, ended, kill: () => Promise.resolve() };
  const done = await supervise(run, LIMITS, new AbortController().signal);
  assert.equal(done.stdout.kept().head.toString(), "out\n");
  assert.equal(done.stderr.kept().head.toString(), "err\n");
});
