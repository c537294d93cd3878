// docs/tools.md tells the truth: its examples, run as they stand, get the answers that stand below them, and its
// configuration loads. `buf curl` stands in for grpcurl, which no package brings along; both take and give proto's JSON.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { loadConfig } from "../../src/config/load.js";
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from "../../src/core/json.js";
import { startDocker } from "../support/docker-engine.js";

const BIN = resolve(import.meta.dirname, "../../node_modules/.bin");
const DOC = readFileSync(resolve(import.meta.dirname, "../../docs/tools.md"), "utf8");
const SETTINGS = { mcp_servers: { everything: { command: join(BIN, "mcp-server-everything") } } };

/** grpcurl -plaintext [-d DATA] ADDRESS METHOD */
const GRPCURL = `#!/bin/bash
shift
data='{}'
if [ "$1" = -d ]; then data=$2; shift 2; fi
[ "$data" = @ ] && data=@-
exec "${join(BIN, "buf")}" curl --protocol grpc --http2-prior-knowledge -d "$data" "http://$ADDRESS/$2"
`;

interface Example {
  readonly script: string;
  /** Empty: the document shows none. */
  readonly answers: readonly JsonValue[];
}

function blocks(language: string): string[] {
  return [...DOC.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, text = ""]) => text);
}

function examples(): Example[] {
  const pairs = DOC.matchAll(/^```sh\n(.*?)^```\n(?:\n```json\n(.*?)^```)?/gms);
  return [...pairs].map(([, script = "", json = ""]) => ({ script, answers: valuesOf(json) }));
}

/** JSON values one after the other, each beginning on a line of its own. */
function valuesOf(text: string): JsonValue[] {
  const values: JsonValue[] = [];
  let begun = "";
  for (const line of text.split("\n")) {
    begun += line;
    try {
      values.push(JSON.parse(begun));
      begun = "";
    } catch {
      // It goes on.
    }
  }
  assert.equal(begun, "", "JSON that does not end");
  return values;
}

/** What of an answer the document speaks about: the fields that it has, and metadata as a whole. */
function spokenOf(answer: JsonValue | undefined, documented: JsonValue): JsonValue | undefined {
  if (answer === undefined || !isJsonObject(answer) || !isJsonObject(documented)) return answer;
  const spoken: Record<string, JsonValue> = {};
  for (const name of Object.keys(documented)) {
    const [value, asked] = [ownValue(answer, name), ownValue(documented, name)];
    const kept = name === "metadata" ? value : spokenOf(value, asked ?? null);
    if (kept !== undefined) spoken[name] = kept;
  }
  return spoken satisfies JsonObject;
}

test("every example gets the answer that the document shows", async (t) => {
  const service = await startDocker(t, { slots_per_container: 4, max_containers: 1 }, SETTINGS);
  const folder = mkdtempSync(join(tmpdir(), "switchyard-doc-"));
  t.after(async () => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "grpcurl"), GRPCURL, { mode: 0o755 });
  const env = { ...process.env, ADDRESS: service.address, PATH: [folder, process.env.PATH].join(delimiter) };
  const all = examples();
  assert.ok(all.length >= 9, `${all.length} examples`);
  for (const { script, answers } of all) {
    assert.match(script, /127\.0\.0\.1:50051 switchyard\.v1\./);
    // With a socket as its stdin it would else read ~/.bashrc, which may put another grpcurl first.
    const { stdout } = await promisify(execFile)("bash", ["--norc", "-ec", script], { env });
    const got = valuesOf(stdout);
    if (answers.length === 0) continue;
    const spoken = got.map((answer, at) => spokenOf(answer, answers[at] ?? null));
    assert.deepEqual(spoken, answers, script);
  }
});

test("its configuration loads", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-doc-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [yaml = "", ...more] = blocks("yaml");
  assert.equal(more.length, 0);
  const file = join(folder, "config.yaml");
  writeFileSync(file, yaml);
  const { tools, mcp_servers: servers } = loadConfig({ file, env: {}, flags: {} });
  assert.deepEqual([tools.disabled, Object.keys(servers)], [["web.delete_page"], ["everything", "web"]]);
});
