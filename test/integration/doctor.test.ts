// `switchyard doctor` without Docker: what it says of this machine, of a configuration, and of a place that is taken.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { type TestContext, test } from "node:test";
import { holdName } from "../../src/backend/instance-lock.js";
import { examined, runDoctor } from "../support/doctor.js";

const PROCESS = { backend: "process", listen: "127.0.0.1:0" };

/** A port of which this process holds the listening socket. */
async function takenPort(t: TestContext): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const address = server.address();
  assert(address !== null && typeof address === "object");
  return address.port;
}

test("the process backend can run here: exit 0, a line for each check, the sum at the end, and nothing is left", async () => {
  const { code, stdout, stderr } = await runDoctor(PROCESS);
  assert.equal(code, 0, stdout + stderr);
  assert.equal(stderr, "");
  for (const name of ["node", "platform", "config", "listen", "programs.bwrap", "pools.default.isolation"]) {
    assert.match(stdout, new RegExp(`^(ok|note|warning) +${name} `, "m"));
  }
  assert.match(stdout, /\n\n0 problems, \d+ warnings?: the configured pools can run\n$/);
  assert.ok(!stdout.includes("\u001b"));
  assert.deepEqual(
    readdirSync(tmpdir()).filter((name) => name.startsWith("switchyard-doctor-")),
    [],
  );
});

test("--json is an array of checks", async () => {
  const { code, checks, problems } = await examined(PROCESS);
  assert.equal(code, 0);
  assert.deepEqual(problems, []);
  assert.equal(checks.get("pools.default.isolation")?.verdict, "ok");
  assert.match(checks.get("pools.default.isolation")?.found ?? "", /^namespace, no network/);
  assert.ok(checks.get("limits.container")?.advice);
});

test("isolation that is turned off is a warning", async () => {
  const { code, checks } = await examined({ ...PROCESS, pools: { default: { isolation: "none" } } });
  assert.equal(code, 0);
  assert.equal(checks.get("pools.default.isolation")?.verdict, "warning");
});

test("a sandbox that is required and cannot be had is a problem", async () => {
  const settings = { ...PROCESS, policy: { require_sandbox: true }, pools: { default: { isolation: "none" } } };
  const { code, problems } = await examined(settings);
  assert.equal(code, 1);
  assert.deepEqual(
    problems.map(({ name }) => name),
    ["pools.default.isolation"],
  );
  assert.match(problems[0]?.found ?? "", /require_sandbox/);
});

for (const [what, text, expected] of [
  ["an unknown key", "batch: {windw_ms: 20}", /batch\.windw_ms is not an option.*window_ms/],
  ["no YAML", "batch: {window_ms: 20", /config\.yaml is not valid YAML/],
] as const) {
  test(`a configuration with ${what} is a problem, in the words of serve`, async () => {
    const { code, stdout, stderr } = await runDoctor(text);
    assert.equal(code, 1);
    assert.equal(stderr, "");
    const unwrapped = stdout.replace(/\n +(?!-)/g, " ");
    assert.match(unwrapped, /^problem +config /m);
    assert.match(unwrapped, expected);
    assert.match(stdout, /\n1 problem, 0 warnings: the configured pools cannot run\n$/);
  });
}

test("flags and the environment count as they do for serve", async () => {
  const { code, stdout } = await runDoctor({}, ["--backend", "process", "--listen", "127.0.0.1:0"], {
    SWITCHYARD_POOLS_DEFAULT_ISOLATION: "none",
  });
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^warning +pools\.default\.isolation +none, /m);
});

test("a port in use is a problem that names who has it", async (t) => {
  const port = await takenPort(t);
  const { code, problems } = await examined({ ...PROCESS, listen: `127.0.0.1:${port}` });
  assert.equal(code, 1);
  assert.deepEqual(
    problems.map(({ name }) => name),
    ["listen"],
  );
  assert.match(problems[0]?.found ?? "", new RegExp(`127\\.0\\.0\\.1:${port} is taken, by process ${process.pid} `));
  assert.match(problems[0]?.advice ?? "", /--listen/);
});

test("a server of this instance that runs already is a note, and so is its port", async (t) => {
  const port = await takenPort(t);
  const instance = `doctor-test-${process.pid}`;
  const free = await holdName(`instance/${instance}`);
  assert.ok(free);
  t.after(free);
  const { code, checks } = await examined({ ...PROCESS, instance, listen: `127.0.0.1:${port}` });
  assert.equal(code, 0);
  assert.equal(checks.get("instance")?.verdict, "note");
  assert.equal(checks.get("listen")?.verdict, "note");
});

test("an address that others may reach is a warning", async () => {
  const { code, checks } = await examined({ ...PROCESS, listen: "0.0.0.0:0", insecure_listen: true });
  assert.equal(code, 0);
  assert.match(checks.get("listen")?.found ?? "", /no authentication/);
  assert.equal(checks.get("listen")?.verdict, "warning");
});

test("Docker is asked for and does not answer: a problem with advice, and no trial", async () => {
  for (const address of ["tcp://127.0.0.1:9", `unix://${tmpdir()}/no-such.sock`]) {
    const { code, checks, problems } = await examined(
      { backend: "docker", listen: "127.0.0.1:0" },
      { DOCKER_HOST: address },
    );
    assert.equal(code, 1);
    assert.deepEqual(
      problems.map(({ name }) => name),
      ["docker"],
    );
    assert.ok(problems[0]?.found.includes(address));
    assert.match(problems[0]?.advice ?? "", /--backend process/);
    assert.ok(!checks.has("pools.default.isolation"));
  }
});

test("with backend auto the process backend is tried instead", async () => {
  const { code, checks } = await examined({ listen: "127.0.0.1:0" }, { DOCKER_HOST: "tcp://127.0.0.1:9" });
  assert.equal(code, 0);
  assert.equal(checks.get("docker")?.verdict, "warning");
  assert.equal(checks.get("pools.default.isolation")?.verdict, "ok");
});
