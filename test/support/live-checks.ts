// What live output must do on every backend: be there at once, and be exact, however much it is. The figures are printed.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { OutputChunk, SwitchyardClient } from "../../src/client/index.js";

interface TestScope {
  diagnostic(message: string): void;
}

/** Quicker than any reader, and no two places in it are alike. */
export const FLOOD = (bytes: number) => `seq 1 100000000 | head -c ${bytes}`;

/** What is promised; a machine that is busy may be late now and then, but never by as much as until the next line. */
const LATE_MS = 200;
const LINE_EVERY_MS = 1000;

export async function linesComeAtOnce(t: TestScope, client: SwitchyardClient): Promise<void> {
  const trajectory = await client.open();
  const lateMs: number[] = [];
  // Each line says when it was written, by the clock of this machine.
  const command = "for i in 1 2 3 4 5; do date +%s%3N; sleep 1; done";
  const onOutput = ({ data }: OutputChunk) => lateMs.push(Date.now() - Number(data));
  await trajectory.call("bash", { command }, { onOutput });
  const sorted = [...lateMs].sort((a, b) => a - b);
  t.diagnostic(`milliseconds after it was printed: ${sorted.join(", ")}`);
  assert.equal(sorted.length, 5);
  assert.ok((sorted[2] ?? LATE_MS) < LATE_MS, `half of the lines are late: ${sorted} ms`);
  assert.ok((sorted[4] ?? LINE_EVERY_MS) < LINE_EVERY_MS, `lines wait for each other: ${sorted} ms`);
  await trajectory.close();
}

/** Both channels; stdout byte by byte. */
export async function floodIsExact(t: TestScope, client: SwitchyardClient, bytes: number): Promise<void> {
  const trajectory = await client.open();
  const hash = createHash("sha256");
  const ends = { stdout: 0, stderr: 0 };
  let missing = 0;
  const onOutput = ({ channel, data, offset, missing: gap }: OutputChunk) => {
    if (channel === "stdout") hash.update(data);
    ends[channel] = offset + data.length;
    missing += gap;
  };
  const beganMs = performance.now();
  const command = `echo begun >&2; ${FLOOD(bytes)}`;
  const result = await trajectory.call("bash", { command }, { onOutput, timeoutS: 120 });
  t.diagnostic(`${bytes / 1e6} MB at ${(bytes / 1000 / (performance.now() - beganMs)).toFixed(0)} MB/s`);
  assert.deepEqual([result.status, missing, result.outputBytes], ["OK", 0, bytes + 6]);
  assert.deepEqual(ends, { stdout: bytes, stderr: 6 });
  assert.equal(hash.digest("hex"), await sha256Of(FLOOD(bytes)));
  await trajectory.close();
}

async function sha256Of(command: string): Promise<string> {
  const hash = createHash("sha256");
  const child = spawn("bash", ["-c", command], { stdio: ["ignore", "pipe", "ignore"] });
  child.stdout.on("data", (chunk: Buffer) => hash.update(chunk));
  await once(child, "close");
  return hash.digest("hex");
}
