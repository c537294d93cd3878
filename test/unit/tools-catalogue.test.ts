import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Call } from "../../src/core/call.js";
import { systemClock } from "../../src/core/clock.js";
import type { JsonObject } from "../../src/core/json.js";
import { Catalogue, completeOutcome } from "../../src/tools/catalogue.js";
import { ExternalTools } from "../../src/tools/external/external-tools.js";
import { Secrets } from "../../src/tools/external/secrets.js";
import { TestLog } from "../support/grpc-service.js";
import { okOutcome } from "../support/outcomes.js";

const FILE_BYTES_MAX = 100;
const POOL_DEFAULT_S = 30;
const catalogue = new Catalogue({ limits: { fileBytesMax: FILE_BYTES_MAX }, timeouts: { minS: 1, maxS: 600 } });

function plan(tool: string, args: JsonObject, fields: Partial<Call> = {}) {
  const call = { uniqId: "u", tool, arguments: args, streamOutput: false, bytes: 1, ...fields };
  return catalogue.plan(call, POOL_DEFAULT_S);
}

function runs(tool: string, args: JsonObject, fields: Partial<Call> = {}) {
  const planned = plan(tool, args, fields);
  assert(planned.kind === "sandbox", planned.kind === "done" ? planned.outcome.error : "");
  return planned.plan;
}

/** `STATUS: error` of a call that is answered without a slot. */
function answer(tool: string, args: JsonObject): string {
  const planned = plan(tool, args);
  assert(planned.kind === "done", "it runs");
  return `${planned.outcome.status}: ${planned.outcome.error}`;
}

function metadata(tool: string, args: JsonObject, isolation = "namespace"): JsonObject {
  const planned = runs(tool, args).metadata;
  const surroundings = { isolation, networkIsolated: true };
  return completeOutcome(okOutcome(), planned, surroundings, { queueMs: 0, slotGeneration: 1 }).metadata;
}

describe("which tools there are", () => {
  test("they are listed with JSON Schemas", async () => {
    const tools = await catalogue.listTools();
    assert.deepEqual(tools.map(({ name }) => name).sort(), [
      "bash",
      "bash_stateful",
      "read_file",
      "terminal",
      "terminal_stateful",
      "tmux",
      "write_file",
    ]);
    for (const { parameters, description, external } of tools) {
      assert.equal(parameters.type, "object");
      assert(description.length > 0 && !external);
    }
  });

  for (const name of ["nope", "", "__proto__", "constructor", "toString", "BASH", "bash "]) {
    test(`${JSON.stringify(name)} is unknown`, () =>
      assert.equal(answer(name, {}), `UNKNOWN_TOOL: Unknown tool: ${name}`));
  }
});

describe("which tools there are besides", () => {
  const timeouts = { minS: 1, maxS: 600 };
  const found = (name: string) => ({ name, description: "What look does", parameters: { type: "object" } });

  function withExternal(disabled: readonly string[] = []) {
    const external = new ExternalTools({
      toolServer: undefined,
      declared: ["search", "bash"],
      mcpServers: new Map([["mcp", { provider, concurrencyMax: 1, trajectoryConcurrencyMax: 1, timeoutDefaultS: 30 }]]),
      secrets: new Secrets([]),
      clock: systemClock,
      log: new TestLog(),
    });
    return new Catalogue({ limits: { fileBytesMax: FILE_BYTES_MAX }, timeouts, disabled, external });
  }

  const provider = { call: async () => undefined, list: async () => [found("look")], close: async () => undefined };

  function planOf(name: string, disabled: readonly string[] = []) {
    const call = { uniqId: "u", tool: name, arguments: {}, streamOutput: false, bytes: 1 };
    return withExternal(disabled).plan(call, POOL_DEFAULT_S);
  }

  test("a name that is listed as the ToolServer's, without one, is not available", () => {
    const planned = planOf("search");
    assert(planned.kind === "done");
    assert.equal(planned.outcome.status, "EXTERNAL_FAILED");
    assert.equal(planned.outcome.error, "External tool not available (ToolServer not configured): search");
  });

  test("a sandbox tool stays one, and another name is unknown", () => {
    assert.equal(planOf("bash").kind, "done");
    for (const name of ["nope", "other.look", ".look"]) {
      const planned = planOf(name);
      assert(planned.kind === "done");
      assert.equal(planned.outcome.error, `Unknown tool: ${name}`);
    }
  });

  test("an MCP server's tool is asked for there, and may be unknown there", async () => {
    const planned = planOf("mcp.nope");
    assert(planned.kind === "external");
    const { signal } = new AbortController();
    const outcome = await planned.plan.run({
      ...{ principal: "", trajectoryId: "t", uniqId: "u" },
      ...{ signal, begin: () => undefined },
    });
    assert.deepEqual([outcome.status, outcome.error], ["UNKNOWN_TOOL", "Unknown tool: mcp.nope"]);
  });

  test("they are listed by their whole names, flagged, and in the forms that trainers use", async () => {
    const tools = await withExternal().listTools();
    const look = tools.find(({ external }) => external);
    assert.equal(look?.name, "mcp.look");
    assert.deepEqual(JSON.parse(look.openAiFunction), { type: "function", function: found("mcp.look") });
    assert.equal(look.promptText, "## mcp.look\nWhat look does\nNo arguments are named.");
    const text = tools.find(({ name }) => name === "read_file")?.promptText ?? "";
    assert.match(text, /^## read_file\nReads a file .*\nArguments:\n- path \(string, required\): Path in/);
    assert.match(text, /\n- encoding \("text" or "base64"\): How the content/);
  });

  test("one that is turned off is unknown and not listed", async () => {
    const disabled = ["bash", "mcp.look", "search"];
    const names = (await withExternal(disabled).listTools()).map(({ name }) => name);
    assert.deepEqual(names, ["terminal", "bash_stateful", "terminal_stateful", "tmux", "read_file", "write_file"]);
    for (const name of disabled) {
      const planned = planOf(name, disabled);
      assert(planned.kind === "done");
      assert.equal(planned.outcome.error, `Unknown tool: ${name}`);
    }
  });
});

describe("timeout", () => {
  const cases: readonly [string, number | undefined, JsonObject, number][] = [
    ["the pool's default", undefined, {}, 30],
    ["the model's number", undefined, { timeout: 45 }, 45],
    ["the call's own before the model's", 20, { timeout: 45 }, 20],
    ["the call's own, clamped to the least", 0, { timeout: 45 }, 1],
    ["clamped to the most", 601, {}, 600],
    ["a model's 0", undefined, { timeout: 0 }, 1],
    ["a model's negative number", undefined, { timeout: -5 }, 1],
    ["a model's fraction", undefined, { timeout: 2.5 }, 2.5],
    ["a model's huge number", undefined, { timeout: 1e300 }, 600],
    ["a model's Infinity", undefined, { timeout: Number.POSITIVE_INFINITY }, 600],
    ["a model's -Infinity", undefined, { timeout: Number.NEGATIVE_INFINITY }, 1],
    ["a model's NaN is ignored", undefined, { timeout: Number.NaN }, 30],
    ["a model's string is ignored", undefined, { timeout: "45" }, 30],
    ["a model's boolean is ignored", undefined, { timeout: true }, 30],
    ["a model's null is ignored", undefined, { timeout: null }, 30],
    ["a model's list is ignored", undefined, { timeout: [45] }, 30],
    ["a model's object is ignored", undefined, { timeout: { seconds: 45 } }, 30],
  ];
  for (const [what, timeoutS, args, expected] of cases) {
    test(what, () => {
      const { timeoutS: planned } = runs(
        "bash",
        { command: "true", ...args },
        timeoutS === undefined ? {} : { timeoutS },
      );
      assert.equal(planned, expected);
    });
  }

  test("one on the prototype is none", () => {
    const args = JSON.parse('{"command": "true", "__proto__": {"timeout": 99}}');
    assert.equal(runs("bash", args).timeoutS, 30);
  });

  test("it is the tools' own and not named as ignored", () => {
    for (const tool of ["bash", "terminal"]) {
      assert.equal(metadata(tool, { command: "true", timeout: "nonsense" }).ignored_arguments, undefined);
    }
  });
});

describe("bash and terminal", () => {
  test("terminal is bash", () => {
    assert.deepEqual(runs("terminal", { command: "echo hi" }).operation, { kind: "bash", command: "echo hi" });
    assert.deepEqual(runs("terminal", { command: "echo hi", background: false }).operation, {
      kind: "bash",
      command: "echo hi",
    });
  });

  test("terminal in the background is refused", () => {
    const refused = "INVALID: terminal background execution is not supported in sandbox";
    assert.equal(answer("terminal", { command: "true", background: true }), refused);
    assert.equal(answer("terminal", { background: true }), refused);
  });

  test("bash has no background and ignores it", () =>
    assert.deepEqual(metadata("bash", { command: "true", background: true }).ignored_arguments, ["background"]));

  const wrong: readonly [JsonObject, string][] = [
    [{}, "Missing command"],
    [{ command: null }, "Missing command"],
    [{ command: "" }, "Missing command"],
    [{ command: 5 }, "Argument command must be a string, not 5"],
    [{ command: true }, "Argument command must be a string, not true"],
    [{ command: ["ls"] }, "Argument command must be a string, not a list"],
    [{ command: { cmd: "ls" } }, "Argument command must be a string, not an object"],
    [{ command: "a\0b" }, "Argument command must not contain a NUL character"],
  ];
  for (const [args, error] of wrong) {
    test(`${JSON.stringify(args)}: ${error}`, () => {
      assert.equal(answer("bash", args), `INVALID: ${error}`);
      assert.equal(answer("terminal", args), `INVALID: ${error}`);
    });
  }

  test("terminal's background must be a boolean", () =>
    assert.equal(
      answer("terminal", { command: "true", background: "yes" }),
      'INVALID: Argument background must be a boolean, not "yes"',
    ));

  test("policy arguments never reach the operation, and are named as ignored", () => {
    const policy = { allow_network: true, require_sandbox: false, require_stateful_sandbox: false };
    assert.deepEqual(runs("bash", { command: "id", ...policy }).operation, { kind: "bash", command: "id" });
    assert.deepEqual(metadata("bash", { command: "id", ...policy }).ignored_arguments, Object.keys(policy));
  });

  test("a __proto__ argument is one that nobody asked for", () => {
    const args = JSON.parse('{"command": "true", "__proto__": {"command": "false"}, "zeta": 1, "alpha": 2}');
    assert.deepEqual(metadata("bash", args).ignored_arguments, ["__proto__", "alpha", "zeta"]);
    assert.equal(answer("bash", JSON.parse('{"__proto__": {"command": "true"}}')), "INVALID: Missing command");
  });

  test("the metadata says how it ran", () => {
    assert.deepEqual(metadata("bash", { command: "true", timeout: 5 }), {
      sandboxed: true,
      isolation: "namespace",
      network_isolated: true,
      timeout: 5,
    });
    assert.equal(metadata("bash", { command: "true" }, "none").sandboxed, false);
  });
});

describe("bash_stateful and terminal_stateful", () => {
  const operation = { kind: "bash_stateful", command: "echo hi" };

  test("they are one tool, told from bash by the operation and the metadata", () => {
    for (const tool of ["bash_stateful", "terminal_stateful"]) {
      assert.deepEqual(runs(tool, { command: "echo hi" }).operation, operation);
      const { stateful, timeout } = metadata(tool, { command: "true", timeout: 5 });
      assert.deepEqual([stateful, timeout], [true, 5]);
      assert.equal(answer(tool, {}), "INVALID: Missing command");
    }
    const refused = "INVALID: terminal background execution is not supported in sandbox";
    assert.equal(answer("terminal_stateful", { command: "true", background: true }), refused);
    assert.deepEqual(metadata("bash_stateful", { command: "x", background: true }).ignored_arguments, ["background"]);
  });

  test("policy is the configuration's: a model's is ignored, and a sandbox is required of nothing but stateful calls", () => {
    const policy = { allow_network: true, require_sandbox: false, require_stateful_sandbox: false };
    assert.deepEqual(runs("bash_stateful", { command: "echo hi", ...policy }).operation, operation);
    assert.deepEqual(metadata("bash_stateful", { command: "id", ...policy }).ignored_arguments, Object.keys(policy));
    assert.equal(runs("bash_stateful", { command: "id", require_stateful_sandbox: true }).needsSandbox, undefined);
    const strict = new Catalogue({
      limits: { fileBytesMax: 1 },
      timeouts: { minS: 1, maxS: 2 },
      requireStatefulSandbox: true,
    });
    const needs = (tool: string) => {
      const call = { uniqId: "u", tool, arguments: { command: "id" }, streamOutput: false, bytes: 1 };
      const planned = strict.plan(call, 1);
      return planned.kind === "sandbox" && planned.plan.needsSandbox !== undefined;
    };
    assert.deepEqual(["bash", "bash_stateful", "terminal_stateful"].map(needs), [false, true, true]);
  });
});

describe("read_file", () => {
  test("the whole file as text, unless told otherwise", () => {
    const whole = { kind: "read_file", path: "a/b", offset: 0, encoding: "text" };
    assert.deepEqual(runs("read_file", { path: "a/b" }).operation, whole);
    assert.deepEqual(runs("read_file", { path: "a/b", offset: 7, limit: 3, encoding: "base64" }).operation, {
      ...whole,
      offset: 7,
      limit: 3,
      encoding: "base64",
    });
    assert.deepEqual(runs("read_file", { path: "a/b", offset: null, limit: null, encoding: null }).operation, whole);
  });

  const wrong: readonly [JsonObject, string][] = [
    [{}, "Missing path"],
    [{ path: "" }, "Missing path"],
    [{ path: 1 }, "Argument path must be a string, not 1"],
    [{ path: "a\0b" }, "Argument path must not contain a NUL character"],
    [{ path: "f", offset: -1 }, "Argument offset must be a whole number of bytes, 0 or more, not -1"],
    [{ path: "f", offset: 1.5 }, "Argument offset must be a whole number of bytes, 0 or more, not 1.5"],
    [{ path: "f", offset: "0" }, 'Argument offset must be a whole number of bytes, 0 or more, not "0"'],
    [{ path: "f", offset: Number.NaN }, "Argument offset must be a whole number of bytes, 0 or more, not NaN"],
    [{ path: "f", limit: 1e300 }, "Argument limit must be a whole number of bytes, 0 or more, not 1e+300"],
    [{ path: "f", limit: 0 }, "Argument limit must be at least 1"],
    [{ path: "f", encoding: "hex" }, 'Argument encoding must be "text" or "base64", not "hex"'],
  ];
  for (const [args, error] of wrong) {
    test(`${JSON.stringify(args)}: ${error}`, () => assert.equal(answer("read_file", args), `INVALID: ${error}`));
  }

  test("the metadata names the path", () => assert.equal(metadata("read_file", { path: "a/b" }).path, "a/b"));
});

describe("write_file", () => {
  function written(args: JsonObject): Buffer {
    const { operation } = runs("write_file", { path: "f", ...args });
    assert(operation.kind === "write_file");
    return Buffer.from(operation.content);
  }

  test("text as UTF-8, base64 as its bytes", () => {
    assert.deepEqual(written({ content: "é\0\n" }), Buffer.from("é\0\n"));
    assert.deepEqual(written({ content: "" }), Buffer.alloc(0));
    assert.deepEqual(written({ content: "AAH/\n gA==", encoding: "base64" }), Buffer.from([0, 1, 255, 128]));
    assert.deepEqual(written({ content: "gA", encoding: "base64" }), Buffer.from([128]));
  });

  const wrong: readonly [JsonObject, string][] = [
    [{ content: "x" }, "Missing path"],
    [{ path: "f" }, "Missing content"],
    [{ path: "f", content: null }, "Missing content"],
    [{ path: "f", content: 5 }, "Argument content must be a string, not 5"],
    [{ path: "f", content: { a: 1 } }, "Argument content must be a string, not an object"],
    [{ path: "f", content: "###", encoding: "base64" }, "Argument content must be base64, as encoding says"],
    [{ path: "f", content: "AAAAA", encoding: "base64" }, "Argument content must be base64, as encoding says"],
    [{ path: "f", content: "A=AA", encoding: "base64" }, "Argument content must be base64, as encoding says"],
    [{ path: "f", content: "x", encoding: 64 }, 'Argument encoding must be "text" or "base64", not 64'],
  ];
  for (const [args, error] of wrong) {
    test(`${JSON.stringify(args)}: ${error}`, () => assert.equal(answer("write_file", args), `INVALID: ${error}`));
  }

  test("content over the limit in bytes, not in characters", () => {
    assert.equal(written({ content: "é".repeat(50) }).length, 100);
    const tooLarge = "TOOL_FAILED: Content too large: 102 bytes (max 100)";
    assert.equal(answer("write_file", { path: "f", content: "é".repeat(51) }), tooLarge);
    const base64 = Buffer.alloc(102).toString("base64");
    assert.equal(answer("write_file", { path: "f", content: base64, encoding: "base64" }), tooLarge);
  });
});
