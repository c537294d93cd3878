import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { logRunnerWords } from "../../src/backend/runner-words.js";
import type { Logger } from "../../src/core/log.js";
import { settled } from "../support/fake-clock.js";

test("a runner's words are logged up to 64 KiB, and more are told of once", async () => {
  const logged: string[] = [];
  const ignore = () => undefined;
  const log: Logger = {
    debug: ignore,
    info: ignore,
    error: ignore,
    warn: (fields) => logged.push("stderr" in fields ? String(fields.stderr) : ""),
    child: () => log,
  };
  const stderr = new PassThrough();
  let told = 0;
  logRunnerWords(stderr, log, () => {
    told += 1;
  });
  stderr.write("a stack trace\n");
  await settled();
  assert.deepEqual([logged, told], [["a stack trace"], 0]);
  for (let i = 0; i < 100; i++) {
    stderr.write("x".repeat(10_000));
    await settled();
  }
  assert.equal(told, 1);
  assert.ok(logged.join("").length <= 64 * 1024);
});
