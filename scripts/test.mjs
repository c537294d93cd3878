// `npm test`: node scripts/test.mjs SUITE... [--only=WORD,WORD] [flags for node --test]. A suite is a folder of test/; its
// *.test.ts files, with --only those whose name has a word of it, run under Node's own test runner: in a pure suite as many
// at once as there are processors, else two at once, since they wait most of their time; some attacks run alone.
// A suite that cannot run here says so and is left out; where CI is set, that and a skipped test are failures. What failed
// stands at the end, before the verdicts of the suites.
// SUITE_SIZE=whole runs every attack at every isolation level, and every fault and the random scripts at full size.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, constants, tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { attackTable } from "./attack-table.mjs";
import { failedSection } from "./failed-tests.mjs";
import { filesIn, prepare, root } from "./prepare.mjs";

const PURE = new Set(["unit", "sim"]);
/** Attacks that take all that a machine has, which no other test could bear beside itself. */
const ALONE = new Set(["disk", "flood", "fork-bomb", "memory", "thousand"]);
const SANDBOX_IMAGE = "switchyard-sandbox:latest";
const isWhole = process.env.SUITE_SIZE === "whole";
// For one test, and for one file; the longest test waits out a call of 45 s, the whole ones run 1,000 scripts. Attacks
// have limits of their own.
const TEST_TIMEOUT_MS = isWhole ? 900_000 : 300_000;
// The session that is cut at every byte takes minutes, and so does an image that is built.
const FAULT_TIMEOUT_MS = 900_000;
const PACKAGE_TIMEOUT_MS = 900_000;
const ATTACK_FILE_TIMEOUT_MS = 3_600_000;
const LONG = { adversarial: ATTACK_FILE_TIMEOUT_MS, fault: FAULT_TIMEOUT_MS, package: PACKAGE_TIMEOUT_MS };
const mustRun = Boolean(process.env.CI);

const args = process.argv.slice(2);
const firstFlag = args.findIndex((arg) => arg.startsWith("-"));
const suites = firstFlag < 0 ? args : args.slice(0, firstFlag);
const given = (firstFlag < 0 ? [] : args.slice(firstFlag)).filter((arg) => arg !== "--");
const flags = given.filter((arg) => !arg.startsWith("--only="));
const only = given
  .find((arg) => arg.startsWith("--only="))
  ?.slice("--only=".length)
  .split(",") ?? [""];

// What the runs write beside their report.
const records = mkdtempSync(join(tmpdir(), "switchyard-tests-"));
try {
  await main();
} catch (error) {
  console.error(`test: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(records, { recursive: true });
}

async function main() {
  if (suites.length === 0)
    throw new Error("name the suites to run: unit, sim, integration, docker, fault, adversarial, package");
  // The pure ones run the sources as they stand.
  await prepare({ build: suites.every((suite) => PURE.has(suite)) ? "never" : "stale" });
  const totals = new Map();
  const [lines, failures] = [[], []];
  for (const suite of suites) {
    const obstacle = await obstacleTo(suite);
    if (obstacle !== undefined) {
      lines.push(`${suite}: ${mustRun ? "FAILED" : "left out"}: ${obstacle}`);
      if (mustRun) process.exitCode = 1;
      continue;
    }
    const begin = performance.now();
    const { code, counts, failed } = suite === "adversarial" ? await runAttacks() : await runSuite(suite);
    failures.push(...failed.map((failure) => ({ suite, ...failure })));
    const seconds = Math.round((performance.now() - begin) / 1000);
    const skipped = mustRun && (counts.get("skipped") ?? 0) > 0;
    for (const [name, count] of counts) totals.set(name, (totals.get(name) ?? 0) + count);
    if (code !== 0 || skipped) process.exitCode = 1;
    let verdict = "passed";
    if (skipped) verdict = "FAILED (skipped tests)";
    if (code !== 0) verdict = `FAILED (exit ${code})`;
    lines.push(`${suite}: ${verdict} in ${seconds} s: ${spell(counts)}`);
  }
  if (failures.length > 0) console.log(`\n${failedSection(failures)}`);
  console.log(`\n${lines.join("\n")}\nall suites: ${spell(totals)}`);
}

function spell(counts) {
  return [...counts].map(([name, count]) => `${name} ${count}`).join(", ") || "nothing ran";
}

/** The suite, and after it what each attack came to. */
async function runAttacks() {
  const log = join(records, "attacks");
  const result = await runSuite("adversarial", { ATTACK_LOG: log });
  console.log(`\n${attackTable(recordsOf(log))}`);
  return result;
}

async function runSuite(suite, settings = {}) {
  const folder = join(root, "test", suite);
  const files = existsSync(folder) ? filesIn(folder).filter(isWanted) : [];
  if (files.length === 0)
    throw new Error(`suite ${suite} has no files test/${suite}/**/*.test.ts of ${only.join(" or ")}`);
  console.log(`\n== ${suite} (${files.length} files)`);
  const isAlone = (file) => suite === "adversarial" && ALONE.has(basename(file, ".test.ts"));
  const parts = [
    { files: files.filter((file) => !isAlone(file)), concurrency: PURE.has(suite) ? availableParallelism() : 2 },
    { files: files.filter(isAlone), concurrency: 1 },
  ];
  let code = 0;
  const failed = [];
  const counts = new Map();
  for (const part of parts.filter((each) => each.files.length > 0)) {
    const result = await runFiles(suite, part, settings);
    code ||= result.code;
    failed.push(...result.failed);
    for (const [name, count] of result.counts) counts.set(name, (counts.get(name) ?? 0) + count);
  }
  return { code, counts, failed };
}

async function runFiles(suite, { files, concurrency }, settings) {
  const timeoutMs = LONG[suite] ?? TEST_TIMEOUT_MS;
  const failures = join(records, "failed");
  const command = [
    ...["--import", "tsx", "--enable-source-maps", "--test"],
    ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
    ...["--test-reporter=./scripts/failed-tests.mjs", `--test-reporter-destination=${failures}`],
    ...[`--test-concurrency=${concurrency}`, `--test-timeout=${timeoutMs}`],
    ...flags,
    ...files.map((file) => relative(root, file)),
  ];
  const env = { ...process.env, ...settings, ...(process.stdout.isTTY && { FORCE_COLOR: "1" }) };
  const child = spawn(process.execPath, command, { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] });
  const result = await watch(child);
  return { ...result, failed: recordsOf(failures) };
}

/** A line of JSON each; none where nobody wrote any. */
function recordsOf(file) {
  const text = existsSync(file) ? readFileSync(file, "utf8").trim() : "";
  return text === "" ? [] : text.split("\n").map((line) => JSON.parse(line));
}

function isWanted(file) {
  const name = basename(file);
  return name.endsWith(".test.ts") && only.some((word) => name.includes(word));
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

/** Why a suite cannot run here; undefined when it can. */
async function obstacleTo(suite) {
  if (suite === "docker" || suite === "fault") return dockerObstacle();
  if (suite === "package") return (await dockerObstacle()) ?? registryObstacle();
  return suite === "adversarial" ? ((await dockerObstacle()) ?? (isWhole ? runscObstacle() : undefined)) : undefined;
}

async function runscObstacle() {
  const { default: Docker } = await import("dockerode");
  const { Runtimes } = await new Docker({ timeout: 10_000 }).info();
  if (Runtimes?.runsc) return undefined;
  return "the Docker daemon has no runtime named runsc; scripts/docker-up offers it one";
}

/** The package is installed as users do it. */
function registryObstacle() {
  const { status } = spawnSync("npm", ["ping", "--silent"], { cwd: root, stdio: "ignore", timeout: 60_000 });
  return status === 0 ? undefined : "npm's registry does not answer (npm ping)";
}

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
