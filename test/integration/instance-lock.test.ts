// Who may be the server of an instance, among processes that live, stand still and die.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { lockInstance } from "../../src/backend/instance-lock.js";

const HOLDER = fileURLToPath(new URL("../support/hold-instance.ts", import.meta.url));
const REFUSED = { reason: "LISTEN_FAILED", message: /already runs on this machine/ };

const newInstance = () => `test-${randomUUID()}`;

/** A process of its own that has tried to hold the instance; `word` is what it said. */
async function holder(t: TestContext, instance: string): Promise<{ child: ChildProcess; word: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", HOLDER, instance], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const [word] = await once(createInterface({ input: child.stdout }), "line");
  return { child, word: String(word) };
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill("SIGSTOP");
  const isStopped = () => / T /.test(readFileSync(`/proc/${child.pid}/stat`, "latin1"));
  while (!isStopped()) await new Promise((resolve) => setImmediate(resolve));
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

test("a live holder keeps others out, and its name is free when it gives it back", async () => {
  const instance = newInstance();
  const free = await lockInstance(instance);
  await assert.rejects(lockInstance(instance), REFUSED);
  (await lockInstance(`${instance}x`))();
  free();
  (await lockInstance(instance))();
});

test("a live holder in another process keeps others out, until it dies", async (t) => {
  const instance = newInstance();
  const { child, word } = await holder(t, instance);
  assert.equal(word, "held");
  await assert.rejects(lockInstance(instance), REFUSED);
  await kill(child);
  (await lockInstance(instance))();
});

test("one that stands still is passed over; the next one then keeps others out, itself too when it wakes up", async (t) => {
  const instance = newInstance();
  const first = await holder(t, instance);
  await stop(first.child);
  const free = await lockInstance(instance);
  const third = await holder(t, instance);
  assert.match(third.word, /already runs on this machine/);
  first.child.kill("SIGCONT");
  await assert.rejects(lockInstance(instance), REFUSED);
  await kill(first.child);
  // The name of the first is free now, but the instance is not.
  await assert.rejects(lockInstance(instance), REFUSED);
  free();
  (await lockInstance(instance))();
});

test("several that stand still are passed over", async (t) => {
  const instance = newInstance();
  for (let count = 0; count < 2; count++) {
    const { child, word } = await holder(t, instance);
    assert.equal(word, "held");
    await stop(child);
  }
  (await lockInstance(instance))();
});
