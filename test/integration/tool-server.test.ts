// External tools of a ToolServer through the whole server: the contract, and a ToolServer that does everything wrong.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { CallStatus, Fault, ToolCall, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import type { ListToolsResponse } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import { type LiveService, startLive } from "../support/live-service.js";
import { TestToolServer } from "../support/tool-server.js";

const TOKEN = "token-of-the-tool-server";

let toolServer: TestToolServer;
let live: LiveService;
const logged: string[] = [];

before(async () => {
  toolServer = await TestToolServer.start();
  live = await startLive(
    "process",
    {
      log: { level: "debug" },
      tools: { disabled: ["off"] },
      tool_server: { url: toolServer.url, token: TOKEN },
      pools: { default: { slots_per_container: 4 } },
    },
    { write: (line) => logged.push(line) },
  );
});

after(async () => {
  await live.close();
  await toolServer.close();
  assert.ok(!logged.join("").includes(TOKEN), "the token is in the log");
});

function listTools({ client }: LiveService): Promise<ListToolsResponse> {
  return new Promise((resolve, reject) => {
    client.listTools({}, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

function assertFailed(result: ToolResult, why: string): void {
  const { status, fault, error, success, output } = result;
  assert.deepEqual(
    { status, fault, error, success, output },
    {
      status: CallStatus.CALL_STATUS_EXTERNAL_FAILED,
      fault: Fault.FAULT_INFRASTRUCTURE,
      error: `External tool failed: ${why}`,
      success: false,
      output: "",
    },
  );
}

describe("the contract", () => {
  test("what the ToolServer gets of a trajectory without a slot and with one", async () => {
    const stream = await live.open({ trajectoryId: "contract" });
    const args = { q: "switchyard", timeout: 3, allow_network: true, __proto__: { a: 1 } };
    const result = await stream.call("echo", args, { uniqId: "one" });
    assert.deepEqual(await toolServer.askedBy("one"), {
      authorization: `Bearer ${TOKEN}`,
      body: {
        trajectory_id: "contract",
        tool: { name: "echo", arguments: { q: "switchyard", timeout: 3, allow_network: true }, uniq_id: "one" },
        timeout_s: 30,
      },
      gone: false,
    });
    assert.equal(result.status, CallStatus.CALL_STATUS_OK);
    assert.equal(result.output, '{"allow_network":true,"q":"switchyard","timeout":3}');
    assert.deepEqual(result.metadata, { external: true, timeout: 30 });
    assert.equal(result.slotGeneration, 0);
    await stream.bash("true");
    await stream.call("echo", {}, { uniqId: "two", timeout: { seconds: 9n, nanos: 0 } });
    const { body } = await toolServer.askedBy("two");
    assert.equal(body.timeout_s, 9);
    assert.match(body.container_addr ?? "", /^process:\d+$/);
    assert.match(body.slot_id ?? "", /^.+:\d$/);
    await stream.halfClose();
  });

  test("a tool that says no is TOOL_FAILED, in its own words", async () => {
    const result = await live.execute("contract-2", { uniqId: "no", name: "refuses" });
    assert.equal(result.status, CallStatus.CALL_STATUS_TOOL_FAILED);
    assert.equal(result.fault, Fault.FAULT_POLICY);
    assert.deepEqual([result.error, result.output], ["no such page", "so far"]);
    assert.deepEqual(result.metadata, { a: 1, external: true, timeout: 30 });
  });

  test("a name that it does not list, and one that is turned off, are unknown", async () => {
    for (const name of ["nope", "off"]) {
      const result = await live.execute("contract-2", { uniqId: name, name });
      assert.equal(result.status, CallStatus.CALL_STATUS_UNKNOWN_TOOL);
      assert.equal(result.error, `Unknown tool: ${name}`);
    }
  });

  test("connections are used again", async () => {
    const stream = await live.open({ trajectoryId: "reuse" });
    const before = toolServer.connections;
    for (let count = 0; count < 20; count += 1) await stream.call("echo", {});
    assert.ok(toolServer.connections - before <= 2, `${toolServer.connections - before} new connections`);
    await stream.halfClose();
  });

  test("100 calls of a second are all under way at once, and take less than three times what they take without us", async () => {
    const stream = await live.open({ trajectoryId: "hundred" });
    const timed = async (name: string, call: (index: number) => Promise<unknown>) => {
      toolServer.atOnceMost = 0;
      const began = performance.now();
      await Promise.all(Array.from({ length: 100 }, (_, index) => call(index)));
      const tookMs = performance.now() - began;
      console.log(`100 calls of 1 s, ${name}: ${tookMs.toFixed()} ms, ${toolServer.atOnceMost} at once`);
      return tookMs;
    };
    const directMs = await timed("straight to the ToolServer", async (index) => {
      const body = JSON.stringify({ tool: { name: "second", arguments: {}, uniq_id: `direct-${index}` } });
      const headers = { authorization: `Bearer ${TOKEN}` };
      assert.equal((await fetch(new URL("execute", toolServer.url), { method: "POST", body, headers })).status, 200);
    });
    const oursMs = await timed("by Switchyard", async () => {
      assert.equal((await stream.call("second", {})).output, "done");
    });
    assert.equal(toolServer.atOnceMost, 100);
    assert.ok(oursMs < 3 * directMs, `${oursMs.toFixed()} ms against ${directMs.toFixed()} ms`);
    await stream.halfClose();
  });

  test("an external call does not wait behind a long sandbox call", async () => {
    const stream = await live.open({ trajectoryId: "beside" });
    const long = stream.bash("sleep 600", { uniqId: "long", timeout: { seconds: 600n, nanos: 0 } });
    assert.equal((await stream.call("echo", {})).output, "{}");
    stream.send({ $case: "cancel", value: { uniqId: "long" } });
    assert.equal((await long).status, CallStatus.CALL_STATUS_CANCELLED);
    await stream.halfClose();
  });

  test("a call is sent once: repetitions attach, and a reopened stream gets the result again", async () => {
    const stream = await live.open({ trajectoryId: "once", resumeToken: "x" });
    const both = [stream.call("second", {}, { uniqId: "1" }), stream.call("second", {}, { uniqId: "1" })];
    await toolServer.askedBy("1");
    await stream.cut();
    await Promise.allSettled(both);
    const again = await live.open({ trajectoryId: "once", resumeToken: "x" });
    assert.equal(again.opened.known[0]?.uniqId, "1");
    assert.equal((await again.call("second", {}, { uniqId: "1" })).output, "done");
    const asked = toolServer.asked.filter(({ body }) => body.trajectory_id === "once");
    assert.equal(asked.length, 1);
    again.ack("1");
    again.send({ $case: "call", value: ToolCall.fromPartial({ uniqId: "1", name: "second" }) });
    assert.equal((await again.first("rejected")).status, CallStatus.CALL_STATUS_INVALID);
    await again.halfClose();
  });

  test("a cancel, and a release, take the request back", async () => {
    const stream = await live.open({ trajectoryId: "cancel" });
    const cancelled = stream.call("hangs", {}, { uniqId: "cancelled" });
    const released = stream.call("hangs", {}, { uniqId: "released" });
    await Promise.all([toolServer.askedBy("cancelled"), toolServer.askedBy("released")]);
    stream.send({ $case: "cancel", value: { uniqId: "cancelled" } });
    assert.equal((await cancelled).status, CallStatus.CALL_STATUS_CANCELLED);
    await toolServer.gone("cancelled");
    stream.send({ $case: "release", value: { resetWorkspace: false } });
    const { status, fault, error } = await released;
    assert.deepEqual([status, fault, error], [CallStatus.CALL_STATUS_CANCELLED, Fault.FAULT_CLIENT, "Cancelled"]);
    await toolServer.gone("released");
    assert.equal(await stream.ended, undefined);
  });
});

describe("a ToolServer that", () => {
  const whys: readonly [string, string][] = [
    ["dies", "the connection broke"],
    ["breaks", "the connection broke"],
    ["fails", "HTTP status 500"],
    ["html", "the answer is not JSON (text/html)"],
    ["redirects", "HTTP status 302"],
    ["mistaken", "the answer has the uniq_id of another call"],
    ["mistyped", "success in the answer is no boolean"],
    ["gigabyte", "the answer is larger than 8388608 bytes"],
  ];
  for (const [name, why] of whys) {
    test(`${name}: ${why}`, async () => {
      assertFailed(await live.execute("wrong", { uniqId: name, name }), why);
      assert.equal((await live.execute("wrong", { uniqId: `after-${name}`, name: "echo" })).output, "{}");
    });
  }

  test("hangs: the call's own timeout ends it", async () => {
    const result = await live.execute("wrong", { uniqId: "hangs", name: "hangs", timeout: { seconds: 1n, nanos: 0 } });
    assertFailed(result, "no answer within 1 s");
    await toolServer.gone("hangs");
  });

  test("repeats a secret: it goes no further", async () => {
    const { output, metadata } = await live.execute("wrong", { uniqId: "leaks", name: "leaks" });
    assert.equal(output, "Bearer [secret]");
    assert.equal(metadata?.a, "Bearer [secret]");
  });

  test("sends gigabytes, many at once: memory stays bounded", async () => {
    const stream = await live.open({ trajectoryId: "gigabytes" });
    global.gc?.();
    const before = process.memoryUsage().rss;
    let peak = before;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 10);
    const results = await Promise.all(Array.from({ length: 20 }, () => stream.call("gigabyte", {})));
    clearInterval(watch);
    for (const result of results) assertFailed(result, "the answer is larger than 8388608 bytes");
    const grownMb = (peak - before) / 2 ** 20;
    console.log(`20 answers of 1 GiB: ${grownMb.toFixed()} MiB more at the peak, the test's own ToolServer included`);
    assert.ok(grownMb < 512, `${grownMb.toFixed()} MiB`);
    await stream.halfClose();
  });
});

test("ListTools has what it lists, flagged, as schemas, as OpenAI functions and as a prompt", async () => {
  const { tools, openaiToolsJson, promptText, truncated } = await listTools(live);
  const names = tools.map(({ name }) => name);
  assert.deepEqual(names, [...names].sort());
  assert.ok(names.includes("bash") && names.includes("echo") && !names.includes("off"));
  const echo = tools.find(({ name }) => name === "echo");
  assert.equal(echo?.external, true);
  assert.equal(tools.find(({ name }) => name === "bash")?.external, false);
  const functions: { type: string; function: { name: string; parameters: unknown } }[] = JSON.parse(openaiToolsJson);
  assert.deepEqual(
    functions.map((one) => one.function.name),
    names,
  );
  assert.deepEqual(functions.find((one) => one.function.name === "echo")?.function.parameters, echo.parameters);
  assert.match(promptText, /^## bash\n/);
  assert.match(promptText, /\n## echo\nIt echo\.\nArguments:\n- q \(string, required\): What to look for\n/);
  assert.equal(truncated, false);
});

test("a ToolServer that is down at the start is asked again, and one that goes down is missed", async () => {
  const placeholder = createServer().listen(0, "127.0.0.1");
  await once(placeholder, "listening");
  const address = placeholder.address();
  assert(address !== null && typeof address === "object");
  await new Promise((resolve) => placeholder.close(resolve));
  const settings = { tool_server: { url: `http://127.0.0.1:${address.port}/base` } };
  const service = await startLive("process", settings);
  try {
    assertFailed(await service.execute("t", { uniqId: "1", name: "echo" }), "connection refused");
    assert.ok(!(await listTools(service)).tools.some(({ external }) => external));
    const late = await TestToolServer.start(address.port);
    assert.equal((await service.execute("t", { uniqId: "2", name: "echo" })).output, "{}");
    assert.ok((await listTools(service)).tools.some(({ name }) => name === "echo"));
    late.tools?.push({ type: "function", function: { name: "new", description: "New." } });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    assert.equal((await service.execute("t", { uniqId: "3", name: "new" })).output, "ran new");
    await late.close();
    assertFailed(await service.execute("t", { uniqId: "4", name: "echo" }), "connection refused");
  } finally {
    await service.close();
  }
});

test("a ToolServer that cannot list its tools has those of the configuration", async () => {
  const server = await TestToolServer.start();
  server.tools = undefined;
  const service = await startLive("process", { tool_server: { url: server.url, tools: ["mine"] } });
  try {
    assert.equal((await service.execute("t", { uniqId: "1", name: "mine" })).output, "ran mine");
    assert.equal((await service.execute("t", { uniqId: "2", name: "yours" })).error, "Unknown tool: yours");
    assert.ok((await listTools(service)).tools.some(({ name, external }) => name === "mine" && external));
  } finally {
    await service.close();
    await server.close();
  }
});

test("without a ToolServer its tools are not available, and others are unknown", async () => {
  const service = await startLive("process", { tool_server: { tools: ["mine"] } });
  try {
    const mine = await service.execute("t", { uniqId: "1", name: "mine" });
    assert.equal(mine.status, CallStatus.CALL_STATUS_EXTERNAL_FAILED);
    assert.equal(mine.error, "External tool not available (ToolServer not configured): mine");
    assert.equal((await service.execute("t", { uniqId: "2", name: "yours" })).error, "Unknown tool: yours");
    assert.ok(!(await listTools(service)).tools.some(({ external }) => external));
  } finally {
    await service.close();
  }
});
