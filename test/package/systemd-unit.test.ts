// The systemd unit: systemd itself reads it without a complaint, and its times fit the server's.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { configSchema } from "../../src/config/schema.js";
import { ROOT } from "../support/installed-package.js";

const UNIT = readFileSync(join(ROOT, "deploy", "systemd", "switchyard.service"), "utf8");
const COMMAND = "/usr/local/bin/switchyard";

/** What systemd says about a unit; it says nothing about one that it understands. */
async function verify(unit: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-unit-"));
  try {
    const file = join(folder, "switchyard.service");
    writeFileSync(file, unit);
    const { stdout, stderr } = await promisify(execFile)("systemd-analyze", ["verify", file]);
    return stdout + stderr;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("systemd understands every line of the unit", async () => {
  // The command need not be installed here.
  const unit = UNIT.replace(COMMAND, process.execPath);
  assert.notEqual(unit, UNIT);
  assert.equal(await verify(unit), "");
  assert.match(await verify(unit.replace("RestrictRealtime=", "RestrictRealTime=")), /RestrictRealTime/);
});

test("the unit waits longer for the server's end than the server for running calls, and leaves children to the server", () => {
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, "m").exec(UNIT)?.[1];
  assert.ok(Number(value("TimeoutStopSec")) > configSchema.parse({}).shutdown.grace_s);
  assert.equal(value("KillMode"), "mixed");
  assert.equal(value("ExecReload"), "/bin/kill -HUP $MAINPID");
});
