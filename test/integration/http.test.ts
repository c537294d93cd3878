// Metrics and health over HTTP, of a real server that has run real calls.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { connect, createServer, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { type LiveService, startLive } from "../support/live-service.js";

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

test("promtool finds nothing to complain of", async () => {
  const input = await (await get("/metrics")).text();
  const { status, stdout, stderr, error } = spawnSync("promtool", ["check", "metrics"], { input, encoding: "utf8" });
  assert.equal(error, undefined, "promtool is in Debian's package prometheus");
  assert.equal(status, 0, stdout + stderr);
});

test("is alive and ready, and answers what it does not serve with what it does", async () => {
  assert.equal((await get("/healthz")).status, 200);
  assert.equal(await (await get("/readyz")).text(), "ready\n");
  assert.equal((await get("/metrics", "HEAD")).status, 200);
  const [missing, posted] = [await get("/other"), await get("/metrics", "POST")];
  assert.deepEqual([missing.status, posted.status, posted.headers.get("allow")], [404, 405, "GET, HEAD"]);
  assert.match(await missing.text(), /\/metrics, \/healthz and \/readyz/);
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
