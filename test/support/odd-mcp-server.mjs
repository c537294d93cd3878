// An MCP server over stdio that misbehaves: from the start, as its argument says, or by its tools. It heeds neither the end
// of its input nor SIGTERM, and leaves a child behind.
import { spawn } from "node:child_process";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { CallToolRequestSchema, ErrorCode, McpError } from "@modelcontextprotocol/sdk/types.js";

const [how, word] = process.argv.slice(2);
const text = (words) => ({ content: [{ type: "text", text: words }] });

switch (how) {
  case "silent":
    setInterval(() => {}, 1000);
    break;
  case "garbage":
    setInterval(() => process.stdout.write("this is no message\n"), 10);
    break;
  case "gone":
    process.stderr.write("no licence\n");
    process.exitCode = 3;
    break;
  default:
    await serve();
}

async function serve() {
  process.on("SIGTERM", () => {});
  setInterval(() => {}, 1000);
  spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)", word], { stdio: "ignore" });
  const server = new McpServer({ name: "odd", version: "1" });
  const tools = ["well", "add-tool", "protocol-error", "bad-params", "nonsense", "huge", "stderr", "crash"];
  for (const name of tools) server.registerTool(name, {}, async () => text(name));
  const wellBehaved = server.server._requestHandlers.get("tools/call");
  server.server.setRequestHandler(CallToolRequestSchema, async (request, extra) => {
    switch (request.params.name) {
      case "add-tool":
        server.registerTool("added", {}, async () => text("added"));
        return text("done");
      case "protocol-error":
        throw Object.assign(new Error("it broke"), { code: ErrorCode.InternalError });
      case "bad-params":
        throw new McpError(ErrorCode.InvalidParams, "no such page");
      case "nonsense":
        // Past the SDK, which would not let it out.
        process.stdout.write(
          `${JSON.stringify({ jsonrpc: "2.0", id: extra.requestId, result: { content: "no list" } })}\n`,
        );
        return new Promise(() => {});
      case "huge":
        return text("x".repeat(200_000));
      case "crash":
        // Leaves one behind for a while that holds its output, and is not of its group.
        spawn("sleep", ["25"], { stdio: ["ignore", "inherit", "ignore"], detached: true }).unref();
        return process.exit(1);
      case "stderr":
        for (let line = 0; line < 5000; line += 1) process.stderr.write(`noise ${line} ${"y".repeat(1000)}\n`);
        return text("well");
      default:
        return wellBehaved(request, extra);
    }
  });
  await server.connect(new StdioServerTransport());
}
