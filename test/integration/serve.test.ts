// `switchyard serve` as an operator meets it: what keeps it from starting is said in one line, with exit code 1; and what
// it says when it starts without a sandbox.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { credentials } from "@grpc/grpc-js";
import { ToolExecutorServiceClient } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import { TrajectoryClient } from "../support/trajectory-client.js";

const COMMAND = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "dist/src/cli/main.js");
const folder = mkdtempSync(join(tmpdir(), "switchyard-test-"));
after(() => rmSync(folder, { recursive: true }));

/** Killed after the test, should it still run. */
function serve(scope: TestContext, args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [COMMAND, "serve", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, ...env },
  });
  const heard = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    heard.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    heard.stderr += text;
  });
  const ended = once(child, "close").then(([code]) => ({ code, ...heard }));
  scope.after(() => child.kill("SIGKILL"));
  return { child, heard, ended };
}

function config(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** Its log lines are JSON; anything else was written for the operator. */
function assertRefused(end: { code: number; stdout: string; stderr: string }, text: RegExp): void {
  assert.equal(end.code, 1);
  assert.equal(end.stdout, "");
  const lines = end.stderr.split("\n").filter((line) => line && !line.startsWith("{"));
  assert.equal(lines.length, 1, end.stderr);
  assert.match(lines[0] ?? "", text);
  assert.match(lines[0] ?? "", /^switchyard: /);
}

const FREE = ["--listen", "127.0.0.1:0"];
const PROCESS = ["--backend", "process", "--log-level", "warn"];

test("Docker is asked for and does not answer", async (t) => {
  const end = await serve(t, [...FREE, "--backend", "docker"], { DOCKER_HOST: "tcp://127.0.0.1:9" }).ended;
  assertRefused(end, /[Dd]ocker.*127\.0\.0\.1:9/);
});

test("Docker's socket is not there", async (t) => {
  const nowhere = `unix://${folder}/no-such.sock`;
  assertRefused(await serve(t, [...FREE, "--backend", "docker"], { DOCKER_HOST: nowhere }).ended, /no-such\.sock/);
});

test("the port is taken", async (t) => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const address = other.address();
  assert(address !== null && typeof address === "object");
  const listen = `127.0.0.1:${address.port}`;
  const end = await serve(t, ["--listen", listen, ...PROCESS]).ended;
  other.close();
  assertRefused(end, new RegExp(`cannot listen on ${listen}.*EADDRINUSE.*--listen`));
});

for (const [what, text, expected] of [
  ["an unknown key", "batch: {windw_ms: 20}", /batch\.windw_ms.*window_ms/],
  ["a value out of range", "timeouts: {max_s: 0}", /timeouts\.max_s.*0\.1 to 86400/],
  [
    "a value of another kind",
    "pools: {default: {isolation: chroot}}",
    /pools\.default\.isolation.*auto, namespace, uid/,
  ],
  ["no YAML", "batch: {window_ms: 20", /config\.yaml/],
] as const) {
  test(`the configuration has ${what}`, async (t) => {
    assertRefused(await serve(t, [...FREE, ...PROCESS, "--config", config("config.yaml", text)]).ended, expected);
  });
}

test("the configuration is not there", async (t) => {
  assertRefused(await serve(t, [...FREE, "--config", join(folder, "nowhere.yaml")]).ended, /nowhere\.yaml/);
});

test("a sandbox is required and cannot be had", async (t) => {
  const text = "policy: {require_sandbox: true}\npools: {default: {isolation: none}}";
  const end = await serve(t, [...FREE, ...PROCESS, "--config", config("required.yaml", text)]).ended;
  assertRefused(end, /policy\.require_sandbox is on, but isolation is turned off by configuration/);
});

test("without a sandbox it serves, says so loudly, and every result says so; SIGTERM ends it with 0 and leaves nothing", async (t) => {
  const instance = `unsandboxed-${process.pid}`;
  const text = `instance: ${instance}\npools: {default: {isolation: none, slots_per_container: 2}}`;
  const { child, heard, ended } = serve(t, [...FREE, ...PROCESS, "--config", config("none.yaml", text)]);
  while (!heard.stdout.includes("\n"))
    await Promise.race([once(child.stdout, "data"), ended.then(() => assert.fail(heard.stderr))]);
  const [, address = ""] = /^switchyard ready on (\S+), backend process, 2 slots\n$/.exec(heard.stdout) ?? [];
  const warning = heard.stderr.split("\n").find((line) => line.includes("COMMANDS RUN WITHOUT A SANDBOX"));
  assert.match(warning ?? "", /"level":"warn"/);
  const client = new ToolExecutorServiceClient(address, credentials.createInsecure());
  const stream = await TrajectoryClient.open(client, { trajectoryId: "t" });
  const { output, metadata } = await stream.bash("echo hi");
  const { sandboxed, network_isolated, isolation } = metadata ?? {};
  assert.deepEqual(
    { output, sandboxed, network_isolated, isolation },
    {
      output: "hi",
      sandboxed: false,
      network_isolated: false,
      isolation: "none",
    },
  );
  const left = await stream.bash("setsid -f sleep 3600; echo $PWD");
  child.kill("SIGTERM");
  assert.equal((await stream.first("goAway")).reason, "the server is shutting down");
  assert.equal((await ended).code, 0);
  client.close();
  assert.match(left.output, /workspace$/);
  assert.deepEqual(
    readdirSync(tmpdir()).filter((name) => name.startsWith(`switchyard-${instance}`)),
    [],
  );
});
