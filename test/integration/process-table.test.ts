// The processes of a container by user: what is read of those that run, and what is remembered of those that do not.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { ProcessTable } from "../../src/runner/process-table.js";

/** Nobody's but this test's. */
const UID = 1_099_999_000 + (process.pid % 1000);
const MIB = 1024 * 1024;
const skip = process.getuid?.() === 0 ? false : "only root may run a process as another user";

async function begin(t: TestContext, program: string, ...args: string[]): Promise<ChildProcess> {
  const child = spawn(program, args, { uid: UID, gid: UID, cwd: "/", stdio: "pipe" });
  t.after(() => child.kill("SIGKILL"));
  await once(child, "spawn");
  return child;
}

test("what did not run is as it was; what began or ended is told", { skip }, async (t) => {
  const table = new ProcessTable();
  const child = await begin(t, "sleep", "1000");
  let look = table.look().get(UID);
  assert.ok(look?.ran && look.ranCommands && look.own > 0);
  while (look?.ran) look = table.look().get(UID);
  assert.ok(look && look.own > 0 && !look.ranCommands, "it holds what it held");
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.deepEqual(table.look().get(UID), { own: 0, shared: 0, ran: true, ranCommands: true });
  assert.equal(table.look().get(UID), undefined);
});

test("what another thread takes is seen, although the first one sleeps", { skip }, async (t) => {
  const source = `
    const { Worker } = require("worker_threads");
    const wait = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    const take = 'const kept = Buffer.alloc(${64 * MIB}, 1); require("fs").writeSync(1, "x"); (' + wait + ')(kept)';
    new Worker(take, { eval: true });
    wait();`;
  const table = new ProcessTable();
  const child = await begin(t, process.execPath, "-e", source);
  table.look();
  assert.ok(child.stdout);
  await once(child.stdout, "data");
  const look = table.look().get(UID);
  assert.ok(look?.ran && look.own > 64 * MIB, `${look?.own} bytes`);
});
