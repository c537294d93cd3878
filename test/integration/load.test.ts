// `switchyard bench` against a real server: every pace, the checks of results, the reports, the exit codes.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Report } from "../../src/load/report.js";
import { reportIn, startBench } from "../support/bench-run.js";
import { CertificateMaker } from "../support/certificates.js";
import { ServerProcess } from "../support/server-process.js";
import { authOf, newToken } from "../support/tokens.js";

const folder = mkdtempSync(join(tmpdir(), "switchyard-bench-"));
const cleanUps: (() => void)[] = [];
const scope = { after: (cleanUp: () => void) => void cleanUps.push(cleanUp) };
let server: ServerProcess;
let address: string;

before(async () => {
  server = new ServerProcess(
    scope,
    { pools: { default: { slots_per_container: 8, max_containers: 1 } } },
    { backend: "process" },
  );
  ({ address } = await server.ready);
});
after(async () => {
  await server.kill("SIGTERM");
  for (const cleanUp of cleanUps) cleanUp();
  rmSync(folder, { recursive: true });
});

const SHORT = ["--warm-up", "500ms"];
const THREE_S = [...SHORT, "--duration", "3s"];

/** Runs against the server; with its report. */
async function bench(
  ...flags: string[]
): Promise<{ code: number | null; stdout: string; stderr: string; report: Report }> {
  const json = join(folder, "report.json");
  const exit = await startBench("--server", address, "--json", json, ...flags).exited;
  return { ...exit, report: reportIn(json) };
}

const countOf = (report: Report, status: string) =>
  Object.entries(report.total.statuses).reduce(
    (sum, [key, count]) => sum + (key.startsWith(`${status}/`) ? count : 0),
    0,
  );

test("closed loop: a mix of tools, failures, cancels and live output, checked, from two processes", async () => {
  const mix = "6:bash:true,2:bash:echo {id},1:bash_stateful:echo hi,1:read_file:64KiB,1:write_file:4KiB,1:output:20000";
  const html = join(folder, "report.html");
  const { code, stdout, report } = await bench(
    ...["--streams", "8", "--clients", "2", "--mix", mix, "--failure-rate", "20%", "--cancel-rate", "10%"],
    ...["--cancel-after", "1ms", "--stream-output", "--html", html, ...THREE_S],
    ...["--objective", "p99<60s", "--objective", "errors==0", "--objective", "LOST==0"],
  );
  assert.equal(code, 0, stdout);
  assert.deepEqual(report.errors, {});
  assert.equal(report.clients.length, 2);
  assert.ok(report.total.results > 0 && report.total.latency.count > 0);
  assert.ok(countOf(report, "OK") > 0 && countOf(report, "NONZERO_EXIT") > 0);
  assert.ok(report.total.cancelled >= countOf(report, "CANCELLED"));
  assert.ok(report.total.items.every(({ label }) => stdout.includes(label)));
  assert.ok(report.total.exec.p50 > 0 && report.total.exec.p50 < report.total.latency.max);
  assert.ok(
    report.rows.some(({ batchSize }) => batchSize !== undefined && batchSize >= 1),
    "batches are seen",
  );
  const seen = report.rows.flatMap(({ processes }) => processes ?? []);
  assert.ok(
    seen.some(({ runners, everywhere }) => runners === 1 && !everywhere),
    "the server's own runner is seen",
  );
  assert.ok(seen.some(({ serverBytes = 0, runnersBytes = 0 }) => serverBytes > 1e7 && runnersBytes > 1e7));
  assert.ok((report.cpuPerResultUs.server ?? 0) > 0 && (report.cpuPerResultUs.slots ?? 0) > 0);
  assert.equal(report.server?.pools[0]?.backend, "process");
  assert.deepEqual(
    report.objectives.map(({ met }) => met),
    [true, true, true],
  );
  checkPage(readFileSync(html, "utf8"));
});

function checkPage(page: string): void {
  assert.equal(page.match(/<svg /g)?.length, 8, "a chart for each figure");
  assert.equal(page.match(/<svg /g)?.length, page.match(/<\/svg>/g)?.length);
  assert.doesNotMatch(page, /NaN|undefined|Infinity/);
  assert.doesNotMatch(page, /(?:src|href)="(?!data:,")|url\(|@import|https?:/, "it needs nothing from elsewhere");
}

test("open loop: the rate that was asked for, and an objective that is missed", async () => {
  const flags = ["--rate", "20", "--streams", "8", "--objective", "p50<1us", "--objective", "missing==0"];
  const { code, stdout, report } = await bench(...flags, ...THREE_S);
  assert.equal(code, 1);
  assert.match(stdout, /MISSED {2}p50<1us \(\d.*\)\nmet {5}missing==0 \(0\)/);
  assert.equal(report.errorSum, 0);
  const started = report.total.latency.count;
  assert.ok(started > 30 && started < 95, `${started} calls in 3 s at 20/s`);
});

test("steps: each has its own figures, and trajectories come and go", async () => {
  const { code, report } = await bench("--steps", "2,8,4:1500ms", ...SHORT, "--think", "exp:20ms");
  assert.equal(code, 0);
  assert.deepEqual(
    report.stages.map(({ stage }) => stage.to),
    [2, 8, 4],
  );
  assert.ok(report.stages.every(({ results, latency }) => results > 0 && latency.count > 0));
  assert.equal(
    report.stages.reduce((sum, { results }) => sum + results, 0),
    report.total.results,
  );
  assert.ok(report.stages.every(({ ideal = 2 }) => ideal > 0 && ideal < 1.5));
});

test("churn: trajectories are opened, used, released and verified clean, and all slots come back", async () => {
  const { code, report } = await bench("--churn", "--streams", "4", ...THREE_S, "--mix", "1:bash:echo {id}");
  assert.equal(code, 0, JSON.stringify(report.errors));
  assert.ok(report.total.results > 0);
  assert.ok(report.total.first.count > 0 && report.total.first.p50 <= report.total.latency.max);
  const status = await server.status(scope);
  assert.equal(status.pools[0]?.slotsLeased, 0);
});

test("a result that is not what was asked for fails the run", async () => {
  const { code, stdout, report } = await bench(
    "--streams",
    "2",
    ...SHORT,
    "--duration",
    "1s",
    "--mix",
    "1:bash:exit 7",
  );
  assert.equal(code, 1);
  assert.ok((report.errors.unexpected?.count ?? 0) > 0);
  assert.match(stdout, /unexpected: \d+\n {2}NONZERO_EXIT, not OK: Exit code: 7/);
});

test("SIGINT ends a run early, gives the slots back, and still reports", async () => {
  const json = join(folder, "early.json");
  const flags = ["--server", address, "--json", json, "--streams", "4", "--duration", "1h", "--warm-up", "0"];
  const run = startBench(...flags, "--mix", "3:bash:true,1:bash:sleep 20");
  await run.live;
  run.child.kill("SIGINT");
  const { code, stdout } = await run.exited;
  assert.equal(code, 130);
  assert.match(stdout, /The run was cut short\./);
  const report = reportIn(json);
  assert.ok(report.interrupted && report.total.seconds < 600);
  assert.equal(report.errorSum, 0);
  assert.equal((await server.status(scope)).pools[0]?.slotsLeased, 0);
});

test("the null target needs no server, and --json - leaves stdout to the report", async () => {
  const alone = await startBench("--null", "--streams", "8", ...SHORT, "--duration", "1s", "--json", "-").exited;
  assert.equal(alone.code, 0, alone.stderr);
  const report: Report = JSON.parse(alone.stdout);
  assert.ok(report.total.results > 0 && report.server?.version === "null");
  assert.match(alone.stderr, /No errors\./, "the summary goes to stderr");
});

test("a ceiling is measured beside a run", async () => {
  const { code, stdout, report } = await bench("--ceiling", "--streams", "8", ...SHORT, "--duration", "1s");
  assert.equal(code, 0);
  assert.ok((report.ceiling?.rate ?? 0) > report.total.rate);
  assert.match(stdout, /Against the null target the harness made .* this run reached \d+% of that rate/);
});

test("a server with TLS and tokens is reached with both, and without a token not at all", async (t) => {
  const certificates = new CertificateMaker(t);
  const { certFile, keyFile } = certificates.issue("localhost");
  const token = newToken("harness");
  const settings = { tls: { cert: certFile, key: keyFile }, ...authOf(token) };
  const guarded = await new ServerProcess(t, settings, { backend: "process" }).ready;
  const tokenFile = join(folder, "token");
  writeFileSync(tokenFile, `${token.text}\n`, { mode: 0o600 });
  const reach = [
    "--server",
    guarded.address,
    "--ca",
    certificates.caFile,
    "--streams",
    "2",
    ...SHORT,
    "--duration",
    "1s",
  ];
  const { code, stdout, stderr } = await startBench(...reach, "--token-file", tokenFile, "--json", "-").exited;
  assert.equal(code, 0, stderr);
  assert.ok(!stdout.includes(token.text) && !stderr.includes(token.text), "the token stays where it is");
  const refused = await startBench(...reach, "--open-timeout", "500ms").exited;
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /0 of 2 trajectories were ready in 0\.5 s: .*token/i);
});

test("bad usage is exit code 2 and says what is wrong; a server that is not there is 1", async () => {
  const wrong = [
    [["--objective", "speed>1"], /unknown metric speed/],
    [["--mix", "1:cat:x"], /unknown tool cat/],
    [["--bogus"], /unknown option '--bogus'/],
    [["--token-file", "/nowhere/token"], /--token-file: ENOENT/],
    [["--html", "/nowhere/report.html"], /\/nowhere\/report\.html cannot be written/],
  ] as const;
  const exits = await Promise.all(wrong.map(([flags]) => startBench("--server", address, ...flags).exited));
  for (const [index, { code, stderr }] of exits.entries()) {
    assert.equal(code, 2, stderr);
    assert.match(stderr, wrong[index]?.[1] ?? /never/);
  }
  const { code, stderr } = await startBench("--server", "127.0.0.1:1", "--open-timeout", "500ms").exited;
  assert.equal(code, 1);
  assert.match(stderr, /0 of 16 trajectories were ready in 0\.5 s/);
});
