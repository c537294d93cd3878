// The fetch under MCP over HTTP: what it leaves behind, and what it takes for one event.
import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import { McpFetch } from "../../src/tools/external/mcp-fetch.js";

/** What a server that answers nothing by itself is asked. */
async function asked(server: Server): Promise<ServerResponse> {
  const [, response]: ServerResponse[] = await once(server, "request");
  assert.ok(response);
  return response;
}

async function serving(t: TestContext): Promise<{ server: Server; url: string }> {
  const server = createServer().listen(0, "127.0.0.1");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, "listening");
  const address = server.address();
  assert(address !== null && typeof address === "object");
  return { server, url: `http://127.0.0.1:${address.port}/` };
}

function fetchOf(t: TestContext, bytesMax: number): McpFetch {
  const fetch = new McpFetch(bytesMax);
  t.after(() => fetch.close());
  return fetch;
}

test("a body that nobody reads ends its request, and leaves nothing at the signals", async (t) => {
  const { server, url } = await serving(t);
  const session = new AbortController();
  const fetched = fetchOf(t, 1000).fetch(url, { signal: session.signal });
  const theirs = await asked(server);
  const gone = once(theirs, "close");
  theirs.writeHead(200, { "content-type": "text/html" }).write("<html>");
  await (await fetched).body?.cancel();
  await gone;
  assert.equal(getEventListeners(session.signal, "abort").length, 0);
});

test("events are bounded one by one, also when the blank line between them comes in pieces", async (t) => {
  const { server, url } = await serving(t);
  const fetched = fetchOf(t, 24).fetch(url);
  const theirs = await asked(server);
  theirs.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
  const reader = (await fetched).body?.getReader();
  assert.ok(reader);
  const pieces = ["data: 01234567890\n", "\n", "data: 01234567890\r\n\r", "\n", "data: 01\n\ndata: 01", "23456789012"];
  for (const piece of pieces) {
    theirs.write(piece);
    assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), piece);
  }
  theirs.write("34567");
  await assert.rejects(reader.read(), /larger than 24 bytes/);
});
