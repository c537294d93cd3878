// `switchyard doctor` as a process of its own, the way an operator calls it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import type { Check } from "../../src/cli/doctor/check.js";

const COMMAND = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "dist/src/cli/main.js");

export interface Examination {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `settings` are given as a configuration file. */
export async function runDoctor(
  settings: object | string,
  flags: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Examination> {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-test-"));
  const config = join(folder, "config.yaml");
  writeFileSync(config, typeof settings === "string" ? settings : stringify(settings));
  const child = spawn(process.execPath, [COMMAND, "doctor", "--config", config, ...flags], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, ...(process.env.DOCKER_HOST && { DOCKER_HOST: process.env.DOCKER_HOST }), ...env },
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  rmSync(folder, { recursive: true });
  return { code, stdout, stderr };
}

/** The same by `--json`, as checks by their names. */
export async function examined(settings: object, env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await runDoctor(settings, ["--json"], env);
  assert.equal(stderr, "");
  const list: Check[] = JSON.parse(stdout);
  const checks = new Map(list.map((check) => [check.name, check]));
  const problems = list.filter(({ verdict }) => verdict === "problem");
  return { code, checks, problems };
}
