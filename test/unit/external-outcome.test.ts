// What external servers say, and what becomes of it: pure parts.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { JsonValue } from "../../src/core/json.js";
import {
  type Answer,
  briefly,
  ExternalError,
  externalFailed,
  keepEnds,
  outcomeOf,
} from "../../src/tools/external/external-outcome.js";
import { answerOf } from "../../src/tools/external/mcp-result.js";
import { Secrets, secretsOf } from "../../src/tools/external/secrets.js";
import { readAnswer } from "../../src/tools/external/tool-answer.js";
import { readToolList } from "../../src/tools/external/tool-list.js";

const NO_SECRETS = new Secrets([]);
const CHARS_MAX = 1000;

function outcome(answer: Partial<Answer>, secrets = NO_SECRETS) {
  return outcomeOf({ success: true, output: "", error: "", metadata: {}, ...answer }, secrets, CHARS_MAX);
}

describe("an answer of a ToolServer", () => {
  test("with all of it", () => {
    const body = { success: true, output: "hi", error: null, metadata: { a: [1] }, uniq_id: "u", more: 1 };
    assert.deepEqual(readAnswer(body, "u"), { success: true, output: "hi", error: "", metadata: { a: [1] } });
  });

  test("with the least of it", () => {
    assert.deepEqual(readAnswer({ success: false }, "u"), { success: false, output: "", error: "", metadata: {} });
  });

  const nonsense: readonly [string, JsonValue, string][] = [
    ["a list", [], "the answer is no JSON object"],
    ["null", null, "the answer is no JSON object"],
    ["no success", { output: "hi" }, "success in the answer is no boolean"],
    ["success as a text", { success: "true" }, "success in the answer is no boolean"],
    ["output as a number", { success: true, output: 3 }, "output in the answer is no text"],
    ["error as an object", { success: false, error: {} }, "error in the answer is no text"],
    ["metadata as a list", { success: true, metadata: [] }, "metadata in the answer is no object"],
    ["another call's uniq_id", { success: true, uniq_id: "v" }, "the answer has the uniq_id of another call"],
    ["a uniq_id of another type", { success: true, uniq_id: 1 }, "the answer has the uniq_id of another call"],
  ];
  for (const [what, body, why] of nonsense) {
    test(what, () => assert.throws(() => readAnswer(body, "u"), new ExternalError(why)));
  }
});

describe("an outcome", () => {
  test("of success has no error", () => {
    const { status, output, error, outputBytes, truncated } = outcome({ output: "é", error: "ignored" });
    assert.deepEqual([status, output, error, outputBytes, truncated], ["OK", "é", "", 2, false]);
  });

  test("of a tool that says no is TOOL_FAILED with its error", () => {
    const failed = outcome({ success: false, error: "no such page", output: "seen so far" });
    assert.deepEqual([failed.status, failed.error, failed.output], ["TOOL_FAILED", "no such page", "seen so far"]);
    assert.equal(outcome({ success: false }).error, "The tool failed and did not say why");
  });

  test("of a server that fails has the contract's text", () => {
    const { status, error } = externalFailed("connection refused");
    assert.deepEqual([status, error], ["EXTERNAL_FAILED", "External tool failed: connection refused"]);
  });

  test("keeps head and tail of what is too long", () => {
    const long = `${"a".repeat(3000)}${"😀".repeat(3000)}`;
    const { output, truncated, outputBytes } = outcome({ output: long });
    assert.equal(truncated, true);
    assert.equal(outputBytes, 15_000);
    assert.ok([...output].length <= CHARS_MAX && [...output].length > CHARS_MAX - 50, `${[...output].length}`);
    const [, missing] = /^a+\n\[\.\.\. (\d+) bytes missing \.\.\.\]\n(?:😀)+$/u.exec(output) ?? [];
    assert.equal(Number(missing), 15_000 - Buffer.byteLength(output.replace(/\n.*\n/, "")));
  });

  test("counts characters, not units", () => {
    const emoji = "😀".repeat(CHARS_MAX);
    assert.equal(keepEnds(emoji, CHARS_MAX), emoji);
  });

  test("has bounded metadata", () => {
    let deep: JsonValue = 1;
    for (let level = 0; level < 100_000; level += 1) deep = [deep];
    for (const metadata of [{ a: "x".repeat(20_000) }, { a: deep }, { a: Array(20_000).fill(0) }]) {
      assert.deepEqual(outcome({ metadata }).metadata, { metadata_truncated: true });
    }
  });
});

describe("secrets", () => {
  const secrets = new Secrets(
    secretsOf({
      url: "https://host/mcp?api_key=in-query&size=largest",
      token: "hunter2hunter2",
      headers: { authorization: "Basic dXNlcg==" },
      env: { API_TOKEN: "from-env", DATA_DIR: "/srv/data", X_PASSWORD: "abc" },
    }),
  );

  test("do not reach what a model reads", () => {
    const spoken = "hunter2hunter2 dXNlcg== from-env in-query /srv/data largest abc";
    const clean = "[secret] [secret] [secret] [secret] /srv/data largest abc";
    const { output, metadata } = outcome({ output: spoken, metadata: { hunter2hunter2: [{ a: spoken }] } }, secrets);
    assert.equal(output, clean);
    assert.deepEqual(metadata, { "[secret]": [{ a: clean }] });
    assert.equal(outcome({ success: false, error: spoken }, secrets).error, clean);
    assert.equal(briefly(`a\n${spoken}`, secrets), `a ${clean}`);
  });

  test("are gone before the text is cut", () => {
    const output = `${"x".repeat(490)}hunter2hunter2${"y".repeat(2000)}`;
    assert.ok(!/hunter/.test(outcome({ output }, secrets).output));
  });
});

describe("a list of tools", () => {
  const schema = { type: "object", properties: { q: { type: "string" } } };
  const named = { name: "search", description: "Searches.", parameters: schema };

  test("comes as a list or in an object, plain or as OpenAI functions", () => {
    for (const tool of [
      named,
      { type: "function", function: named },
      { ...named, parameters: null, inputSchema: schema },
    ]) {
      assert.deepEqual(readToolList([tool], NO_SECRETS), [named]);
      assert.deepEqual(readToolList({ tools: [tool] }, NO_SECRETS), [named]);
    }
  });

  test("has only what can be called, and is bounded", () => {
    const strange = [
      null,
      3,
      {},
      { name: "" },
      { name: "a b" },
      { name: "a\u0000" },
      { name: "x".repeat(129) },
      { name: 3 },
    ];
    assert.deepEqual(readToolList(strange, NO_SECRETS), []);
    const [tool] = readToolList(
      [{ ...named, description: "d".repeat(9000), parameters: { a: "p".repeat(70_000) } }],
      NO_SECRETS,
    );
    assert.equal(tool?.description.length, 8192);
    assert.deepEqual(tool?.parameters, { type: "object" });
    const many = Array.from({ length: 5000 }, (_, index) => ({ name: `t${index}` }));
    assert.equal(readToolList(many, NO_SECRETS).length, 1000);
  });

  for (const body of [null, 1, "tools", {}, { tools: {} }]) {
    test(`${JSON.stringify(body)} is none`, () =>
      assert.throws(() => readToolList(body, NO_SECRETS), new ExternalError("its list of tools is no list")));
  }
});

describe("what an MCP tool gave", () => {
  test("text is the output, the rest is told of in the metadata", () => {
    const answer = answerOf({
      content: [
        { type: "text", text: "one" },
        { type: "image", data: Buffer.from("12345").toString("base64"), mimeType: "image/png" },
        { type: "text", text: "two" },
        { type: "resource", resource: { uri: "file:///a", text: "abc", mimeType: "text/plain" } },
        { type: "resource_link", uri: "file:///b", name: "b" },
      ],
      structuredContent: { n: 1 },
    });
    assert.deepEqual(answer, {
      success: true,
      output: "one\ntwo",
      error: "",
      metadata: {
        structured_content: { n: 1 },
        content: [
          { type: "image", mime_type: "image/png", bytes: 5 },
          { type: "resource", uri: "file:///a", bytes: 3, mime_type: "text/plain" },
          { type: "resource_link", uri: "file:///b", name: "b" },
        ],
      },
    });
  });

  test("structured content is the output where there is no text", () => {
    assert.equal(answerOf({ content: [], structuredContent: { n: 1 } }).output, '{"n":1}');
  });

  test("an error is one", () => {
    const answer = answerOf({ content: [{ type: "text", text: "bad" }], isError: true });
    assert.deepEqual([answer.success, answer.output, answer.error], [false, "", "bad"]);
  });

  test("no more than twenty pieces are told of", () => {
    const image = { type: "image", data: "", mimeType: "image/png" } as const;
    const { metadata } = answerOf({ content: Array(25).fill(image) });
    assert.equal(metadata.content_omitted, 5);
  });
});
