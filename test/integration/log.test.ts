// The log of a real server at debug: every line is JSON, with the fields that docs/operations.md lists and no others, and
// nothing of what calls hold.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { documentedFields } from "../support/log-fields.js";
import { ServerProcess } from "../support/server-process.js";

const SECRET = "what-nobody-may-read-7f3a";

function childrenOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);
}

test("every line is JSON with documented fields, and no call's content", async (t) => {
  const settings = {
    log: { level: "debug" },
    http: { listen: "127.0.0.1:0" },
    tracing: { endpoint: "http://127.0.0.1:9", headers: { "x-key": SECRET } },
    mcp_servers: { gone: { command: "/nonexistent/program", token: "" } },
    tool_server: { url: `http://127.0.0.1:9/?key=${SECRET}`, token: SECRET },
  };
  const server = new ServerProcess(t, settings, { backend: "process" });
  const stream = await server.open(t, { trajectoryId: "logged", resumeToken: SECRET });
  await stream.bash(`echo ${SECRET}`, { uniqId: "first" });
  await stream.call("made_up", { argument: SECRET });
  await stream.call("gone.tool", { argument: SECRET });
  // A container that dies.
  for (const runner of childrenOf(server.pid)) process.kill(Number(runner), "SIGKILL");
  await stream.first("slotLost");
  await stream.halfClose();
  const { stderr } = await server.kill("SIGTERM");
  assert.ok(!stderr.includes(SECRET));
  const documented = documentedFields();
  const lines = stderr.trim().split("\n");
  const events = lines.map((line): Record<string, unknown> => JSON.parse(line));
  for (const [index, event] of events.entries()) {
    const fields = Object.keys(event);
    assert.deepEqual(
      fields.filter((field) => !documented.has(field)),
      [],
      lines[index],
    );
    assert.match(`${event.level}`, /^(fatal|error|warn|info|debug)$/);
    assert.match(`${event.time}`, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.ok(typeof event.msg === "string" && event.msg !== "", lines[index]);
  }
  const call = events.find(({ uniq_id }) => uniq_id === "first");
  assert.deepEqual(
    [call?.msg, call?.trajectory_id, call?.tool, call?.status, call?.fault, call?.slot_generation],
    ["call ended", "logged", "bash", "OK", "NONE", 1],
  );
  const ended = events.find(({ msg }) => msg === "container ends");
  assert.match(`${ended?.container_id} ${ended?.pool} ${ended?.reason}`, /^\d+ default \S/);
  for (const msg of ["container is up", "shutting down", "an MCP server cannot be reached"]) {
    assert.ok(
      events.some((event) => event.msg === msg),
      msg,
    );
  }
});
