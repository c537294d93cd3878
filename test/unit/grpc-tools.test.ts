import assert from "node:assert/strict";
import { test } from "node:test";
import { ListToolsResponse } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import { encodeTools } from "../../src/grpc/tools.js";

const MIB = 1 << 20;

function tool(name: string, external: boolean, chars: number) {
  const text = "é".repeat(chars);
  return {
    name,
    description: text,
    parameters: { type: "object" },
    external,
    openAiFunction: `"${text}"`,
    promptText: text,
  };
}

test("tools that do not fit a message are left out, sandbox tools last", () => {
  const external = Array.from({ length: 500 }, (_, index) => tool(`a${index}`, true, 1000));
  const bytes = encodeTools([...external, tool("bash", false, 10)]);
  assert.ok(bytes.length <= MIB && bytes.length > MIB / 2, `${bytes.length}`);
  const { tools, truncated, openaiToolsJson } = ListToolsResponse.decode(bytes);
  assert.equal(truncated, true);
  assert.ok(tools.some(({ name }) => name === "bash"));
  assert.equal(JSON.parse(openaiToolsJson).length, tools.length);
});

test("even one that is larger than a message", () => {
  const { tools, truncated } = ListToolsResponse.decode(encodeTools([tool("a", true, 2 * MIB), tool("b", false, 1)]));
  assert.deepEqual([tools.map(({ name }) => name), truncated], [["b"], true]);
});

test("all of them where they fit", () => {
  const { tools, truncated } = ListToolsResponse.decode(encodeTools([tool("b", true, 1), tool("a", false, 1)]));
  assert.deepEqual([tools.map(({ name }) => name), truncated], [["a", "b"], false]);
});
