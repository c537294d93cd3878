// What clients and models should not send: each is answered by name, and whoever sent it goes on.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { status as GrpcCode, Metadata, type ServiceError } from "@grpc/grpc-js";
import { CallStatus, Fault, ToolCall, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { ExecuteRequest } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import { RunTrajectoryRequest } from "../../src/gen/switchyard/v1/trajectory.js";
import { reasonOf } from "../support/grpc-service.js";
import { type CallFields, type LiveService, startLive } from "../support/live-service.js";
import type { TrajectoryClient } from "../support/trajectory-client.js";

let live: LiveService;
let stream: TrajectoryClient;
let opened = 0;

before(async () => {
  live = await startLive("process", { pools: { default: { slots_per_container: 4 }, other: { min_containers: 0 } } });
});

after(() => live.close());

/** What a stream that begins so ends with. */
function endOf(...frames: Parameters<typeof RunTrajectoryRequest.fromPartial>[0]["frame"][]): Promise<ServiceError> {
  const call = live.client.runTrajectory();
  call.on("data", () => undefined);
  return new Promise((resolve) => {
    call.on("error", resolve);
    for (const frame of frames) call.write(RunTrajectoryRequest.fromPartial({ frame }));
  });
}

function assertEnded(error: ServiceError, code: GrpcCode, reason: string, text: RegExp): void {
  assert.deepEqual([error.code, reasonOf(error)], [code, reason]);
  assert.match(error.details, text);
}

describe("a stream that cannot begin", () => {
  test("its first frame is not open", async () => {
    const call = { $case: "call", value: { uniqId: "a", name: "bash" } } as const;
    const error = await endOf(call);
    assertEnded(error, GrpcCode.FAILED_PRECONDITION, "PROTOCOL_BROKEN", /first frame was call.*send open first/);
  });

  for (const trajectoryId of ["", "with space", "ü", "a/b", "x".repeat(129), "a\0b"]) {
    test(`trajectory_id ${JSON.stringify(trajectoryId.slice(0, 20))}`, async () => {
      const error = await endOf({ $case: "open", value: { trajectoryId } });
      assertEnded(error, GrpcCode.INVALID_ARGUMENT, "INVALID_FIELD", /^trajectory_id .*\[A-Za-z0-9._:-\]\{1,128\}/);
    });
  }

  test("an unknown pool is named, and so are those that there are", async () => {
    const error = await endOf({ $case: "open", value: { trajectoryId: "t", pool: "gpu" } });
    assertEnded(error, GrpcCode.INVALID_ARGUMENT, "UNKNOWN_POOL", /no pool is named gpu; there are: default, other/);
  });

  test("a malformed lease is named", async () => {
    const error = await endOf({ $case: "open", value: { trajectoryId: "t", lease: { seconds: -1n } } });
    assertEnded(error, GrpcCode.INVALID_ARGUMENT, "INVALID_FIELD", /^lease is .*must not be negative/);
  });

  test("a wrong token, and another pool, disturb nothing", async () => {
    const owner = await live.open({ trajectoryId: "owned", resumeToken: "secret" });
    const wrong = await endOf({ $case: "open", value: { trajectoryId: "owned", resumeToken: "guess" } });
    assertEnded(wrong, GrpcCode.PERMISSION_DENIED, "WRONG_TOKEN", /owned belongs to another/);
    const other = { trajectoryId: "owned", resumeToken: "secret", pool: "other" };
    const mismatch = await endOf({ $case: "open", value: other });
    assertEnded(mismatch, GrpcCode.FAILED_PRECONDITION, "TRAJECTORY_MISMATCH", /another pool, group or env/);
    assert.equal((await owner.bash("echo fine")).output, "fine");
    await owner.halfClose();
  });
});

describe("a call that is wrong, on a stream that lives", () => {
  beforeEach(async () => {
    opened += 1;
    stream = await live.open({ trajectoryId: `bad${opened}` });
  });

  async function stillLives(): Promise<void> {
    assert.equal((await stream.bash("echo alive", { uniqId: "still-lives" })).output, "alive");
    assert.equal(await stream.halfClose(), undefined);
  }

  async function rejected(fields: CallFields, text: RegExp): Promise<void> {
    const value = ToolCall.fromPartial({ uniqId: "r", name: "bash", arguments: { command: "true" }, ...fields });
    stream.send({ $case: "call", value });
    const frame = await stream.first("rejected");
    assert.equal(frame.status, CallStatus.CALL_STATUS_INVALID);
    assert.match(frame.error, text);
    await stillLives();
  }

  async function invalid(result: Promise<ToolResult>, error: string): Promise<void> {
    const { status, fault, success, ...rest } = await result;
    assert.deepEqual([status, fault, success], [CallStatus.CALL_STATUS_INVALID, Fault.FAULT_POLICY, false]);
    assert.equal(rest.error, error);
    await stillLives();
  }

  test("a bad uniq_id is rejected, made printable", async () => {
    await rejected({ uniqId: "nö\n" }, /^uniq_id is "n\?\?": it must match/);
    assert.equal((await stream.first("rejected")).uniqId, "n??");
  });

  test("no uniq_id", () => rejected({ uniqId: "" }, /^uniq_id is missing/));

  test("a uniq_id again, with other content", async () => {
    await stream.bash("echo first", { uniqId: "r" });
    await rejected({ arguments: { command: "echo second" } }, /uniq_id r was used before for another call/);
    assert.equal((await stream.first("result")).output, "first");
  });

  test("a uniq_id again, acknowledged", async () => {
    await stream.bash("true", { uniqId: "r" });
    stream.ack("r");
    await rejected({}, /uniq_id r was used before, and its result is no longer kept/);
  });

  for (const [field, duration] of [
    ["timeout", { seconds: -1n }],
    ["queueTimeout", { seconds: 1n, nanos: -1 }],
    ["noOutputTimeout", { nanos: 1_000_000_000 }],
    ["timeout", { seconds: 315_576_000_001n }],
  ] as const) {
    const name = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    test(`a malformed Duration as ${name} is named`, () => rejected({ [field]: duration }, new RegExp(`^${name} is `)));
  }

  test("slot_generation 0", () => rejected({ slotGeneration: 0 }, /slot_generation is 0/));

  test("an argument that is missing", () => invalid(stream.call("bash", {}), "Missing command"));

  test("an empty command", () => invalid(stream.bash(""), "Missing command"));

  test("an argument of another type", () =>
    invalid(stream.call("read_file", { path: 5 }), "Argument path must be a string, not 5"));

  test("arguments that nobody asked for are ignored and named", async () => {
    const args = { command: "echo ran", cwd: "/", allow_network: true, constructor: {} };
    const { status, output, metadata } = await stream.call("bash", args);
    assert.deepEqual([status, output], [CallStatus.CALL_STATUS_OK, "ran"]);
    assert.deepEqual(metadata?.ignored_arguments, ["allow_network", "constructor", "cwd"]);
    await stillLives();
  });

  test("a path out of the workspace", async () => {
    const { status, error } = await stream.call("read_file", { path: "../../etc/passwd" });
    assert.deepEqual([status, error], [CallStatus.CALL_STATUS_TOOL_FAILED, "Access denied: path outside workspace"]);
    await stillLives();
  });

  test("numbers as timeouts are clamped, what is none is ignored", async () => {
    const timeouts = [-1, 0, 1e308, "soon", null, true].map(async (timeout) => {
      const { metadata } = await stream.call("bash", { command: "true", timeout });
      return metadata?.timeout;
    });
    assert.deepEqual(await Promise.all(timeouts), [1, 1, 600, 30, 30, 30]);
    await stillLives();
  });

  test("a lone surrogate, a NUL, and invalid UTF-8 from a command", async () => {
    assert.equal((await stream.bash("printf 'a\\xffb\\xed\\xa0\\x80'")).output, "a\uFFFDb\uFFFD\uFFFD\uFFFD");
    assert.equal((await stream.bash("printf 'a\\0b'")).output, "a\0b");
    assert.equal((await stream.bash("echo '\ud800'")).output, "\uFFFD");
    await stillLives();
  });

  test("a command of 200 KB", async () => {
    const { output } = await stream.bash(`echo ${"x ".repeat(100_000)} | wc -c`);
    assert.equal(output, "200000");
    await stillLives();
  });

  test("a tool with a name of a megabyte", async () => {
    const { status, error } = await stream.call("x".repeat(1_000_000), {});
    assert.equal(status, CallStatus.CALL_STATUS_UNKNOWN_TOOL);
    assert.match(error, /^Unknown tool: xxx/);
    await stillLives();
  });

  test("a cancel and an ack of nobody's call", async () => {
    stream.send({ $case: "cancel", value: { uniqId: "nobody" } });
    stream.ack("nobody", "");
    await stillLives();
  });
});

describe("Execute", () => {
  function refused(request: Parameters<typeof ExecuteRequest.fromPartial>[0]): Promise<ServiceError> {
    return new Promise((resolve, reject) =>
      live.client.execute(ExecuteRequest.fromPartial(request), new Metadata(), (error) =>
        error ? resolve(error) : reject(new Error("it was accepted")),
      ),
    );
  }

  const call = { uniqId: "e", name: "bash", arguments: { command: "true" } };

  test("bad ids, pools and times are refused by name", async () => {
    const cases = [
      [{ trajectoryId: "a b", call }, "INVALID_FIELD", /^trajectory_id is "a b"/],
      [{ trajectoryId: "t" }, "INVALID_FIELD", /^call is missing/],
      [{ trajectoryId: "t", call: { ...call, uniqId: "ü" } }, "INVALID_FIELD", /uniq_id is "\?"/],
      [{ trajectoryId: "t", call: { ...call, timeout: { seconds: -1n } } }, "INVALID_FIELD", /timeout is /],
      [{ trajectoryId: "t", pool: "gpu", call }, "UNKNOWN_POOL", /no pool is named gpu/],
    ] as const;
    for (const [request, reason, text] of cases) {
      assertEnded(await refused(request), GrpcCode.INVALID_ARGUMENT, reason, text);
    }
  });

  test("a uniq_id again with other content is refused, with the same it is answered again", async () => {
    const append = { uniqId: "once", name: "bash", arguments: { command: "echo x >> log; cat log" } };
    const first = await live.execute("again", append);
    assert.deepEqual(await live.execute("again", append), first);
    assert.equal(first.output, "x");
    const error = await refused({ trajectoryId: "again", call: { ...append, arguments: { command: "true" } } });
    assertEnded(error, GrpcCode.ALREADY_EXISTS, "CALL_CONFLICT", /used before for another call/);
  });

  test("the release of a trajectory that is not there", async () => {
    await assert.rejects(live.release("nobody", true), (error: ServiceError) => {
      assertEnded(error, GrpcCode.NOT_FOUND, "TRAJECTORY_UNKNOWN", /no trajectory nobody/);
      return true;
    });
  });
});
