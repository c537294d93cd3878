import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { test } from "node:test";
import type { Output } from "../../src/runner/sandbox/run.js";
import { supervise } from "../../src/runner/tools/supervise.js";

const LIMITS = { timeoutS: 10, noOutputTimeoutS: 0, charsMax: 1000 };

function outputOf(stream: Readable): Output {
  return {
    get isAtEnd() {
      return stream.closed;
    },
    take: (onData) => stream.on("data", onData),
    follow: () => undefined,
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    ended: () => new Promise((resolve) => stream.once("close", resolve)),
  };
}

test("a run's output is whole although the runner stood still for longer than it drains", async () => {
  const { stdout, stderr } = spawn("sh", ["-c", "echo out; echo err >&2"], { stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: outputOf(stdout), stderr: outputOf(stderr) };
  const run = { ...output, ended: Promise.resolve({ waitStatus: 0 }), kill: () => Promise.resolve() };
  const supervised = supervise(run, LIMITS, new AbortController().signal);
  // So far the end was taken in, and draining began; nothing was read, for the loop has not looked at the pipes.
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
  const done = await supervised;
  assert.equal(done.stdout.kept().head.toString(), "out\n");
  assert.equal(done.stderr.kept().head.toString(), "err\n");
});
