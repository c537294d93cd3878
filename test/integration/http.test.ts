// Metrics and health over HTTP, of a real server that has run real calls.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { credentials } from "@grpc/grpc-js";
import { stringify } from "yaml";
import { serveHttp } from "../../src/cli/watched.js";
import { ArtifactServiceClient, ListArtifactsRequest } from "../../src/gen/switchyard/v1/artifact_service.js";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { Pool } from "../../src/pool/pool.js";
import { Metrics } from "../../src/telemetry/metrics.js";
import { FakeBackend, SILENT } from "../support/fake-backend.js";
import { FakeClock } from "../support/fake-clock.js";
import { type LiveService, startLive } from "../support/live-service.js";
import { authOf, newToken } from "../support/tokens.js";

let live: LiveService;
before(async () => {
  live = await startLive("process", { http: { listen: "127.0.0.1:0" } });
});
after(() => live.close());

function get(path: string, method = "GET"): Promise<Response> {
  return fetch(`http://${live.httpAddress}${path}`, { method });
}

/** The samples of one metric, by their labels as they are written. */
async function samples(name: string): Promise<Map<string, number>> {
  const lines = (await (await get("/metrics")).text()).split("\n");
  const own = lines.flatMap((line) => {
    const [, found, labels = "", value] = /^(\w+)(\{.*\})? (\S+)$/.exec(line) ?? [];
    return found === name ? [[labels, Number(value)] as const] : [];
  });
  return new Map(own);
}

const callsOf = (tool: string, status: string, fault: string) => `{tool="${tool}",status="${status}",fault="${fault}"}`;

test("counts calls by tool, status and fault, and names that models make up only once", async () => {
  const stream = await live.open({ trajectoryId: "counted" });
  await stream.bash("true");
  await stream.bash("exit 3");
  await stream.call("read_file", { path: "none" });
  for (const name of ["one", "two", "three"]) {
    assert.equal((await stream.call(name, {})).status, CallStatus.CALL_STATUS_UNKNOWN_TOOL);
  }
  const calls = await samples("switchyard_calls_total");
  assert.equal(calls.get(callsOf("bash", "OK", "NONE")), 1);
  assert.equal(calls.get(callsOf("bash", "NONZERO_EXIT", "NONE")), 1);
  assert.equal(calls.get(callsOf("read_file", "TOOL_FAILED", "POLICY")), 1);
  assert.equal(calls.get(callsOf("unknown", "UNKNOWN_TOOL", "POLICY")), 3);
  assert.equal(calls.size, 4);
  assert.equal((await samples("switchyard_call_exec_seconds_count")).get('{tool="bash"}'), 2);
  assert.equal((await samples("switchyard_call_queue_seconds_count")).get('{tool="read_file"}'), 1);
  assert.equal((await samples("switchyard_batch_size_calls_sum")).get(""), 3);
  assert.equal((await samples("switchyard_streams")).get(""), 1);
  assert.equal((await samples("switchyard_slots")).get('{pool="default",state="leased"}'), 1);
  assert.equal((await samples("switchyard_containers")).get('{pool="default"}'), 1);
  assert.ok(((await samples("switchyard_ledger_bytes")).get("") ?? 0) > 0, "six results wait to be acknowledged");
  await stream.halfClose();
});

function promtool(args: readonly string[], input = ""): void {
  const { status, stdout, stderr, error } = spawnSync("promtool", args, { input, encoding: "utf8" });
  assert.equal(error, undefined, "promtool is in Debian's package prometheus");
  assert.equal(status, 0, stdout + stderr);
}

const docOf = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");

/** Each family's type, and whether it has a sample. */
function familiesOf(scrape: string): Map<string, { type: string; hasSample: boolean }> {
  const lines = scrape.split("\n");
  const sampled = new Set(lines.map((line) => /^\w+/.exec(line)?.[0].replace(/_(bucket|sum|count)$/, "")));
  const types = lines.flatMap((line) => {
    const [, name, type = ""] = /^# TYPE (\w+) (\w+)$/.exec(line) ?? [];
    return name === undefined ? [] : [[name, { type, hasSample: sampled.has(name) }] as const];
  });
  return new Map(types);
}

test("under load promtool finds nothing to complain of, no family of ours is empty, and the docs have them all", async () => {
  let isOver = false;
  const workers = Array.from({ length: 8 }, async (_, index) => {
    const stream = await live.open({ trajectoryId: `load-${index}` });
    while (!isOver) await stream.bash("echo load", { streamOutput: true });
    await stream.halfClose();
  });
  const artifacts = new ArtifactServiceClient(live.address, credentials.createInsecure());
  await live.execute("load-files", { uniqId: "1", name: "write_file", arguments: { path: "a", content: "b" } });
  await new Promise((resolve, reject) => {
    const request = ListArtifactsRequest.fromPartial({ trajectoryId: "load-files" });
    artifacts.listArtifacts(request, (error, response) => (error ? reject(error) : resolve(response)));
  });
  artifacts.close();
  await assert.rejects(live.release("nobody", false));
  // A runner is pinged every few seconds.
  while (((await samples("switchyard_link_round_trip_seconds_count")).get("") ?? 0) === 0);
  const scrape = await (await get("/metrics")).text();
  promtool(["check", "metrics"], scrape);
  isOver = true;
  await Promise.all(workers);
  const families = familiesOf(scrape);
  const own = [...families].filter(([name]) => name.startsWith("switchyard_"));
  assert.deepEqual(
    own.filter(([, { hasSample }]) => !hasSample),
    [],
  );
  assert.equal((await samples("switchyard_transfers_total")).get('{kind="list"}'), 1);
  assert.equal((await samples("switchyard_requests_refused_total")).get('{reason="TRAJECTORY_UNKNOWN"}'), 1);
  assert.equal((await samples("switchyard_container_starts_total")).get('{pool="default",result="ok"}'), 1);
  const rows = docOf("docs/operations.md").matchAll(/^\| `(switchyard_\w+)` \| (\w+) \|/gm);
  const documented = [...rows].map(([, name, type]) => `${name} ${type}`).sort();
  assert.deepEqual(documented, own.map(([name, { type }]) => `${name} ${type}`).sort());
  const named = docOf("deploy/prometheus/alerts.yaml").match(/\b(switchyard|nodejs|process)_\w+/g) ?? [];
  for (const name of named) assert.ok(families.has(name.replace(/_bucket$/, "")), `${name} is in alerts.yaml alone`);
});

test("promtool takes the alerts, the docs tell of each, and the ones for a pool that is down fire", () => {
  const file = fileURLToPath(new URL("../../deploy/prometheus/alerts.yaml", import.meta.url));
  promtool(["check", "rules", file]);
  const alerts = [...docOf("deploy/prometheus/alerts.yaml").matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  const rows = docOf("docs/operations.md").matchAll(/^\| `(Switchyard\w+)` \|/gm);
  assert.deepEqual([...rows].map(([, name]) => name).sort(), alerts.sort());
  const folder = mkdtempSync(join(tmpdir(), "switchyard-test-"));
  try {
    writeFileSync(join(folder, "tests.yaml"), stringify(ruleTests(file)));
    promtool(["test", "rules", join(folder, "tests.yaml")]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** A pool is down from minute 5 on; from minute 10 on a tenth of the calls is lost. */
function ruleTests(file: string): object {
  const calls = (status: string, fault: string) =>
    `switchyard_calls_total{instance="i",status="${status}",fault="${fault}"}`;
  const firing = (minute: number, ...names: string[]) => ({
    expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
    eval_time: `${minute}m`,
    exp_samples: names.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
  });
  return {
    rule_files: [file],
    evaluation_interval: "1m",
    tests: [
      {
        interval: "1m",
        input_series: [
          { series: 'switchyard_pool_down{instance="i",pool="p"}', values: "0x4 1x40" },
          { series: calls("OK", "NONE"), values: "0+90x45" },
          { series: calls("LOST", "INFRASTRUCTURE"), values: "0x9 0+10x35" },
        ],
        promql_expr_test: [
          firing(5),
          firing(8, "SwitchyardPoolDown"),
          firing(30, "SwitchyardInfrastructureFaults", "SwitchyardPoolDown"),
        ],
      },
    ],
  };
}

test("is alive and ready, and answers what it does not serve with what it does", async () => {
  assert.equal((await get("/healthz")).status, 200);
  assert.equal(await (await get("/readyz")).text(), "ready\n");
  assert.equal((await get("/metrics", "HEAD")).status, 200);
  const [missing, posted] = [await get("/other"), await get("/metrics", "POST")];
  assert.deepEqual([missing.status, posted.status, posted.headers.get("allow")], [404, 405, "GET, HEAD"]);
  assert.match(await missing.text(), /\/metrics, \/healthz and \/readyz/);
});

/** Its containers start only while `works` says so. */
function poolOf(name: string, clock: FakeClock, works: () => boolean): { pool: Pool; backend: FakeBackend } {
  const onStart = () => {
    if (!works()) throw new Error("no such\nimage");
  };
  const backend = new FakeBackend(clock, { onStart });
  const limits = { minContainers: 1, maxContainers: 1, failuresMax: 2 };
  return { pool: new Pool({ name, backend, clock, log: SILENT, limits }), backend };
}

test("is ready while a pool can serve, and says which cannot", async (t) => {
  const clock = new FakeClock();
  const well = { good: true, bad: true };
  const good = poolOf("good", clock, () => well.good);
  const bad = poolOf("bad", clock, () => well.bad);
  const pools = [good.pool, bad.pool];
  const started = Promise.all(pools.map((pool) => pool.start()));
  await clock.advance(1_000);
  await started;
  const counters = { bytes: 0, outputBytes: 0, queued: 0, total: 0, errors: 0 };
  const http = await serveHttp(
    { http: { listen: "127.0.0.1:0" } },
    {
      metrics: new Metrics("0"),
      pools,
      directory: { size: 0, counters, ledgerBytes: 0, transfers: 0 },
      server: { streams: 0 },
      whyNotReady: () => undefined,
    },
  );
  assert.ok(http);
  t.after(() => http.close());
  const ready = async () => {
    const response = await fetch(`http://${http.address}/readyz`);
    return `${response.status} ${(await response.text()).trim()}`;
  };
  /** A container ends, and the next one does not come. */
  const breakDown = async ({ backend }: { backend: FakeBackend }) => {
    for (const container of backend.containers) container.kill();
    await clock.advance(120_000);
  };
  const badIsDown = "pool bad has no container, and none can be started: no such image";
  assert.equal(await ready(), "200 ready");
  well.bad = false;
  await breakDown(bad);
  assert.equal(await ready(), `200 ready\n${badIsDown}`);
  const scrape = await (await fetch(`http://${http.address}/metrics`)).text();
  for (const line of ['pool_down{pool="bad"} 1', 'pool_down{pool="good"} 0', 'containers_lost_total{pool="bad"} 1']) {
    assert.ok(scrape.includes(`switchyard_${line}\n`), line);
  }
  well.good = false;
  await breakDown(good);
  assert.match(await ready(), /^503 pool good has no container.*\npool bad has no container/);
});

test("is not ready while it shuts down, but alive", async () => {
  const ending = await startLive("process", { http: { listen: "127.0.0.1:0" } });
  const stream = await ending.open({ trajectoryId: "last" });
  const running = stream.bash("echo started; read < /dev/zero", { streamOutput: true });
  await stream.first("output");
  const closed = ending.close(60_000);
  const [ready, alive] = await Promise.all(
    ["readyz", "healthz"].map((path) => fetch(`http://${ending.httpAddress}/${path}`)),
  );
  assert.equal(ready?.status, 503);
  assert.match((await ready?.text()) ?? "", /shutting down/);
  assert.equal(alive?.status, 200);
  stream.send({ $case: "release", value: { resetWorkspace: false } });
  await running;
  await closed;
  await assert.rejects(fetch(`http://${ending.httpAddress}/healthz`));
});

const SCRAPER = `
const { parentPort, workerData } = require("node:worker_threads");
const { request } = require("node:http");
const asked = request(workerData, (response) => {
  let text = "";
  response.setEncoding("utf8").on("data", (piece) => (text += piece)).on("end", () => parentPort.postMessage(text));
});
asked.once("socket", (socket) => socket.once("connect", () => asked.end(() => parentPort.postMessage("asked"))));
`;

test("a scrape that comes while the loop is busy is answered when it turns, and tells of it", async () => {
  await get("/metrics");
  const turn = new SharedArrayBuffer(4);
  const worker = new Worker(SCRAPER, { eval: true, workerData: `http://${live.httpAddress}/metrics` });
  await once(worker, "online");
  // The worker connects and asks meanwhile, and nobody here can answer.
  Atomics.wait(new Int32Array(turn), 0, 0, 2_000);
  const messages: string[] = [];
  worker.on("message", (text: string) => messages.push(text));
  await once(worker, "exit");
  assert.equal(messages[0], "asked");
  const lags = [messages[1] ?? "", await (await get("/metrics")).text()].map((scrape) =>
    Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(scrape)?.[1]),
  );
  assert.ok(Math.max(...lags) > 1, `${lags} s`);
});

test("a thousand connections that say nothing are in nobody's way", async () => {
  const { port } = new URL(`http://${live.httpAddress}`);
  const idle: Socket[] = [];
  try {
    await Promise.all(
      Array.from({ length: 1000 }, () => {
        const socket = connect(Number(port), "127.0.0.1");
        idle.push(socket);
        return new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
      }),
    );
    assert.equal((await get("/metrics")).status, 200);
    assert.equal(
      (await live.execute("beside", { uniqId: "1", name: "bash", arguments: { command: "true" } })).error,
      "",
    );
  } finally {
    for (const socket of idle) socket.destroy();
  }
});

test("a port that is taken keeps the server from starting, and the error names the key", async (t) => {
  const other = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  t.after(() => other.close());
  const address = other.address();
  const port = typeof address === "object" ? address?.port : undefined;
  await assert.rejects(startLive("process", { http: { listen: `127.0.0.1:${port}` } }), /http\.listen.*EADDRINUSE/);
});

test("counts who has no good token, by reason", async () => {
  const guarded = await startLive("process", { ...authOf(newToken("known")), http: { listen: "127.0.0.1:0" } });
  await assert.rejects(guarded.status(), /token/);
  await assert.rejects(guarded.release("t", false), /token/);
  const scrape = await (await fetch(`http://${guarded.httpAddress}/metrics`)).text();
  assert.match(scrape, /^switchyard_requests_refused_total\{reason="TOKEN_MISSING"\} 2$/m);
  await guarded.close();
});
