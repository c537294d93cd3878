// `switchyard serve` on the real daemon from its start to its end: by SIGTERM, by SIGKILL, and when it may not start.
import assert from "node:assert/strict";
import { test } from "node:test";
import { INSTANCE_LABEL } from "../../src/backend/docker/container-options.js";
import { CallStatus, Fault } from "../../src/gen/switchyard/v1/call.js";
import {
  containersOf,
  countProcesses,
  docker,
  eventually,
  newInstance,
  onlyContainerOf,
  removeContainersOf,
  runBeside,
  SANDBOX_IMAGE,
  startDocker,
} from "../support/docker-engine.js";
import { type Exit, ServerProcess } from "../support/server-process.js";

const POOL = { default: { slots_per_container: 2, max_containers: 2 } };
/** What an orderly end may take beyond its grace, in milliseconds. */
const END_MS_MAX = 10_000;

function assertOrderly({ code, signal, stderr }: Exit): void {
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, stderr);
}

test("serves one call and ends with 0 on SIGTERM, with no container left", async (t) => {
  const instance = newInstance();
  const server = new ServerProcess(t, { instance, pools: POOL });
  assert.equal((await server.ready).slots, 2);
  const stream = await server.open(t, { trajectoryId: "a" });
  const result = await stream.bash("echo hi");
  assert.equal(result.output, "hi");
  assert.equal(await stream.halfClose(), undefined);
  const end = await server.kill("SIGTERM");
  assertOrderly(end);
  assert.equal(end.stdout.split("\n").length, 2, `stdout holds more than the ready line: ${end.stdout}`);
  assert.deepEqual(await containersOf(instance), []);
});

test("a call that runs at SIGTERM finishes and its result arrives", async (t) => {
  const instance = newInstance();
  const server = new ServerProcess(t, { instance, pools: POOL });
  const stream = await server.open(t, { trajectoryId: "a" });
  const container = await onlyContainerOf(instance);
  const running = stream.bash("until [ -e go ]; do sleep 0.05; done; echo went");
  const queued = stream.bash("echo never");
  await eventually("the call runs", () => countProcesses(container, /until \[ -e go \]/));
  const ended = server.kill("SIGTERM");
  await stream.first("goAway");
  assert.equal((await queued).status, CallStatus.CALL_STATUS_NOT_STARTED);
  assert.equal((await queued).fault, Fault.FAULT_INFRASTRUCTURE);
  await runBeside(container, "sh", "-c", "for slot in /switchyard/slots/*; do touch $slot/workspace/go; done");
  assert.equal((await running).output, "went");
  assert.equal((await running).status, CallStatus.CALL_STATUS_OK);
  assertOrderly(await ended);
  assert.deepEqual(await containersOf(instance), []);
});

test("a call that outlasts the grace is cancelled, told so, and the server ends with 0 in time", async (t) => {
  const instance = newInstance();
  const server = new ServerProcess(t, { instance, pools: POOL, shutdown: { grace_s: 1 } });
  const stream = await server.open(t, { trajectoryId: "a" });
  const container = await onlyContainerOf(instance);
  const running = stream.bash("sleep 900", { timeout: { seconds: 600n, nanos: 0 } });
  await eventually("the call runs", () => countProcesses(container, /^sleep 900/));
  const beganMs = performance.now();
  const ended = server.kill("SIGTERM");
  assert.equal((await running).status, CallStatus.CALL_STATUS_CANCELLED);
  assertOrderly(await ended);
  const tookMs = performance.now() - beganMs;
  assert.ok(tookMs < 1000 + END_MS_MAX, `the end took ${Math.round(tookMs)} ms`);
  assert.deepEqual(await containersOf(instance), []);
});

test("what a killed server left: its next start goes on with what runs, and removes the rest, in whatever state", async (t) => {
  const instance = newInstance();
  t.after(() => removeContainersOf(instance));
  const first = new ServerProcess(t, { instance, pools: POOL });
  const stream = await first.open(t, { trajectoryId: "a" });
  assert.equal((await stream.bash("setsid -f sleep 900")).status, CallStatus.CALL_STATUS_OK);
  assert.equal((await first.kill("SIGKILL")).signal, "SIGKILL");
  const [running] = await containersOf(instance);
  assert.ok(running, "the container should outlive its server");
  assert.equal((await docker.getContainer(running).inspect()).State.Running, true);
  const Labels = { [INSTANCE_LABEL]: instance };
  await docker.createContainer({ Image: SANDBOX_IMAGE, Cmd: ["true"], Labels });
  const exited = await docker.createContainer({ Image: SANDBOX_IMAGE, Cmd: ["true"], Labels });
  await exited.start();
  await exited.wait();

  const second = new ServerProcess(t, { instance, pools: POOL });
  await second.ready;
  const now = await containersOf(instance);
  assert.deepEqual(now, [running]);
  const again = await second.open(t, { trajectoryId: "a" });
  assert.equal(again.opened.resumed, true);
  assert.equal((await again.bash("ps -eo args= | grep -c '[s]leep'", { uniqId: "look" })).output, "1");
  assertOrderly(await second.kill("SIGTERM"));
  assert.deepEqual(await containersOf(instance), []);
});

test("a second server of an instance refuses to start, and the first goes on unharmed", async (t) => {
  const instance = newInstance();
  t.after(() => removeContainersOf(instance));
  const first = new ServerProcess(t, { instance, pools: POOL });
  const stream = await first.open(t, { trajectoryId: "a" });
  await stream.bash("echo kept > file");
  const before = await containersOf(instance);
  const { code, stdout, stderr } = await new ServerProcess(t, { instance, pools: POOL }).exited;
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(stderr, new RegExp(`^switchyard: instance ${instance} already runs on this machine[^\n]*\n$`));
  assert.deepEqual(await containersOf(instance), before);
  assert.equal((await stream.bash("cat file")).output, "kept");
  assertOrderly(await first.kill("SIGTERM"));
});

test("an image that is not there is one clear line and exit code 1", async (t) => {
  const instance = newInstance();
  const image = "switchyard-no-such-image:latest";
  const server = new ServerProcess(t, { instance, pools: { default: { image } } });
  const { code, stdout, stderr } = await server.exited;
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(stderr, new RegExp(`^switchyard: [^\n]*${image}[^\n]*\n$`));
  assert.deepEqual(await containersOf(instance), []);
});

test("isolation namespace with an image that has no bubblewrap is refused, and nothing is left", async (t) => {
  const instance = newInstance();
  const pools = { default: { image: "debian:bookworm-slim", isolation: "namespace" } };
  const server = new ServerProcess(t, { instance, pools, log: { level: "error" } });
  const { code, stdout, stderr } = await server.exited;
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(stderr, /^switchyard: [^\n]*bwrap[^\n]*\n$/);
  assert.deepEqual(await containersOf(instance), []);
});

test("an image without bubblewrap gets the next isolation, a user for each slot", async (t) => {
  const live = await startDocker(t, { image: "debian:bookworm-slim" });
  const stream = await live.open({ trajectoryId: "a" });
  const result = await stream.bash("id -u");
  assert.equal(result.metadata?.isolation, "uid");
  assert.equal(result.metadata?.sandboxed, true);
  assert.ok(Number(result.output) >= 1_100_000_000);
});
