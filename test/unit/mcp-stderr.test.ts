// What of an MCP server's stderr reaches the log: no secret, nor a piece of one, however it is cut.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { McpStderr } from "../../src/tools/external/mcp-stderr.js";
import { Secrets } from "../../src/tools/external/secrets.js";

const SECRET = "§§§§§§§§§§§§";

test("a secret is not cut before it is found", () => {
  for (const before of [0, 500, 990, 999, 1000, 1010, 2000]) {
    for (const after of [0, 985, 990, 995, 1000, 3000]) {
      const said: string[] = [];
      const log = pino({ level: "debug" }, { write: (line) => said.push(line) });
      const stderr = new McpStderr(log, new Secrets([SECRET]));
      const line = "x".repeat(before) + SECRET + "y".repeat(after);
      // In two pieces, the second of which begins within the secret.
      stderr.take(line.slice(0, before + 7));
      stderr.take(line.slice(before + 7));
      said.push(stderr.tail);
      stderr.take("\n");
      said.push(stderr.tail);
      assert.equal(said.length, 3);
      assert.ok(!said.join("\n").includes("§"), `${before} before, ${after} after`);
    }
  }
});
