// `switchyard config` as it is typed: its output, its exit code, and what it keeps to itself.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load.js";
import { CertificateMaker } from "../support/certificates.js";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folder = mkdtempSync(join(tmpdir(), "switchyard-test-"));
const file = join(folder, "c.yaml");
const cleanUps: (() => void)[] = [() => rmSync(folder, { recursive: true })];
let maker: CertificateMaker;
before(() => {
  maker = new CertificateMaker({ after: (cleanUp) => cleanUps.push(cleanUp) });
});
after(() => {
  for (const cleanUp of cleanUps) cleanUp();
});

async function run(args: readonly string[], yaml = "", env: Record<string, string> = {}) {
  writeFileSync(file, yaml);
  const given = args[0] === "schema" ? [] : ["--config", file];
  const child = spawn(process.execPath, [join(ROOT, "dist/src/cli/main.js"), "config", ...args, ...given], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, ...env },
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code, stdout, stderr: stderr.replaceAll(file, "FILE") };
}

test("check says all that is wrong, each with its line", async () => {
  const yaml =
    "batch:\n  windw_ms: 1\n  size_max: 0\npools:\n  default: {pids: 64}\n  big:\n    isolation: contaner\nlisten: 3\n";
  const { code, stdout, stderr } = await run(["check"], yaml, { SWITCHYARD_OUTPUT_CHARS_MAX: "x" });
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.deepEqual(stderr.trimEnd().split("\n").sort(), [
    "FILE:2: batch.windw_ms is not an option (in FILE); did you mean batch.window_ms?",
    "FILE:3: batch.size_max is 0 (in FILE); it must be a whole number from 1 to 10000",
    'FILE:7: pools.big.isolation is "contaner" (in FILE); it must be auto, namespace, uid, container or none',
    "FILE:8: listen is 3 (in FILE); it must be HOST:PORT with a port from 0 to 65535",
    'output.chars_max is "x" (from SWITCHYARD_OUTPUT_CHARS_MAX); it must be a whole number from 1000 to 200000',
  ]);
});

test("check knows the rules between options, certificates, and files that are none", async () => {
  const open = await run(["check"], "\nlisten: 0.0.0.0:1\nlease: {max_s: 9999}\n");
  assert.equal(open.code, 1);
  assert.match(
    open.stderr,
    /^FILE:2: listen is 0\.0\.0\.0:1, which other machines can reach, and there is no TLS .* and no auth/m,
  );
  assert.match(open.stderr, /^runner\.grace_s is 3900; it must be at least lease\.max_s \(9999\)/m);
  const broken = await run(["check", "--json"], "a: [");
  assert.equal(broken.code, 1);
  const { valid, problems } = JSON.parse(broken.stdout);
  assert.equal(valid, false);
  assert.match(problems[0].text, /is not valid YAML/);
  const { certFile, keyFile } = maker.issue("server");
  const swapped = await run(["check"], `tls: {cert: ${keyFile}, key: ${certFile}}`);
  assert.equal(swapped.code, 1);
  assert.match(swapped.stderr, /^tls\.cert \S+ must hold certificates in PEM/);
});

test("check says that a good one is good, and what is worth a warning", async () => {
  const good = await run(["check"], "listen: 127.0.0.1:1");
  assert.deepEqual([good.code, good.stderr], [0, ""]);
  assert.match(good.stdout, /c\.yaml is good\n$/);
  const { certFile, keyFile } = maker.issue("server", { days: 3 });
  const open = await run(
    ["check"],
    `{insecure_listen: true, listen: "0.0.0.0:1", tls: {cert: ${certFile}, key: ${keyFile}}}`,
  );
  assert.equal(open.code, 0);
  assert.match(open.stderr, /^warning: 0\.0\.0\.0:1 IS OPEN TO OTHER MACHINES WITHOUT authentication/m);
  assert.match(open.stderr, /^warning: the certificate in tls\.cert \S+ expires in 2 days/m);
});

const SECRETS = `
batch: {window_ms: 20}
tool_server: {url: "http://h/?key=hunter2", token: hunter2}
mcp_servers: {files: {command: npx, args: [hunter2], env: {KEY: hunter2}}}
auth: {tokens: [{name: alice, sha256: ${"ab".repeat(32)}}]}
`;

test("print gives the whole configuration as it is, without its secrets", async () => {
  const { code, stdout } = await run(["print"], SECRETS, { SWITCHYARD_BATCH_SIZE_MAX: "9" });
  assert.equal(code, 0);
  assert.ok(!stdout.includes("hunter2") && !stdout.includes("abab"), stdout);
  const shown = parse(stdout);
  const defaults = loadConfig({ env: {}, flags: {} });
  assert.deepEqual(shown.batch, { window_ms: 20, size_max: 9 });
  assert.deepEqual(shown.pools, defaults.pools);
  assert.equal(shown.tool_server.token, "(hidden)");
  assert.deepEqual(shown.mcp_servers.files.env, { KEY: "(hidden)" });
  assert.equal(shown.auth.tokens[0].name, "alice");
  assert.equal(shown.auth.tokens[0].sha256, "(hidden)");
  const json = await run(["print", "--json"], SECRETS, { SWITCHYARD_BATCH_SIZE_MAX: "9" });
  assert.deepEqual(JSON.parse(json.stdout), shown);
});

test("print tells where each value is from", async () => {
  const args = ["print", "--origins", "--log-level", "debug"];
  const env = { SWITCHYARD_BATCH_SIZE_MAX: "9" };
  const { stdout } = await run(args, SECRETS, env);
  for (const line of [
    "  window_ms: 20 # file, line 2",
    "  size_max: 9 # SWITCHYARD_BATCH_SIZE_MAX",
    "  level: debug # --log-level",
    "listen: 127.0.0.1:50051 # default",
    "  token: (hidden) # file, line 3",
  ]) {
    assert.ok(stdout.split("\n").includes(line), `${line}\n${stdout}`);
  }
  const json = JSON.parse((await run([...args, "--json"], SECRETS, env)).stdout);
  const of = (name: string) => json.find((option: { name: string }) => option.name === name);
  assert.deepEqual(of("batch.window_ms"), { name: "batch.window_ms", value: 20, origin: { from: "file", line: 2 } });
  assert.deepEqual(of("log.level").origin, { from: "flag", name: "--log-level" });
  assert.ok(!JSON.stringify(json).includes("hunter2"));
  const bad = await run(["print"], "x: 1");
  assert.deepEqual([bad.code, bad.stdout], [1, ""]);
  assert.match(bad.stderr, /^FILE:1: x is not an option/);
});

test("schema is the one in docs/, and knows every section", async () => {
  const { code, stdout } = await run(["schema"]);
  assert.equal(code, 0);
  assert.equal(stdout, readFileSync(join(ROOT, "docs/config.schema.json"), "utf8"));
  const schema = JSON.parse(stdout);
  assert.deepEqual(Object.keys(schema.properties).sort(), Object.keys(loadConfig({ env: {}, flags: {} })).sort());
  assert.equal(schema.properties.batch.properties.size_max.maximum, 10_000);
});
