// An MCP server over HTTP that connects and lists as it should, and answers calls as badly as their names say.
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { JsonObject } from "../../src/core/json.js";

const NAMES = ["gigabyte-json", "gigabyte-events", "html", "fails", "hangs", "breaks"];
const tools = NAMES.map((name) => ({ name, inputSchema: { type: "object" } }));
const serverInfo = { name: "odd", version: "1" };

export async function startOddMcpHttp(): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    void (async () => {
      if (request.method !== "POST") return void response.writeHead(405).end();
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      answer(JSON.parse(Buffer.concat(chunks).toString("utf8")), response);
    })();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function answer(
  { id, method, params }: { id?: number; method: string; params?: JsonObject },
  response: ServerResponse,
): void {
  const result = (value: object) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id, result: value }));
  };
  if (method === "initialize") {
    return result({ protocolVersion: params?.protocolVersion, capabilities: { tools: {} }, serverInfo });
  }
  if (method === "tools/list") return result({ tools });
  if (method === "tools/call") misbehave(String(params?.name), response);
  else response.writeHead(202).end();
}

function misbehave(name: string, response: ServerResponse): void {
  const begin = (type: string, status = 200) => response.writeHead(status, { "content-type": type });
  switch (name) {
    case "gigabyte-json":
      begin("application/json");
      return pour(response, "");
    case "gigabyte-events":
      begin("text/event-stream");
      return pour(response, "data: ");
    case "html":
      begin("text/html").end("<html>login please</html>");
      return;
    case "fails":
      begin("text/plain", 500).end("token-of-the-http-server");
      return;
    case "breaks":
      begin("text/event-stream").write("event: message\n");
      setTimeout(() => response.socket?.destroy(), 10);
      return;
    default:
  }
}

/** Without end. */
function pour(response: ServerResponse, prefix: string): void {
  const chunk = Buffer.alloc(1 << 20, "x");
  response.write(prefix);
  const more = () => {
    while (!response.destroyed) if (!response.write(chunk)) return void response.once("drain", more);
  };
  more();
}
