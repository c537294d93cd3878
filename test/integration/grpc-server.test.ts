import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Settings } from "node:http2";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { Client, credentials, makeGenericClientConstructor, type ServiceDefinition, status } from "@grpc/grpc-js";
import { loadSync, type PackageDefinition } from "@grpc/proto-loader";
import { protoPath as healthProto } from "grpc-health-check";
import { SwitchyardError } from "../../src/core/errors.js";
import { RECEIVE_WINDOW_BYTES } from "../../src/grpc/receive-windows.js";
import { reasonOf, type Service, startService, TestStream } from "../support/grpc-service.js";

const reflectionProtos = join(dirname(createRequire(import.meta.url).resolve("@grpc/reflection")), "../proto");
const OPTIONS = { keepCase: true, enums: String, defaults: true, oneofs: true };

async function withService(run: (service: Service) => Promise<void>): Promise<void> {
  const service = await startService();
  try {
    await run(service);
  } finally {
    await service.close();
  }
}

function serviceIn(definition: PackageDefinition, name: string): ServiceDefinition {
  const found = definition[name];
  if (found === undefined || "format" in found) return assert.fail(`no service ${name}`);
  return found;
}

interface Reflected {
  readonly list_services_response?: { readonly service: readonly { readonly name: string }[] } | null;
  readonly file_descriptor_response?: { readonly file_descriptor_proto: readonly Buffer[] } | null;
}

async function reflect(address: string, version: string, request: object): Promise<Reflected> {
  const proto = loadSync(join(reflectionProtos, `grpc/reflection/${version}/reflection.proto`), OPTIONS);
  const service = serviceIn(proto, `grpc.reflection.${version}.ServerReflection`);
  const method = service.ServerReflectionInfo ?? assert.fail();
  const client = new Client(address, credentials.createInsecure());
  const call = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize);
  call.write(request);
  const [response] = await once(call, "data");
  call.end();
  client.close();
  return response;
}

/** Strings in field `number` of a message. */
function stringsIn(message: Uint8Array, number: number): string[] {
  const reader = new BinaryReader(message);
  const found: string[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === number && type === 2) found.push(reader.string());
    else reader.skip(type, field);
  }
  return found;
}

async function checkHealth(client: Client, service: string): Promise<string> {
  const { Check } = serviceIn(loadSync(healthProto, OPTIONS), "grpc.health.v1.Health");
  const method = Check ?? assert.fail();
  return new Promise((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = method;
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, response) => {
      if (error) reject(error);
      else resolve(response?.status);
    });
  });
}

for (const version of ["v1", "v1alpha"]) {
  test(`reflection ${version} lists the services`, () =>
    withService(async ({ address }) => {
      const { list_services_response: list } = await reflect(address, version, { list_services: "*" });
      const names = list?.service.map(({ name }) => name).sort();
      assert.deepEqual(names, [
        "grpc.health.v1.Health",
        "switchyard.v1.ArtifactService",
        "switchyard.v1.ToolExecutorService",
      ]);
    }));

  test(`reflection ${version} gives each file with all that it imports`, () =>
    withService(async ({ address }) => {
      for (const symbol of [
        "switchyard.v1.ToolExecutorService",
        "switchyard.v1.ArtifactService",
        "grpc.health.v1.Health",
        "switchyard.v1.ToolCall",
      ]) {
        const answer = await reflect(address, version, { file_containing_symbol: symbol });
        const files = answer.file_descriptor_response?.file_descriptor_proto ?? assert.fail(`no ${symbol}`);
        const names = files.flatMap((file) => stringsIn(file, 1));
        const imports = files.flatMap((file) => stringsIn(file, 3));
        for (const name of imports) assert.ok(names.includes(name), `${name} is imported for ${symbol} and not given`);
      }
      const answer = await reflect(address, version, { file_by_filename: "google/protobuf/struct.proto" });
      assert.equal(answer.file_descriptor_response?.file_descriptor_proto.length, 1);
    }));
}

test("health serves until the server closes", async () => {
  const service = await startService();
  const stream = new TestStream(service.client);
  stream.open();
  await stream.nextOf("opened");
  assert.equal(await checkHealth(service.client, ""), "SERVING");
  assert.equal(await checkHealth(service.client, "switchyard.v1.ToolExecutorService"), "SERVING");
  await assert.rejects(checkHealth(service.client, "nobody"), { code: status.NOT_FOUND });
  service.client.close();
  const closed = service.server.close(10_000);
  service.directory.sinks[0]?.event({ kind: "go_away", reason: "shutting down", reconnectAfterS: 1 });
  service.directory.sinks[0]?.end();
  assert.equal((await stream.nextOf("goAway")).reason, "shutting down");
  assert.equal(await stream.ended(), undefined);
  await closed;
});

test("closing waits for calls under way", async () => {
  const service = await startService();
  const call = { uniqId: "u", name: "hold", arguments: { output: "late" }, streamOutput: false };
  const rest = { timeout: undefined, queueTimeout: undefined, noOutputTimeout: undefined };
  const request = { trajectoryId: "t", resumeToken: "", pool: "", group: "", call: { ...call, ...rest } };
  const answered = new Promise<string | undefined>((resolve, reject) => {
    service.client.execute(request, (error, response) => (error ? reject(error) : resolve(response.result?.output)));
  });
  await service.directory.saw("execute u");
  const closed = service.server.close(10_000);
  service.directory.note("let go");
  assert.equal(await answered, "late");
  service.client.close();
  await closed;
});

test("closing cuts what outlives the grace", async () => {
  const service = await startService();
  const stream = new TestStream(service.client);
  stream.open();
  await stream.nextOf("opened");
  await service.server.close(0);
  const error = await stream.ended();
  assert.equal(error?.code, status.UNAVAILABLE);
  assert.equal(reasonOf(error), "SHUTTING_DOWN");
  await service.directory.saw("detach");
  service.client.close();
});

test("a port that is taken, and a bad address, are named", async () => {
  await withService(async ({ address }) => {
    for (const wrong of [address, "localhost", "999.1.1.1:1:x", "no.such.host.invalid:1"]) {
      const refused = (error: unknown) =>
        error instanceof SwitchyardError && error.reason === "LISTEN_FAILED" && error.message.includes(wrong);
      const other = await startService();
      await assert.rejects(other.server.listen(wrong), refused);
      await other.close();
    }
  });
});

test("a client may send a large message at once, on its stream and on its connection, and is told how many streams it may have", () =>
  withService(async ({ address }) => {
    const session = connect(`http://${address}`);
    const [settings]: Settings[] = await once(session, "remoteSettings");
    assert.deepEqual([settings?.initialWindowSize, settings?.maxConcurrentStreams], [RECEIVE_WINDOW_BYTES, 500]);
    // What widens the connection's own window follows the settings.
    await new Promise((resolve, reject) => session.ping((error) => (error ? reject(error) : resolve(undefined))));
    assert.equal(session.state.remoteWindowSize, RECEIVE_WINDOW_BYTES);
    session.close();
  }));

test("an unknown method is UNIMPLEMENTED", () =>
  withService(async ({ address }) => {
    const bytes = (message: Buffer) => message;
    const service = {
      list: { requestStream: false, responseStream: false, path: "/switchyard.v1.NoSuchService/List" },
    };
    const raw = {
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    };
    const Unknown = makeGenericClientConstructor({ list: { ...service.list, ...raw } }, "NoSuchService");
    const client = new Unknown(address, credentials.createInsecure());
    const [error] = await new Promise<[unknown]>((resolve) => {
      client.makeUnaryRequest(service.list.path, bytes, bytes, Buffer.alloc(0), (failure) => resolve([failure]));
    });
    assert.ok(error instanceof Error && "code" in error && error.code === status.UNIMPLEMENTED);
    client.close();
  }));
