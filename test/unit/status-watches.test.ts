// Clients that watch the status: how often they get it, and what a slow one, or too many, come to.
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { Metadata, type ServerWritableStream, type StatusObject } from "@grpc/grpc-js";
import { ANYONE } from "../../src/core/principal.js";
import { WatchStatusRequest, WatchStatusResponse } from "../../src/gen/switchyard/v1/status.js";
import type { StatusSnapshot } from "../../src/grpc/server-status.js";
import { StatusWatches } from "../../src/grpc/status-watches.js";
import { FakeClock } from "../support/fake-clock.js";
import { TestLog } from "../support/grpc-service.js";

const SNAPSHOT: StatusSnapshot = {
  version: "1.2.3",
  serverId: "s1",
  uptimeMs: 0,
  queueSize: 0,
  totalRequests: 0,
  totalErrors: 0,
  batches: 0,
  batchedCalls: 0,
  meanBatchSize: 0,
  trajectories: 0,
  pools: [],
};

/** A call whose client takes a message when the test says so. */
class Call extends EventEmitter {
  readonly messages: WatchStatusResponse[] = [];
  status: StatusObject | undefined;
  reads = true;
  readonly #untaken: (() => void)[] = [];

  constructor(readonly request: Buffer) {
    super();
    this.on("error", (status: StatusObject) => {
      this.status = status;
      this.emit("close");
    });
  }

  getDeadline(): number {
    return Number.POSITIVE_INFINITY;
  }

  write(message: Buffer, taken: () => void): boolean {
    assert(!this.status, "a message after the end");
    this.messages.push(WatchStatusResponse.decode(message));
    if (this.reads) taken();
    else this.#untaken.push(taken);
    return this.reads;
  }

  read(): void {
    for (const taken of this.#untaken.splice(0)) taken();
  }
}

class World {
  readonly clock = new FakeClock();
  /** How often the status was made. */
  made = 0;
  /** What making it takes. */
  costMs = 0;
  readonly asked: [string, number][] = [];
  readonly watches = new StatusWatches({
    directory: {
      list: (principal, max) => {
        this.asked.push([principal, max]);
        return { total: 7, shown: [] };
      },
    },
    readStatus: () => {
      this.made += 1;
      this.#spentMs += this.costMs;
      return { ...SNAPSHOT, streams: 0, totalRequests: this.made };
    },
    clock: {
      now: () => this.clock.now() + this.#spentMs,
      unixMs: () => this.clock.unixMs(),
      after: (ms, fire) => this.clock.after(ms, fire),
    },
    log: new TestLog(),
  });
  #spentMs = 0;

  watch(request: Parameters<typeof WatchStatusRequest.fromPartial>[0] = {}, principal = ANYONE): Call {
    const call = new Call(Buffer.from(WatchStatusRequest.encode(WatchStatusRequest.fromPartial(request)).finish()));
    this.watches.serve(call as unknown as ServerWritableStream<Buffer, Buffer>, principal);
    return call;
  }
}

function reasonOf({ metadata }: StatusObject): string {
  assert(metadata instanceof Metadata);
  const [details] = metadata.get("grpc-status-details-bin");
  return Buffer.isBuffer(details) ? details.toString("latin1") : "";
}

for (const [asked, expectedMs] of [
  [undefined, 1000],
  [{ seconds: 0n, nanos: 0 }, 100],
  [{ seconds: 0n, nanos: 250_000_000 }, 250],
  [{ seconds: 3600n, nanos: 0 }, 60_000],
] as const) {
  test(`an interval of ${asked ? `${asked.seconds} s ${asked.nanos} ns` : "nothing"} is ${expectedMs} ms`, async () => {
    const world = new World();
    const { messages } = world.watch(asked ? { interval: asked } : {});
    assert.equal(messages.length, 1, "the first comes at once");
    await world.clock.advance(expectedMs - 1);
    assert.equal(messages.length, 1);
    await world.clock.advance(1);
    assert.equal(messages.length, 2);
  });
}

test("a watch sees its principal's trajectories, as many as it may ask for", () => {
  const world = new World();
  const { messages } = world.watch({ trajectoriesMax: 4_000_000_000 }, "alice");
  assert.deepEqual(world.asked, [["alice", 1000]]);
  assert.equal(messages[0]?.trajectoriesTotal, 7);
});

test("a client that does not read is not written to, and the next that it gets is new", async () => {
  const world = new World();
  const call = world.watch();
  call.reads = false;
  await world.clock.advance(10_000);
  assert.deepEqual([call.messages.length, world.made], [2, 2], "nothing is made for it meanwhile");
  world.watch();
  call.read();
  await world.clock.advance(1_000);
  assert.equal(call.messages.length, 3);
  assert.equal(call.messages[2]?.status?.totalRequests, BigInt(4));
});

test("where the status is dear it comes less often", async () => {
  const world = new World();
  world.costMs = 50;
  const { messages } = world.watch();
  await world.clock.advance(4_999);
  assert.equal(messages.length, 1);
  await world.clock.advance(1);
  assert.equal(messages.length, 2);
});

test("however many watch, all of them together have a tenth of the server's time", async () => {
  const world = new World();
  world.costMs = 1;
  for (let count = 0; count < 100; count += 1) world.watch({ interval: { seconds: 0n, nanos: 100_000_000 } });
  world.made = 0;
  await world.clock.advance(10_000);
  assert.ok(world.made >= 900 && world.made <= 1_100, `made ${world.made} times, 1 ms each, in 10 s`);
});

test("a malformed interval is refused, and so is what is no request", () => {
  const world = new World();
  for (const interval of [
    { seconds: -1n, nanos: 0 },
    { seconds: 1n, nanos: -1 },
  ]) {
    const { status } = world.watch({ interval });
    assert.match(status ? reasonOf(status) : "", /INVALID_FIELD/);
  }
  const call = new Call(Buffer.from([0xff, 0xff]));
  world.watches.serve(call as unknown as ServerWritableStream<Buffer, Buffer>, ANYONE);
  assert.match(call.status ? reasonOf(call.status) : "", /INVALID_FIELD/);
  assert.equal(world.clock.timers, 0);
});

test("the hundred-and-first watcher is refused, until one has gone", () => {
  const world = new World();
  const calls = Array.from({ length: 100 }, () => world.watch());
  const { status } = world.watch();
  assert.match(status ? reasonOf(status) : "", /LIMIT_REACHED/);
  calls[0]?.emit("close");
  assert.equal(world.watch().status, undefined);
});

test("one principal does not keep the others from watching", () => {
  const world = new World();
  const calls = Array.from({ length: 20 }, () => world.watch({}, "greedy"));
  const { status } = world.watch({}, "greedy");
  assert.match(status ? reasonOf(status) : "", /LIMIT_REACHED/);
  assert.match(`${status?.details}`, /^20 clients of this token/);
  assert.equal(world.watch({}, "another").status, undefined);
  calls[0]?.emit("close");
  assert.equal(world.watch({}, "greedy").status, undefined);
});

test("who goes away costs nothing any more", () => {
  const world = new World();
  const call = world.watch();
  assert.equal(world.clock.timers, 1);
  call.emit("close");
  assert.equal(world.clock.timers, 0);
});

test("at the end of the server every watch ends, and so does whoever comes then", () => {
  const world = new World();
  const before = world.watch();
  world.watches.close();
  for (const { status } of [before, world.watch()]) assert.match(status ? reasonOf(status) : "", /SHUTTING_DOWN/);
  assert.equal(world.clock.timers, 0);
});
