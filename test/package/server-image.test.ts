// The server's image, built by the script that users have, driving containers of the same daemon that it runs under.
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { credentials } from "@grpc/grpc-js";
import type Docker from "dockerode";
import { packageVersion } from "../../src/cli/package.js";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { GetStatusRequest, type GetStatusResponse } from "../../src/gen/switchyard/v1/status.js";
import { ToolExecutorServiceClient } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import { containersOf, docker, newInstance, removeContainersOf } from "../support/docker-engine.js";
import { ROOT, run } from "../support/installed-package.js";
import { newRuntimeVolumes } from "../support/package-copy.js";
import { TrajectoryClient } from "../support/trajectory-client.js";

const TAG = "switchyard:test";
const SOCKET = "/var/run/docker.sock";
const SECOND_NS = 1_000_000_000;

test("in its own image the server drives the daemon's containers: calls, health, a kill that loses nothing, an end that leaves nothing", async (t) => {
  await run(ROOT, "scripts/server-image", TAG);
  const { Config } = await docker.getImage(TAG).inspect();
  assert.equal(Config.Labels["org.opencontainers.image.version"], packageVersion());
  assert.equal(Config.User, "node");

  const instance = newInstance();
  const address = `127.0.0.1:${await freePort()}`;
  const server = await createServerContainer(t, instance, address);
  await startHealthy(server);
  const service = new ToolExecutorServiceClient(address, credentials.createInsecure());
  t.after(() => service.close());
  assert.equal((await statusOf(service)).version, packageVersion());
  assert.equal((await statusOf(service)).pools[0]?.isolation, "namespace");
  const first = await TrajectoryClient.open(service, { trajectoryId: "a", resumeToken: "secret" });
  assert.equal((await first.bash("echo kept > file; cat file")).output, "kept");

  await server.kill({ signal: "SIGKILL" });
  await first.ended;
  await startHealthy(server);
  const second = await TrajectoryClient.open(service, { trajectoryId: "a", resumeToken: "secret" });
  assert.equal((await second.first("opened")).resumed, true);
  const result = await second.bash("cat file", { uniqId: "after" });
  assert.deepEqual([result.status, result.output], [CallStatus.CALL_STATUS_OK, "kept"]);

  await server.stop({ t: 60 });
  assert.equal((await server.inspect()).State.ExitCode, 0);
  assert.deepEqual(await containersOf(instance), []);
});

test("without a daemon the image's server ends with an error, instead of running calls in its own container", async (t) => {
  const server = await docker.createContainer({ Image: TAG, HostConfig: { NetworkMode: "none" } });
  t.after(() => server.remove({ force: true }));
  await server.start();
  assert.equal((await server.wait()).StatusCode, 1);
  const said = await server.logs({ stderr: true });
  assert.match(said.toString(), /Docker does not answer/);
});

/** On the host's network, where loopback is the host's; removed after the test, with all that it made. */
async function createServerContainer(t: TestContext, instance: string, address: string): Promise<Docker.Container> {
  const volumes = await newRuntimeVolumes();
  const server = await docker.createContainer({
    Image: TAG,
    Env: [
      `SWITCHYARD_LISTEN=${address}`,
      `SWITCHYARD_INSTANCE=${instance}`,
      `SWITCHYARD_HTTP_LISTEN=127.0.0.1:${await freePort()}`,
      "SWITCHYARD_POOLS_DEFAULT_MAX_CONTAINERS=1",
    ],
    Healthcheck: { Interval: SECOND_NS },
    HostConfig: {
      NetworkMode: "host",
      Binds: [`${SOCKET}:${SOCKET}`],
      GroupAdd: [String(statSync(SOCKET).gid)],
    },
  });
  t.after(async () => {
    await server.remove({ force: true });
    await removeContainersOf(instance);
    await volumes.remove();
  });
  return server;
}

/** Resolves when the image's own health check says so. */
async function startHealthy(server: Docker.Container): Promise<void> {
  const events = await docker.getEvents({ filters: JSON.stringify({ container: [server.id] }) });
  try {
    await server.start();
    for await (const line of createInterface({ input: events })) {
      const { status }: { status?: string } = JSON.parse(line);
      if (status === "health_status: healthy") return;
      if (status === "die") throw new Error(`the server ended: ${await server.logs({ stdout: true, stderr: true })}`);
    }
    throw new Error("the daemon's events ended");
  } finally {
    // Else they keep this process alive.
    if ("destroy" in events && typeof events.destroy === "function") events.destroy();
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

function statusOf(service: ToolExecutorServiceClient): Promise<GetStatusResponse> {
  return new Promise((resolve, reject) => {
    service.getStatus(GetStatusRequest.fromPartial({}), (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}
