import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { credentials, makeGenericClientConstructor, type ServiceError, status } from "@grpc/grpc-js";
import { SwitchyardError } from "../../src/core/errors.js";
import {
  type ExecuteRequest,
  type ExecuteResponse,
  ToolExecutorServiceClient,
  ToolExecutorServiceService,
} from "../../src/gen/switchyard/v1/tool_executor_service.js";
import type { GrpcServerOptions } from "../../src/grpc/server.js";
import { FakeClock } from "../support/fake-clock.js";
import { type RequestFrame, reasonOf, type Service, startService, TestStream } from "../support/grpc-service.js";

async function withService(run: (service: Service) => Promise<void>, options?: Partial<GrpcServerOptions>) {
  const service = await startService(options);
  try {
    await run(service);
  } finally {
    await service.close();
  }
}

async function opened(service: Service): Promise<TestStream> {
  const stream = new TestStream(service.client);
  stream.open();
  await stream.nextOf("opened");
  return stream;
}

function execute(client: ToolExecutorServiceClient, request: Partial<ExecuteRequest>): Promise<ExecuteResponse> {
  const whole = { trajectoryId: "t1", resumeToken: "", pool: "", group: "", call: undefined, ...request };
  return new Promise((resolve, reject) => {
    client.execute(whole, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

/** Client calls whose messages are bytes. */
function rawClient(address: string) {
  const same = (bytes: Buffer) => bytes;
  const raw = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };
  const { path, requestStream, responseStream } = ToolExecutorServiceService.runTrajectory;
  const Client = makeGenericClientConstructor({ run: { path, requestStream, responseStream, ...raw } }, "raw");
  const client = new Client(address, credentials.createInsecure());
  return { client, run: () => client.makeBidiStreamRequest(path, same, same) };
}

test("results come back on the stream, and a half-close ends it OK after they were written", () =>
  withService(async (service) => {
    const stream = await opened(service);
    for (let index = 0; index < 200; index += 1) stream.run(`u${index}`, `out${index}`);
    stream.call.end();
    for (let index = 0; index < 200; index += 1) {
      const result = await stream.nextOf("result");
      assert.equal(result.uniqId, `u${index}`);
      assert.equal(result.output, `out${index}`);
      assert.equal(result.success, true);
    }
    assert.equal(await stream.ended(), undefined);
    assert.equal(service.directory.seen.at(-1), "halfClose");
  }));

test("headers come at once: a client may wait for them before it opens", () =>
  withService(
    async ({ address }) => {
      const { client, run } = rawClient(address);
      const call = run();
      call.on("error", () => {});
      await once(call, "metadata");
      call.cancel();
      client.close();
    },
    // No heartbeat brings them.
    { clock: new FakeClock() },
  ));

test("opened says who the server is and what it allows", () =>
  withService(async (service) => {
    const stream = new TestStream(service.client);
    stream.open();
    const { serverId, limits, lease } = await stream.nextOf("opened");
    assert.equal(serverId, "s1");
    assert.equal(limits?.responseBytesMax, 1_048_576);
    assert.deepEqual(limits?.timeoutMax, { seconds: 600n, nanos: 0 });
    assert.deepEqual(lease, { seconds: 120n, nanos: 0 });
    stream.call.end();
    await stream.ended();
  }));

test("cancel, ack and release reach the trajectory in their order", () =>
  withService(async (service) => {
    const stream = await opened(service);
    stream.run("u1", "", "hold");
    stream.send({ $case: "cancel", value: { uniqId: "u1" } });
    stream.send({ $case: "ack", value: { uniqIds: ["u1", "u2"] } });
    stream.send({ $case: "release", value: { resetWorkspace: true } });
    assert.deepEqual(await stream.nextOf("released"), { wiped: true });
    assert.equal(await stream.ended(), undefined);
    assert.deepEqual(service.directory.seen, ["call u1", "cancel u1", "ack u1,u2", "release true"]);
  }));

test("a first frame other than open breaks the protocol", () =>
  withService(async (service) => {
    const frames: RequestFrame[] = [
      { $case: "call", value: { uniqId: "u", name: "echo" } },
      { $case: "call", value: { uniqId: "not an id", name: "echo" } },
      { $case: "ack", value: { uniqIds: [] } },
      { $case: "release", value: {} },
    ];
    for (const frame of frames) {
      const stream = new TestStream(service.client);
      stream.send(frame);
      const error = await stream.ended();
      assert.equal(error?.code, status.FAILED_PRECONDITION);
      assert.equal(reasonOf(error), "PROTOCOL_BROKEN");
      assert.match(error?.details ?? "", /the first frame was \w+, .* send open first/);
    }
    assert.deepEqual(service.directory.seen, []);
  }));

test("a half-close with no frame breaks the protocol", () =>
  withService(async (service) => {
    const stream = new TestStream(service.client);
    stream.call.end();
    assert.equal(reasonOf(await stream.ended()), "PROTOCOL_BROKEN");
  }));

test("a second open breaks the protocol, and the trajectory outlives the stream", () =>
  withService(async (service) => {
    const stream = await opened(service);
    stream.open("t1");
    const error = await stream.ended();
    assert.equal(error?.code, status.FAILED_PRECONDITION);
    assert.equal(reasonOf(error), "PROTOCOL_BROKEN");
    assert.deepEqual(service.directory.seen, ["detach"]);
  }));

test("a bad trajectory_id is an invalid argument that is named", () =>
  withService(async (service) => {
    const stream = new TestStream(service.client);
    stream.open("no spaces");
    const error = await stream.ended();
    assert.equal(error?.code, status.INVALID_ARGUMENT);
    assert.equal(reasonOf(error), "INVALID_FIELD");
    assert.match(error?.details ?? "", /trajectory_id is "no spaces"/);
  }));

test("what the directory refuses ends the stream with its reason", () =>
  withService(async (service) => {
    service.directory.onOpen = () => {
      throw new SwitchyardError("WRONG_TOKEN", "not yours");
    };
    const stream = new TestStream(service.client);
    stream.open();
    const error = await stream.ended();
    assert.equal(error?.code, status.PERMISSION_DENIED);
    assert.equal(reasonOf(error), "WRONG_TOKEN");
  }));

test("a stream that another took over ends ABORTED after what was sent before", () =>
  withService(async (service) => {
    const stream = await opened(service);
    stream.run("u1", "x");
    await service.directory.saw("call u1");
    service.directory.sinks[0]?.end(new SwitchyardError("SUPERSEDED", "a newer stream took over"));
    assert.equal((await stream.nextOf("result")).output, "x");
    const error = await stream.ended();
    assert.equal(error?.code, status.ABORTED);
    assert.equal(reasonOf(error), "SUPERSEDED");
    assert.deepEqual(service.directory.seen, ["call u1"]);
  }));

test("malformed calls are rejected and the stream lives", () =>
  withService(async (service) => {
    const stream = await opened(service);
    const bad = [
      { uniqId: "bad id\n", name: "echo" },
      { uniqId: "u1", name: "echo", timeout: { seconds: -1n, nanos: 0 } },
      { uniqId: "u2", name: "echo", slotGeneration: 0 },
    ];
    for (const value of bad) stream.send({ $case: "call", value });
    stream.run("u3", "alive");
    const first = await stream.nextOf("rejected");
    assert.equal(first.uniqId, "bad id?");
    assert.match((await stream.nextOf("rejected")).error, /^timeout is .* negative/);
    assert.match((await stream.nextOf("rejected")).error, /^slot_generation is 0/);
    assert.equal((await stream.nextOf("result")).output, "alive");
    stream.call.end();
    assert.equal(await stream.ended(), undefined);
  }));

test("an exception in a handler is logged, and the stream lives", () =>
  withService(async (service) => {
    const stream = await opened(service);
    stream.run("u1", "", "throw");
    stream.run("u2", "alive");
    const rejected = await stream.nextOf("rejected");
    assert.equal(rejected.uniqId, "u1");
    assert.doesNotMatch(rejected.error, /a bug/);
    assert.equal((await stream.nextOf("result")).output, "alive");
    assert.equal(service.log.errors.length, 1);
    stream.call.end();
    assert.equal(await stream.ended(), undefined);
  }));

test("garbage ends its own stream and no other", () =>
  withService(async (service) => {
    const stream = await opened(service);
    const { client, run } = rawClient(service.address);
    for (const bytes of [Buffer.from([0xff, 0xff]), Buffer.from("garbage"), Buffer.alloc(0), Buffer.alloc(1000)]) {
      const call = run();
      call.on("data", () => {});
      call.write(bytes);
      const [error] = await once(call, "error").catch((thrown: ServiceError) => [thrown]);
      assert.equal(error.code, status.FAILED_PRECONDITION);
      assert.equal(reasonOf(error), "PROTOCOL_BROKEN");
    }
    client.close();
    stream.run("u1", "alive");
    assert.equal((await stream.nextOf("result")).output, "alive");
    stream.call.end();
    await stream.ended();
  }));

test("a message over 16 MiB ends its stream, and the trajectory outlives it", () =>
  withService(async (service) => {
    const stream = await opened(service);
    stream.run("u1", "x".repeat(17 * 1024 * 1024));
    assert.equal((await stream.ended())?.code, status.RESOURCE_EXHAUSTED);
    await service.directory.saw("detach");
    assert.deepEqual(service.directory.seen, ["detach"]);
  }));

test("a cancel is a detach and never a half-close", () =>
  withService(async (service) => {
    for (let round = 0; round < 20; round += 1) {
      service.directory.seen.length = 0;
      const stream = await opened(service);
      stream.call.cancel();
      await service.directory.saw("detach");
      assert.deepEqual(service.directory.seen, ["detach"]);
    }
  }));

test("a cut connection is a detach and never a half-close", () =>
  withService(async (service) => {
    const sockets: Socket[] = [];
    const proxy = createServer((near) => {
      const far = connect(Number(service.address.split(":")[1]), "127.0.0.1");
      for (const socket of [near, far]) sockets.push(socket.on("error", () => {}));
      near.pipe(far).pipe(near);
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const bound = proxy.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : assert.fail();
    for (const cut of [
      (socket: Socket) => socket.destroy(),
      (socket: Socket) => socket.resetAndDestroy(),
      (socket: Socket) => socket.end(),
    ]) {
      service.directory.seen.length = 0;
      const client = new ToolExecutorServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
      const stream = new TestStream(client);
      stream.open();
      await stream.nextOf("opened");
      sockets.forEach(cut);
      await service.directory.saw("detach");
      assert.deepEqual(service.directory.seen, ["detach"]);
      client.close();
    }
    proxy.close();
  }));

test("a silent stream gets a heartbeat every 20 s, a busy one none", async () => {
  const clock = new FakeClock();
  await withService(
    async (service) => {
      const stream = await opened(service);
      await clock.advance(19_999);
      stream.run("u1");
      await stream.nextOf("result");
      await clock.advance(19_999);
      stream.run("u2");
      await stream.nextOf("result");
      await clock.advance(20_000);
      await stream.nextOf("heartbeat");
      await clock.advance(20_000);
      await stream.nextOf("heartbeat");
      stream.send({ $case: "release", value: {} });
      await stream.nextOf("released");
      await stream.ended();
      assert.equal(clock.timers, 0);
    },
    { clock },
  );
});

test("a reader that stops for a while gets everything in order", () =>
  withService(
    async (service) => {
      const stream = await opened(service);
      const total = 400;
      const output = "x".repeat(40_000);
      stream.call.pause();
      for (let index = 0; index < total; index += 1) stream.run(`u${index}`, output);
      stream.call.end();
      await service.directory.saw("call u20");
      stream.call.resume();
      for (let index = 0; index < total; index += 1) assert.equal((await stream.nextOf("result")).uniqId, `u${index}`);
      assert.equal(await stream.ended(), undefined);
    },
    { stream: { pressureFrames: 10, framesMax: 1000 } },
  ));

test("a stream with too much to read ends LIMIT_REACHED, and the trajectory outlives it", () =>
  withService(
    async (service) => {
      service.directory.onOpen = (request, sink) => {
        if (request.trajectoryId !== "t1") return;
        for (let index = 0; index < 500; index += 1) {
          sink.event({ kind: "slot_lost", slotGeneration: 1, reason: "x".repeat(10_000) });
        }
      };
      const stream = new TestStream(service.client);
      stream.open();
      const error = await stream.ended();
      assert.equal(error?.code, status.RESOURCE_EXHAUSTED);
      assert.equal(reasonOf(error), "LIMIT_REACHED");
      await service.directory.saw("detach");
      assert.deepEqual(service.directory.seen, ["detach"]);
    },
    { stream: { framesMax: 50 } },
  ));

test("more streams than streamsMax are refused until one ends", () =>
  withService(
    async (service) => {
      const first = await opened(service);
      const second = new TestStream(service.client);
      second.open();
      assert.equal(reasonOf(await second.ended()), "LIMIT_REACHED");
      first.call.end();
      assert.equal(await first.ended(), undefined);
    },
    { streamsMax: 1 },
  ));

test("Execute answers with the result, and an exception with a fixed text", () =>
  withService(async (service) => {
    const call = { uniqId: "u1", name: "echo", arguments: { output: "hi" }, streamOutput: false } as const;
    const wire = { ...call, timeout: undefined, queueTimeout: undefined, noOutputTimeout: undefined };
    const { result } = await execute(service.client, { call: wire });
    assert.equal(result?.uniqId, "u1");
    assert.equal(result?.output, "hi");
    const failure = (request: Partial<ExecuteRequest>) =>
      execute(service.client, request).then(
        () => assert.fail("answered"),
        (error: ServiceError) => error,
      );
    const bug = await failure({ call: { ...wire, name: "throw" } });
    assert.equal(bug.code, status.INTERNAL);
    assert.doesNotMatch(bug.details, /a bug/);
    const invalid = await failure({ call: { ...wire, uniqId: "a b" } });
    assert.equal(invalid.code, status.INVALID_ARGUMENT);
    assert.equal(reasonOf(invalid), "INVALID_FIELD");
    assert.equal((await failure({ trajectoryId: "" })).code, status.INVALID_ARGUMENT);
    const streamed = await execute(service.client, { call: { ...wire, uniqId: "u2", streamOutput: true } });
    assert.equal(streamed.result?.output, "hi", "stream_output is ignored");
  }));

test("GetStatus, ListTools and ReleaseTrajectory answer", () =>
  withService(
    async ({ client }) => {
      const got = await new Promise((resolve, reject) => {
        client.getStatus({}, (error, response) => (error ? reject(error) : resolve(response)));
      });
      assert.deepEqual(got, {
        version: "1.2.3",
        serverId: "s1",
        uptime: { seconds: 1n, nanos: 500_000_000 },
        queueSize: 1n,
        totalRequests: 2n,
        totalErrors: 3n,
        batches: 4n,
        meanBatchSize: 0.5,
        pools: [],
        streams: 0,
        trajectories: 1,
        batchedCalls: 2n,
      });
      const listed = await new Promise((resolve, reject) => {
        client.listTools({}, (error, response) => (error ? reject(error) : resolve(response)));
      });
      assert.deepEqual(listed, {
        tools: [
          { name: "a", description: "first", parameters: { type: "object" }, external: false },
          { name: "b", description: "second", parameters: {}, external: true },
        ],
        openaiToolsJson: '["a","b"]',
        promptText: "## a\n\n## b\n",
        truncated: false,
      });
      const released = await new Promise((resolve, reject) => {
        const request = { target: { $case: "group", value: "g" }, resumeToken: "", resetWorkspace: true } as const;
        client.releaseTrajectory(request, (error, response) => (error ? reject(error) : resolve(response)));
      });
      assert.deepEqual(released, { released: 2, wiped: true });
    },
    {
      tools: {
        listTools: async () => [
          {
            ...{ name: "b", description: "second", parameters: {}, external: true },
            ...{ openAiFunction: '"b"', promptText: "## b" },
          },
          {
            ...{ name: "a", description: "first", parameters: { type: "object" }, external: false },
            ...{ openAiFunction: '"a"', promptText: "## a" },
          },
        ],
      },
    },
  ));
