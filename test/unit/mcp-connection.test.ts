// When an MCP server is connected to, and how long it is left alone after failures.
import assert from "node:assert/strict";
import { test } from "node:test";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { messageOf } from "../../src/core/errors.js";
import { McpConnection } from "../../src/tools/external/mcp-connection.js";
import { FakeClock } from "../support/fake-clock.js";
import { TestLog } from "../support/grpc-service.js";

function world() {
  const clock = new FakeClock();
  const state = { isUp: true, made: 0, toolsChanged: 0 };
  const servers: McpServer[] = [];
  const connection = new McpConnection({
    version: "1",
    connectTimeoutS: 5,
    clock,
    log: new TestLog(),
    makeTransport: (): Transport => {
      state.made += 1;
      const [ours, theirs] = InMemoryTransport.createLinkedPair();
      if (!state.isUp) ours.start = () => Promise.reject(new Error("nobody there"));
      const server = new McpServer({ name: "test", version: "1" });
      server.registerTool("one", {}, async () => ({ content: [] }));
      servers.push(server);
      void server.connect(theirs);
      return ours;
    },
    why: messageOf,
    onTools: () => {
      state.toolsChanged += 1;
    },
    onError: () => undefined,
  });
  return { clock, connection, servers, state };
}

test("is made when it is needed, once for all", async () => {
  const { connection, state } = world();
  assert.equal(state.made, 0);
  const [a, b] = await Promise.all([connection.client(), connection.client()]);
  assert.equal(a, b);
  assert.equal(await connection.client(), a);
  assert.equal(state.made, 1);
  await connection.close();
  await assert.rejects(connection.client(), /shutting down/);
});

test("is made anew when it has ended", async () => {
  const { clock, connection, servers, state } = world();
  const first = await connection.client();
  await clock.advance(60_000);
  await servers[0]?.close();
  assert.notEqual(await connection.client(), first);
  assert.equal(state.made, 2);
  await connection.close();
});

test("is not tried again and again: longer pauses after each failure, and none after a success", async () => {
  const { clock, connection, state } = world();
  state.isUp = false;
  await assert.rejects(connection.client(), /^Error: the MCP server cannot be reached: nobody there$/);
  await assert.rejects(connection.client(), /^Error: the MCP server cannot be reached: nobody there$/);
  assert.equal(state.made, 2);
  await assert.rejects(connection.client(), /cannot be reached, tried again in 1 s: nobody there/);
  for (let pause = 0; pause < 10; pause += 1) {
    await clock.advance(30_000);
    await assert.rejects(connection.client(), /reached: nobody there/);
  }
  await assert.rejects(connection.client(), /tried again in 30 s/);
  assert.equal(state.made, 12);
  state.isUp = true;
  await clock.advance(30_000);
  await connection.client();
  await connection.close();
});

test("tells of changed tools", async () => {
  const { connection, servers, state } = world();
  await connection.client();
  assert.equal(state.toolsChanged, 1);
  servers[0]?.registerTool("two", {}, async () => ({ content: [] }));
  await new Promise(setImmediate);
  assert.equal(state.toolsChanged, 2);
  await connection.close();
});
