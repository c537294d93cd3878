// `npm test`: node scripts/test.mjs SUITE... [flags for node --test]. A suite is a folder of test/; its *.test.ts files
// run under Node's own test runner. Pure suites run side by side, those that start processes one file at a time.
// A suite that cannot run here says so and is left out; where CI is set, that and a skipped test are failures.
// SWITCHYARD_SUITE_SIZE=whole runs the fault suite with every fault at its full size.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism, constants } from "node:os";
import { join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { filesIn, prepare, root } from "./prepare.mjs";

const PURE = new Set(["unit", "sim"]);
const SANDBOX_IMAGE = "switchyard-sandbox:latest";
// For one test; the longest waits out a call of 45 s.
const TEST_TIMEOUT_MS = 300_000;
// The session that is cut at every byte takes minutes.
const FAULT_TIMEOUT_MS = 900_000;
const mustRun = Boolean(process.env.CI);

const args = process.argv.slice(2);
const firstFlag = args.findIndex((arg) => arg.startsWith("-"));
const suites = firstFlag < 0 ? args : args.slice(0, firstFlag);
const flags = (firstFlag < 0 ? [] : args.slice(firstFlag)).filter((arg) => arg !== "--");

try {
  await main();
} catch (error) {
  console.error(`test: ${error.message}`);
  process.exitCode = 1;
}

async function main() {
  if (suites.length === 0) throw new Error("name the suites to run: unit, sim, integration, docker, fault");
  // The pure ones run the sources as they stand.
  await prepare({ build: suites.every((suite) => PURE.has(suite)) ? "never" : "stale" });
  const totals = new Map();
  const lines = [];
  for (const suite of suites) {
    const obstacle = suite === "docker" || suite === "fault" ? await dockerObstacle() : undefined;
    if (obstacle !== undefined) {
      lines.push(`${suite}: ${mustRun ? "FAILED" : "left out"}: ${obstacle}`);
      if (mustRun) process.exitCode = 1;
      continue;
    }
    const { code, counts } = await runSuite(suite);
    const skipped = mustRun && (counts.get("skipped") ?? 0) > 0;
    for (const [name, count] of counts) totals.set(name, (totals.get(name) ?? 0) + count);
    if (code !== 0 || skipped) process.exitCode = 1;
    let verdict = "passed";
    if (skipped) verdict = "FAILED (skipped tests)";
    if (code !== 0) verdict = `FAILED (exit ${code})`;
    lines.push(`${suite}: ${verdict}: ${spell(counts)}`);
  }
  console.log(`\n${lines.join("\n")}\nall suites: ${spell(totals)}`);
}

function spell(counts) {
  return [...counts].map(([name, count]) => `${name} ${count}`).join(", ") || "nothing ran";
}

async function runSuite(suite) {
  const folder = join(root, "test", suite);
  const files = existsSync(folder) ? filesIn(folder).filter((file) => file.endsWith(".test.ts")) : [];
  if (files.length === 0) throw new Error(`suite ${suite} has no files test/${suite}/**/*.test.ts`);
  const concurrency = PURE.has(suite) ? availableParallelism() : 1;
  const timeoutMs = suite === "fault" ? FAULT_TIMEOUT_MS : TEST_TIMEOUT_MS;
  console.log(`\n== ${suite} (${files.length} files)`);
  const command = [
    ...["--import", "tsx", "--enable-source-maps", "--test", "--test-reporter=spec"],
    ...[`--test-concurrency=${concurrency}`, `--test-timeout=${timeoutMs}`],
    ...flags,
    ...files.map((file) => relative(root, file)),
  ];
  const env = { ...process.env, ...(process.stdout.isTTY && { FORCE_COLOR: "1" }) };
  const child = spawn(process.execPath, command, { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] });
  return watch(child);
}

/** Passes the report on, and takes the counts out of its closing lines. */
async function watch(child) {
  const forward = (signal) => child.kill(signal);
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, forward);
  const counts = new Map();
  let rest = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    process.stdout.write(chunk);
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const match = /^ℹ (tests|pass|fail|cancelled|skipped|todo) (\d+)$/.exec(stripVTControlCharacters(line));
      if (match) counts.set(match[1], Number(match[2]));
    }
  }
  const code = await exitCode(child);
  for (const signal of ["SIGTERM", "SIGINT"]) process.off(signal, forward);
  return { code, counts };
}

function exitCode(child) {
  const codeOf = (code, signal) => code ?? 128 + constants.signals[signal];
  if (child.exitCode !== null || child.signalCode !== null) return codeOf(child.exitCode, child.signalCode);
  return new Promise((resolve) => child.once("exit", (code, signal) => resolve(codeOf(code, signal))));
}

/** Why what needs Docker cannot run here; undefined when it can. */
async function dockerObstacle() {
  const { default: Docker } = await import("dockerode");
  const docker = new Docker({ timeout: 10_000 });
  try {
    await docker.ping();
  } catch (error) {
    return `no Docker daemon answers (${error.message || error.code}); scripts/docker-up starts one`;
  }
  try {
    await docker.getImage(SANDBOX_IMAGE).inspect();
  } catch (error) {
    return `the image ${SANDBOX_IMAGE} cannot be had (${error.message}); scripts/docker-up builds it`;
  }
  return undefined;
}
