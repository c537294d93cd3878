// The contract of the sandbox tools in real containers, at the levels that containers are used at: every text and every
// metadata key that clients know, cancels of all kinds, and what a dead container's call is told. One server per level.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallStatus, Fault, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { containersOf, type DockerService, docker, startDocker } from "../support/docker-engine.js";
import { livingAre, uniqueSleep } from "../support/processes.js";
import { TestToolServer } from "../support/tool-server.js";

type Status = "OK" | "NONZERO_EXIT" | "SIGNALED" | "TIMED_OUT" | "TOOL_FAILED" | "INVALID" | "UNKNOWN_TOOL";

interface Row {
  readonly tool: string;
  readonly args: object;
  readonly status: Status;
  readonly error?: string;
  readonly output?: string | RegExp;
  /** Beside that of every slot; null: none at all, as it reached no slot. */
  readonly metadata: object | null;
}

const STATUS: Readonly<Record<Status, CallStatus>> = {
  OK: CallStatus.CALL_STATUS_OK,
  NONZERO_EXIT: CallStatus.CALL_STATUS_NONZERO_EXIT,
  SIGNALED: CallStatus.CALL_STATUS_SIGNALED,
  TIMED_OUT: CallStatus.CALL_STATUS_TIMED_OUT,
  TOOL_FAILED: CallStatus.CALL_STATUS_TOOL_FAILED,
  INVALID: CallStatus.CALL_STATUS_INVALID,
  UNKNOWN_TOOL: CallStatus.CALL_STATUS_UNKNOWN_TOOL,
};
const POLICY = { allow_network: true, require_sandbox: false, require_stateful_sandbox: false };
const BACKGROUND = "terminal background execution is not supported in sandbox";
const OUTSIDE = "Access denied: path outside workspace";
const BYTES_MAX = 100_000;

/** Of a command tool; `extra` is the metadata of the stateful ones. */
function commandRows(name: "bash" | "terminal", tool: string, extra: object): Row[] {
  const ran = (exitCode: number, timeout = 30) => ({ exit_code: exitCode, timeout, ...extra });
  const invalid = { tool, status: "INVALID", metadata: null } as const;
  const rows: Row[] = [
    { tool, args: { command: "echo out" }, status: "OK", output: "out", metadata: ran(0) },
    {
      tool,
      args: { command: "echo out; echo err >&2", timeout: 7 },
      status: "OK",
      output: "out\n\n[stderr]\nerr",
      metadata: ran(0, 7),
    },
    {
      tool,
      args: { command: "echo half; (exit 3)" },
      status: "NONZERO_EXIT",
      error: "Exit code: 3",
      output: "half",
      metadata: ran(3),
    },
    // A model's timeout is clamped, and heeded only when it is a number.
    {
      tool,
      args: { command: "echo part; sleep 60", timeout: 0.01 },
      status: "TIMED_OUT",
      error: "Command timed out after 1s",
      // The lasting shell may say that its child was killed.
      output: /^part(\n\n\[stderr\]\n.*Killed.*)?$/,
      metadata: { timeout: 1, ...extra },
    },
    { tool, args: { command: "true", timeout: "7" }, status: "OK", metadata: ran(0) },
    { tool, args: { command: "true", timeout: 1e9 }, status: "OK", metadata: ran(0, 600) },
    {
      tool,
      args: { command: "true", ...POLICY },
      status: "OK",
      metadata: { ...ran(0), ignored_arguments: Object.keys(POLICY) },
    },
    // Whatever the model asked for, there is no interface but the loopback.
    {
      tool,
      args: { command: "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", allow_network: true },
      status: "OK",
      output: "lo",
      metadata: { ...ran(0), ignored_arguments: ["allow_network"] },
    },
    { ...invalid, args: {}, error: "Missing command" },
    { ...invalid, args: { command: "" }, error: "Missing command" },
  ];
  if (name === "terminal") rows.push({ ...invalid, args: { command: "true", background: true }, error: BACKGROUND });
  return rows;
}

const STATEFUL = { stateful: true, shell: "kept" };

const ROWS: readonly Row[] = [
  ...commandRows("bash", "bash", {}),
  ...commandRows("terminal", "terminal", {}),
  ...commandRows("bash", "bash_stateful", STATEFUL),
  ...commandRows("terminal", "terminal_stateful", STATEFUL),
  {
    tool: "bash",
    args: { command: "kill -SEGV $$" },
    status: "SIGNALED",
    error: "Killed by SIGSEGV",
    metadata: { timeout: 30 },
  },
  ...files(),
  { tool: "frobnicate", args: {}, status: "UNKNOWN_TOOL", error: "Unknown tool: frobnicate", metadata: null },
];

function files(): Row[] {
  const failed = { status: "TOOL_FAILED", output: "" } as const;
  const invalid = { status: "INVALID", metadata: null } as const;
  const read = (args: object, row: Omit<Row, "tool" | "args">): Row => ({ tool: "read_file", args, ...row });
  const write = (args: object, row: Omit<Row, "tool" | "args">): Row => ({ tool: "write_file", args, ...row });
  const path = "deep/er/é.txt";
  const big = "x".repeat(BYTES_MAX + 1);
  const tooLarge = (what: string) => `${what} too large: ${big.length} bytes (max ${BYTES_MAX})`;
  return [
    write(
      { path, content: "grüße\n" },
      { status: "OK", output: `Successfully wrote 8 bytes to ${path}`, metadata: { path, size: 8 } },
    ),
    read({ path }, { status: "OK", output: "grüße\n", metadata: { path, size: 8 } }),
    read({ path, offset: 2, limit: 3 }, { status: "OK", output: "ü\ufffd", metadata: { path, size: 8 } }),
    read({ path, encoding: "base64" }, { status: "OK", output: "Z3LDvMOfZQo=", metadata: { path, size: 8 } }),
    write(
      { path: "b", content: "AP/+", encoding: "base64" },
      { status: "OK", output: "Successfully wrote 3 bytes to b", metadata: { path: "b", size: 3 } },
    ),
    read({ path: "none" }, { ...failed, error: "File not found: none", metadata: { path: "none" } }),
    read({ path: "deep" }, { ...failed, error: "Not a file: deep", metadata: { path: "deep" } }),
    write({ path: "deep", content: "" }, { ...failed, error: "Not a file: deep", metadata: { path: "deep" } }),
    {
      tool: "bash",
      args: { command: `head -c ${big.length} /dev/zero > big; ln -s /etc/passwd link` },
      status: "OK",
      metadata: { exit_code: 0, timeout: 30 },
    },
    read({ path: "big" }, { ...failed, error: tooLarge("File"), metadata: { path: "big" } }),
    write(
      { path: "big", content: big },
      { ...failed, error: tooLarge("Content"), metadata: { path: "big", size: big.length } },
    ),
    ...["../x", "/etc/passwd", "link"].flatMap((outside) => [
      read({ path: outside }, { ...failed, error: OUTSIDE, metadata: { path: outside } }),
      write({ path: outside, content: "x" }, { ...failed, error: OUTSIDE, metadata: { path: outside } }),
    ]),
    read({}, { ...invalid, error: "Missing path" }),
    write({ path }, { ...invalid, error: "Missing content" }),
  ];
}

function check(row: Row, result: ToolResult, isolation: string): void {
  const said = `${row.tool} ${JSON.stringify(row.args).slice(0, 200)}`;
  const { status, error, output, fault, success, metadata } = result;
  assert.deepEqual({ status, error }, { status: STATUS[row.status], error: row.error ?? "" }, said);
  if (row.output instanceof RegExp) assert.match(output, row.output, said);
  else assert.equal(output, row.output ?? "", said);
  const isOrdinary = row.status === "OK" || row.status === "NONZERO_EXIT";
  assert.equal(fault, isOrdinary ? Fault.FAULT_NONE : Fault.FAULT_POLICY, said);
  assert.equal(success, row.status === "OK", said);
  const reachedSlot = row.metadata !== null && !("size" in row.metadata && row.error?.startsWith("Content"));
  const ofSlot = reachedSlot ? { sandboxed: true, isolation, network_isolated: true } : {};
  assert.deepEqual(metadata ?? {}, { ...row.metadata, ...ofSlot }, said);
}

async function contract(live: DockerService, isolation: string): Promise<void> {
  const stream = await live.open({ trajectoryId: "contract" });
  for (const row of ROWS) check(row, await stream.call(row.tool, row.args), isolation);
  assert.equal(await stream.halfClose(), undefined);
}

/** Of queued, running, stateful and external calls, and of what is over or never was. */
async function cancels(live: DockerService, toolServer: TestToolServer): Promise<void> {
  const stream = await live.open({ trajectoryId: "cancels" });
  const cancel = (...uniqIds: string[]) => {
    for (const uniqId of uniqIds) stream.send({ $case: "cancel", value: { uniqId } });
  };
  const word = uniqueSleep();
  for (const tool of ["bash", "bash_stateful"]) {
    const running = stream.call(tool, { command: `echo part; sleep ${word}` }, { uniqId: `${tool}-running` });
    const queued = stream.call(tool, { command: "touch unreached" }, { uniqId: `${tool}-queued` });
    await livingAre(word, 1);
    cancel(`${tool}-queued`, `${tool}-running`, `${tool}-running`);
    for (const [call, output] of [
      [running, /^part/],
      [queued, /^$/],
    ] as const) {
      const { status, fault, error, output: said } = await call;
      const expected = [CallStatus.CALL_STATUS_CANCELLED, Fault.FAULT_CLIENT, "Cancelled"];
      assert.deepEqual([status, fault, error], expected, tool);
      assert.match(said, output, tool);
    }
    await livingAre(word, 0);
  }
  const external = stream.call("hangs", {}, { uniqId: "external" });
  await toolServer.askedBy("external");
  cancel("external", "nobody", "bash-queued", "bash-running");
  assert.equal((await external).status, CallStatus.CALL_STATUS_CANCELLED);
  await toolServer.gone("external");
  const { status, output } = await stream.bash("ls unreached; echo alive", { uniqId: "after" });
  assert.equal(status, CallStatus.CALL_STATUS_OK);
  assert.match(output, /^alive/);
  cancel("after");
  await stream.bash("true", { uniqId: "last" });
  // Each call has one result, and nothing was rejected.
  const ids = stream.frames.map((frame) => (frame.$case === "result" ? frame.value.uniqId : frame.$case));
  assert.deepEqual(ids.sort(), [
    "after",
    "bash-queued",
    "bash-running",
    "bash_stateful-queued",
    "bash_stateful-running",
    "external",
    "last",
    "opened",
  ]);
  assert.equal(await stream.halfClose(), undefined);
}

async function death(live: DockerService): Promise<void> {
  const stream = await live.open({ trajectoryId: "death" });
  const word = uniqueSleep();
  const lost = stream.bash(`sleep ${word}`);
  await livingAre(word, 1);
  // Of those that are about to start, some cannot be killed yet.
  const all = await containersOf(live.instance);
  await Promise.allSettled(all.map((id) => docker.getContainer(id).kill()));
  const { status, fault, error } = await lost;
  assert.deepEqual([status, fault], [CallStatus.CALL_STATUS_LOST, Fault.FAULT_INFRASTRUCTURE]);
  assert.match(error, /^Batch execution failed: ./);
  assert.equal(await stream.halfClose(), undefined);
}

for (const isolation of ["namespace", "container"]) {
  test(`isolation ${isolation}`, async (t) => {
    const toolServer = await TestToolServer.start();
    t.after(() => toolServer.close());
    // What a test that failed left open holds up no other.
    const pool = { isolation, slots_per_container: 1, min_containers: 0, max_containers: 3 };
    const live = await startDocker(t, pool, { tool_server: { url: toolServer.url } });
    await t.test("every text and every metadata key", () => contract(live, isolation));
    await t.test("a cancel ends one call, once, and is harmless for others", () => cancels(live, toolServer));
    await t.test("a call whose container dies is told that its batch failed", () => death(live));
  });
}
