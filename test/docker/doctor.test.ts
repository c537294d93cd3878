// `switchyard doctor` on the real daemon: its trials are real containers, and none of them is left.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { INSTANCE_LABEL } from "../../src/backend/docker/container-options.js";
import { docker, newInstance, SANDBOX_IMAGE } from "../support/docker-engine.js";
import { examined, runDoctor } from "../support/doctor.js";
import { ServerProcess } from "../support/server-process.js";

const DOCKER = { backend: "docker", listen: "127.0.0.1:0" };
/** Enough for this machine, whichever it is. */
const SMALL = { slots_per_container: 2, max_containers: 1, memory_mb: 512, cpus: 1 };

async function doctorsContainers(): Promise<string[]> {
  const labelled = await docker.listContainers({ all: true, filters: JSON.stringify({ label: [INSTANCE_LABEL] }) });
  return labelled.filter(({ Labels }) => Labels[INSTANCE_LABEL]?.startsWith("doctor-")).map(({ Id }) => Id);
}

afterEach(async () => assert.deepEqual(await doctorsContainers(), [], "the doctor left containers behind"));

test("the default configuration can run, and every level is proven", async () => {
  const { code, stdout, stderr } = await runDoctor(DOCKER);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^ok +pools\.default\.image +switchyard-sandbox:latest$/m);
  assert.match(stdout, /^ok +pools\.default\.isolation +namespace, no network/m);
  for (const level of ["uid", "container"]) assert.match(stdout, new RegExp(`^ok +isolation\\.${level} `, "m"));
  assert.match(stdout, /^\w+ +docker\.runc +\d+\.\d+/m);
  assert.match(stdout, /0 problems, \d+ warnings?: the configured pools can run\n$/);
});

test("each pool is tried as it is configured", async () => {
  const bare = { ...SMALL, image: "debian:bookworm-slim" };
  const pools = {
    default: { ...SMALL, isolation: "uid" },
    bare,
    "bare-namespace": { ...bare, isolation: "namespace" },
    alone: { ...SMALL, slots_per_container: 1, isolation: "container" },
  };
  const { code, checks, problems } = await examined({ ...DOCKER, pools });
  assert.equal(code, 1);
  assert.match(checks.get("pools.default.isolation")?.found ?? "", /^uid, /);
  assert.match(checks.get("pools.alone.isolation")?.found ?? "", /^container, /);
  assert.equal(checks.get("pools.bare.isolation")?.verdict, "warning");
  assert.match(checks.get("pools.bare.isolation")?.found ?? "", /^uid, .*weaker than namespace, because .*bwrap/);
  assert.deepEqual(
    problems.map(({ name }) => name),
    ["pools.bare-namespace.isolation"],
  );
  assert.match(problems[0]?.advice ?? "", /bubblewrap in the image debian:bookworm-slim/);
});

test("a runtime that the daemon does not have is a problem, and so is an image", async () => {
  const image = "switchyard-no-such-image:latest";
  const pools = { default: SMALL, kata: { ...SMALL, runtime: "no-such-runtime" }, gone: { ...SMALL, image } };
  const { code, checks, problems } = await examined({ ...DOCKER, pools });
  assert.equal(code, 1);
  assert.deepEqual(
    problems.map(({ name }) => name),
    ["pools.kata.runtime", "pools.gone.image"],
  );
  assert.match(problems[0]?.advice ?? "", /choose one of .*runc.*daemon\.json/);
  assert.ok(problems[1]?.advice?.includes(`docker pull ${image}`));
  assert.equal(checks.get("pools.default.isolation")?.verdict, "ok");
  for (const pool of ["kata", "gone"]) assert.ok(!checks.has(`pools.${pool}.isolation`));
});

test("more processors than there are, and a network that is not there, are found by the trial", async () => {
  const pools = { default: { ...SMALL, network: "switchyard-no-such-network" }, wide: { ...SMALL, cpus: 1000 } };
  const { code, problems } = await examined({ ...DOCKER, pools, policy: { allow_network: true } });
  assert.equal(code, 1);
  assert.deepEqual(
    problems.map(({ name }) => name),
    ["pools.default.isolation", "pools.wide.isolation"],
  );
  assert.match(problems[0]?.advice ?? "", /docker network create/);
  assert.match(problems[1]?.advice ?? "", /cpus/);
});

test("a server that runs is a note, and is not disturbed", async (t) => {
  const settings = { instance: newInstance(), pools: { default: { ...SMALL, image: SANDBOX_IMAGE } } };
  const server = new ServerProcess(t, settings);
  const { address } = await server.ready;
  const stream = await server.open(t, { trajectoryId: "a" });
  await stream.bash("echo kept > file");
  const { code, checks } = await examined({ ...DOCKER, ...settings, listen: address });
  assert.equal(code, 0);
  assert.equal(checks.get("instance")?.verdict, "note");
  assert.equal(checks.get("listen")?.verdict, "note");
  assert.equal((await stream.bash("cat file")).output, "kept");
  assert.equal((await server.kill("SIGTERM")).code, 0);
});
