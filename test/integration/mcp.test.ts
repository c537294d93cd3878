// MCP servers as external tools through the whole server: a real one from npm over stdio and over HTTP, one that misbehaves,
// and what is left of them at the end.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { CallStatus, Fault, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import type { ListToolsResponse } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import { type LiveService, startLive } from "../support/live-service.js";
import { startOddMcpHttp } from "../support/odd-mcp-http.js";
import { livingAre, uniqueSleep } from "../support/processes.js";

const EVERYTHING = fileURLToPath(import.meta.resolve("@modelcontextprotocol/server-everything/dist/index.js"));
const ODD = fileURLToPath(new URL("../support/odd-mcp-server.mjs", import.meta.url));
const SECRET = "key-of-the-everything-server";
const TOKEN = "token-of-the-http-server";

const logged: string[] = [];
const log = { write: (line: string) => logged.push(line) };

function listTools({ client }: LiveService): Promise<ListToolsResponse> {
  return new Promise((resolve, reject) => {
    client.listTools({}, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

let calls = 0;
/** A call of its own on the trajectory `t`. */
function run(live: LiveService, name: string, args: object = {}, timeoutS = 20): Promise<ToolResult> {
  calls += 1;
  const timeout = { seconds: BigInt(timeoutS), nanos: 0 };
  return live.execute("t", { uniqId: `${calls}`, name, arguments: { ...args }, timeout });
}

function assertFailed({ status, fault, error }: ToolResult, why: RegExp): void {
  assert.deepEqual([status, fault], [CallStatus.CALL_STATUS_EXTERNAL_FAILED, Fault.FAULT_INFRASTRUCTURE], error);
  assert.match(error, /^External tool failed: /);
  assert.match(error, why);
}

after(() => {
  const text = logged.join("");
  assert.ok(!text.includes(SECRET) && !text.includes(TOKEN), "a secret is in the log");
});

describe("an MCP server over stdio", () => {
  let live: LiveService;
  const word = uniqueSleep();

  before(async () => {
    process.env.SWITCHYARD_TEST_OF_ENV = "ours-alone";
    const everything = {
      command: process.execPath,
      args: [EVERYTHING, "stdio", word],
      env: { API_KEY: SECRET, MODE: "test" },
    };
    live = await startLive("process", { log: { level: "debug" }, mcp_servers: { every: everything } }, log);
  });

  after(async () => {
    await live.close();
    await livingAre(word, 0);
    delete process.env.SWITCHYARD_TEST_OF_ENV;
  });

  test("is not started before it is needed; then its tools are listed under its name", async () => {
    await livingAre(word, 0);
    const { tools } = await listTools(live);
    const echo = tools.find(({ name }) => name === "every.echo");
    assert.equal(echo?.external, true);
    assert.equal(echo.parameters?.type, "object");
    assert.match(echo.description, /[Ee]cho/);
    await livingAre(word, 1);
  });

  test("text comes as output", async () => {
    const { status, output, metadata } = await run(live, "every.echo", { message: "hello" });
    assert.equal(status, CallStatus.CALL_STATUS_OK);
    assert.match(output, /hello/);
    assert.deepEqual(metadata, { external: true, timeout: 20 });
  });

  test("structured content and images are told of in the metadata", async () => {
    const weather = await run(live, "every.get-structured-content", { location: "New York" });
    assert.equal(weather.metadata?.structured_content?.temperature, 33);
    assert.deepEqual(JSON.parse(weather.output), weather.metadata?.structured_content);
    const { metadata } = await run(live, "every.get-tiny-image");
    const [image] = metadata?.content ?? [];
    assert.equal(image.mime_type, "image/png");
    assert.ok(image.bytes > 100);
  });

  test("what the tool calls an error is TOOL_FAILED", async () => {
    const { status, fault, error } = await run(live, "every.get-sum", { a: "one" });
    assert.equal(status, CallStatus.CALL_STATUS_TOOL_FAILED, error);
    assert.equal(fault, Fault.FAULT_POLICY);
    assert.match(error, /a/);
  });

  test("a tool that it does not have is unknown", async () => {
    const { status, error } = await run(live, "every.nope");
    assert.deepEqual([status, error], [CallStatus.CALL_STATUS_UNKNOWN_TOOL, "Unknown tool: every.nope"]);
  });

  test("its environment is its own, and its secrets stay with it", async () => {
    const { output } = await run(live, "every.get-env");
    const env: Record<string, string> = JSON.parse(output);
    assert.equal(env.API_KEY, "[secret]");
    assert.equal(env.MODE, "test");
    const inherited = ["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "API_KEY", "MODE"];
    assert.deepEqual(
      Object.keys(env).filter((name) => !inherited.includes(name)),
      [],
    );
  });

  test("a timeout and a cancel end calls, and others go on", async () => {
    const long = { duration: 60, steps: 2 };
    const late = await run(live, "every.trigger-long-running-operation", long, 1);
    assertFailed(late, /no answer within 1 s$/);
    const stream = await live.open({ trajectoryId: "cancel" });
    const cancelled = stream.call("every.trigger-long-running-operation", long, { uniqId: "long" });
    assert.match((await stream.call("every.echo", { message: "beside" })).output, /beside/);
    stream.send({ $case: "cancel", value: { uniqId: "long" } });
    assert.equal((await cancelled).status, CallStatus.CALL_STATUS_CANCELLED);
    await stream.halfClose();
  });

  test("one that is killed fails its calls, and the next gets a new one", async () => {
    const stream = await live.open({ trajectoryId: "killed" });
    const lost = stream.call("every.trigger-long-running-operation", { duration: 60, steps: 2 });
    await stream.call("every.echo", { message: "it is there" });
    const pid = pidOf(word);
    process.kill(pid, "SIGKILL");
    assertFailed(await lost, /the MCP server ended during the call$/);
    assert.match((await stream.call("every.echo", { message: "again" })).output, /again/);
    assert.notEqual(pidOf(word), pid);
    await stream.halfClose();
  });
});

describe("an MCP server that", () => {
  const word = uniqueSleep();
  let live: LiveService;
  const odd = (how: string, more: object = {}) => ({
    ...{ command: process.execPath, args: [ODD, how, word], response_bytes_max: 100_000, connect_timeout_s: 2 },
    ...more,
  });

  before(async () => {
    live = await startLive(
      "process",
      {
        log: { level: "debug" },
        mcp_servers: {
          odd: odd("well", { connect_timeout_s: 20 }),
          silent: odd("silent"),
          garbage: odd("garbage"),
          gone: odd("gone", { connect_timeout_s: 20 }),
          missing: { command: "/no/such/program" },
        },
      },
      log,
    );
  });

  after(async () => {
    await live.close();
    // Also the one that heeds neither the end of its input nor SIGTERM, and the child that it left.
    await livingAre(word, 0);
  });

  test("adds a tool says so", async () => {
    assert.equal((await run(live, "odd.add-tool")).status, CallStatus.CALL_STATUS_OK);
    assert.equal((await run(live, "odd.added")).output, "added");
    assert.ok((await listTools(live)).tools.some(({ name }) => name === "odd.added"));
  });

  test("answers with an error of the protocol", async () => {
    assertFailed(await run(live, "odd.protocol-error"), /MCP error -32603: it broke$/);
    const { status, error } = await run(live, "odd.bad-params");
    assert.equal(status, CallStatus.CALL_STATUS_TOOL_FAILED);
    assert.match(error, /-32602: no such page/);
  });

  test("answers with what is no result", async () => {
    assertFailed(await run(live, "odd.nonsense"), /the answer is none that MCP knows$/);
  });

  test("answers with more than it may", async () => {
    assertFailed(await run(live, "odd.huge"), /ended during the call: it sent a message of more than 100000 bytes$/);
    assert.equal((await run(live, "odd.well")).output, "well");
  });

  test("dies while a child of its own holds its output: it is found out, and begun anew", async () => {
    assertFailed(await run(live, "odd.crash"), /the MCP server ended during the call$/);
    // It ended twice in a row, so it is left alone for a second.
    for (let again = true; again; ) {
      const { status, error } = await run(live, "odd.well");
      again = status !== CallStatus.CALL_STATUS_OK;
      if (again) assert.match(error, /cannot be reached, tried again in/);
    }
  });

  test("floods its stderr", async () => {
    assert.equal((await run(live, "odd.stderr")).output, "well");
    assert.ok(logged.filter((line) => line.includes('"stderr":"noise')).length <= 1000);
  });

  test("says nothing, or garbage, or ends, or is not there", async () => {
    assertFailed(await run(live, "silent.x"), /the MCP server cannot be reached: MCP error -32001: Request timed out$/);
    assertFailed(await run(live, "garbage.x"), /the MCP server cannot be reached: /);
    assertFailed(await run(live, "gone.x"), /the MCP server cannot be reached: the MCP server ended/);
    assertFailed(await run(live, "missing.x"), /the MCP server cannot be reached: it cannot be started \(ENOENT\)$/);
    const { tools } = await listTools(live);
    assert.ok(!tools.some(({ name }) => /^(silent|garbage|gone|missing)\./.test(name)));
    assert.ok(tools.some(({ name }) => name === "odd.well"));
  });
});

describe("an MCP server over HTTP", () => {
  let live: LiveService;
  let port: number;
  let server: ChildProcess;

  before(async () => {
    port = await freePort();
    server = await startHttp(port);
    const http = { url: `http://127.0.0.1:${port}/mcp`, token: TOKEN, headers: { "X-Api-Key": SECRET } };
    live = await startLive("process", { log: { level: "debug" }, mcp_servers: { http } }, log);
  });

  after(async () => {
    await live.close();
    await kill(server);
  });

  test("lists and runs its tools", async () => {
    assert.ok((await listTools(live)).tools.some(({ name }) => name === "http.echo"));
    assert.match((await run(live, "http.echo", { message: "hello" })).output, /hello/);
  });

  test("runs many calls at once", async () => {
    const stream = await live.open({ trajectoryId: "many" });
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, index) => stream.call("http.echo", { message: `m${index}` })),
    );
    for (const [index, { output }] of results.entries()) assert.match(output, new RegExp(`m${index}$`));
    await stream.halfClose();
  });

  test("a timeout and a cancel end calls", async () => {
    const long = { duration: 60, steps: 2 };
    assertFailed(await run(live, "http.trigger-long-running-operation", long, 1), /no answer within 1 s$/);
    const stream = await live.open({ trajectoryId: "cancel" });
    const cancelled = stream.call("http.trigger-long-running-operation", long, { uniqId: "long" });
    await stream.call("http.echo", { message: "beside" });
    stream.send({ $case: "cancel", value: { uniqId: "long" } });
    assert.equal((await cancelled).status, CallStatus.CALL_STATUS_CANCELLED);
    await stream.halfClose();
  });

  test("one that dies fails its calls at once, and is used again when it is back", async () => {
    const stream = await live.open({ trajectoryId: "dies" });
    const lost = stream.call("http.trigger-long-running-operation", { duration: 60, steps: 2 });
    await stream.call("http.echo", { message: "it is there" });
    await kill(server);
    assertFailed(await lost, /the connection broke$/);
    assertFailed(await run(live, "http.echo", { message: "x" }), /connection refused|cannot be reached/);
    server = await startHttp(port);
    for (let again = true; again; ) {
      const { status, error } = await run(live, "http.echo", { message: "x" });
      again = status !== CallStatus.CALL_STATUS_OK;
      if (again) assert.match(error, /cannot be reached, tried again in/);
    }
    await stream.halfClose();
  });

  test("one that was restarted unseen gets a new session, and the call runs", async () => {
    await run(live, "http.echo", { message: "x" });
    await kill(server);
    server = await startHttp(port);
    const { output, error } = await run(live, "http.echo", { message: "after" });
    assert.match(output, /after/, error);
  });
});

describe("an MCP server over HTTP that", () => {
  let server: Awaited<ReturnType<typeof startOddMcpHttp>>;
  let live: LiveService;

  before(async () => {
    server = await startOddMcpHttp();
    live = await startLive("process", { mcp_servers: { odd: { url: server.url, token: TOKEN } } });
  });

  after(async () => {
    await live.close();
    await server.close();
  });

  const whys: readonly [string, RegExp][] = [
    ["gigabyte-json", /the answer is larger than 8388608 bytes$/],
    ["gigabyte-events", /the answer is larger than 8388608 bytes$/],
    ["html", /failed: [^<]+$/],
    ["fails", /HTTP status 500$/],
    ["breaks", /the connection broke$/],
    ["hangs", /no answer within 1 s$/],
  ];
  for (const [name, why] of whys) {
    test(name, async () => {
      const before = process.memoryUsage().rss;
      assertFailed(await run(live, `odd.${name}`, {}, name === "hangs" ? 1 : 20), why);
      assert.ok(process.memoryUsage().rss - before < 200 * 2 ** 20);
    });
  }

  test("is asked in vain again and again, and serves on", async () => {
    for (let count = 0; count < 5; count += 1) assertFailed(await run(live, "odd.fails"), /HTTP status 500$/);
    assert.equal((await run(live, "odd.nope")).error, "Unknown tool: odd.nope");
  });
});

function pidOf(word: string): number {
  const pids = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8").trim().split(" ");
  const found = pids.find((pid) => readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(word));
  assert(found, "no such process");
  return Number(found);
}

async function freePort(): Promise<number> {
  const placeholder = createServer().listen(0, "127.0.0.1");
  await once(placeholder, "listening");
  const address = placeholder.address();
  assert(address !== null && typeof address === "object");
  await new Promise((resolve) => placeholder.close(resolve));
  return address.port;
}

/** Resolves once it listens. */
async function startHttp(port: number): Promise<ChildProcess> {
  const env = { ...process.env, PORT: String(port) };
  const child = spawn(process.execPath, [EVERYTHING, "streamableHttp"], { env, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  for await (const chunk of child.stderr.setEncoding("utf8")) {
    said += chunk;
    if (/listening/i.test(said)) break;
  }
  child.stderr.resume();
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}
