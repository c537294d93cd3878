// grpc.health.v1 of a real server, service by service, from its first answer until its end.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { Client, credentials, status } from "@grpc/grpc-js";
import { loadSync, type MethodDefinition } from "@grpc/proto-loader";
import { protoPath } from "grpc-health-check";
import { startLive } from "../support/live-service.js";

const OPTIONS = { keepCase: true, enums: String, defaults: true };
const SERVICES = ["", "switchyard.v1.ToolExecutorService", "switchyard.v1.ArtifactService"];

interface Health {
  readonly status: string;
}

function methodOf(name: string): MethodDefinition<object, Health> {
  const service = loadSync(protoPath, OPTIONS)["grpc.health.v1.Health"];
  const method = service && name in service ? Object.entries(service).find(([key]) => key === name)?.[1] : undefined;
  return method ?? assert.fail(`no ${name}`);
}

test("each service is SERVING until the shutdown begins; another is none", async () => {
  const live = await startLive("process");
  const client = new Client(live.address, credentials.createInsecure());
  after(() => client.close());
  const check = methodOf("Check");
  const asked = (service: string) =>
    new Promise<string>((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = check;
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, response) => {
        if (error) reject(error);
        else resolve(response?.status ?? "");
      });
    });
  const { path, requestSerialize, responseDeserialize } = methodOf("Watch");
  const watch = (service: string) => {
    const seen: string[] = [];
    const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service });
    stream.on("data", (health: Health) => seen.push(health.status));
    stream.on("error", () => undefined);
    return { seen, first: once(stream, "data"), ended: new Promise((resolve) => stream.once("end", resolve)) };
  };
  for (const service of SERVICES) assert.equal(await asked(service), "SERVING", service);
  await assert.rejects(asked("switchyard.v1.Nobody"), { code: status.NOT_FOUND });
  const watches = SERVICES.map(watch);
  const stranger = watch("switchyard.v1.Nobody");
  await Promise.all([...watches, stranger].map(({ first }) => first));
  assert.deepEqual(stranger.seen, ["SERVICE_UNKNOWN"]);
  // What runs may end; who watches hears that nothing more is taken.
  const stream = await live.open({ trajectoryId: "last" });
  const running = stream.bash("echo started; read < /dev/zero", { streamOutput: true });
  await stream.first("output");
  const closed = live.close(60_000);
  await stream.first("goAway");
  stream.send({ $case: "release", value: { resetWorkspace: false } });
  await running;
  await closed;
  await Promise.all(watches.map(({ ended }) => ended));
  for (const { seen } of watches) assert.deepEqual(seen, ["SERVING", "NOT_SERVING"]);
});
