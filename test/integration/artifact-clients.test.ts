// Clients of ArtifactService that are slow, or do not read or write at all, over real gRPC.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { type ClientReadableStream, credentials, type ServiceError } from "@grpc/grpc-js";
import type { SlotRecord, Transfer } from "../../src/core/artifacts.js";
import { type Clock, systemClock } from "../../src/core/clock.js";
import { SwitchyardError } from "../../src/core/errors.js";
import {
  ArchiveArtifactsRequest,
  ArtifactServiceClient,
  ReadArtifactRequest,
  type WriteArtifactResponse,
} from "../../src/gen/switchyard/v1/artifact_service.js";
import { FakeClock } from "../support/fake-clock.js";
import { type Service, startService } from "../support/grpc-service.js";
import { startLive } from "../support/live-service.js";

const PLACE = { trajectoryId: "t1", path: "large" };
const CHUNK = randomBytes(64 * 1024);

/** A transfer of one file without end; `taken` grows with what the server takes of it. */
class EndlessFile implements Transfer {
  taken = 0;
  readonly over: Promise<SwitchyardError>;
  #onOver: (why: SwitchyardError) => void = () => undefined;
  #why: SwitchyardError | undefined;

  constructor() {
    this.over = new Promise((resolve) => {
      this.#onOver = resolve;
    });
  }

  async *records(): AsyncGenerator<SlotRecord, void, undefined> {
    const nothing = Buffer.alloc(0);
    yield { kind: "root", path: Buffer.from("large") };
    const common = { name: nothing, linkTarget: nothing, mode: 0o644, mtimeS: 0 };
    yield { kind: "entry", entry: { ...common, type: "file", size: 2 ** 30 } };
    // Whatever is here already comes also when it is over.
    for (; !this.#why || this.taken % 8 > 0; this.taken += 1) yield { kind: "data", data: CHUNK };
    throw this.#why;
  }

  async send(): Promise<void> {}

  end(why = new SwitchyardError("TRAJECTORY_ENDED", "ended")): void {
    this.#why ??= why;
    this.#onOver(this.#why);
  }
}

async function serving(
  t: TestContext,
  clock: Clock = systemClock,
): Promise<{ service: Service; client: ArtifactServiceClient }> {
  const service = await startService({ clock });
  const client = new ArtifactServiceClient(service.address, credentials.createInsecure());
  t.after(async () => {
    client.close();
    await service.close();
  });
  return { service, client };
}

/** Resolves once the server has stopped taking more of it. */
async function stalled(file: EndlessFile): Promise<void> {
  for (let before = -1; before < file.taken; ) {
    before = file.taken;
    // As many turns of the loop as the sockets need.
    for (let turn = 0; turn < 2_000; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Reads the first message and no more. */
async function paused<T>(call: ClientReadableStream<T>): Promise<void> {
  await new Promise<void>((resolve) => {
    call.once("data", () => {
      call.pause();
      resolve();
    });
  });
}

/** Reads all that still comes. */
async function statusOf<T>(call: ClientReadableStream<T>): Promise<ServiceError> {
  call.resume();
  const [error] = await once(call, "error");
  return error;
}

test("a download that ends while its client does not read gives it a status", { timeout: 20_000 }, async (t) => {
  const { service, client } = await serving(t);
  const downloads = {
    read: () => client.readArtifact(ReadArtifactRequest.fromPartial({ ...PLACE, maxBytes: 2n ** 30n })),
    archive: () => client.archiveArtifacts(ArchiveArtifactsRequest.fromPartial(PLACE)),
  };
  for (const [what, begin] of Object.entries(downloads)) {
    const file = new EndlessFile();
    service.directory.onTransfer = () => file;
    const call: ClientReadableStream<unknown> = begin();
    await paused(call);
    await stalled(file);
    file.end();
    await file.over;
    const { details } = await statusOf(call);
    assert.equal(details, "ended", what);
  }
});

test("a release during a download gives a client that does not read its status", { timeout: 20_000 }, async (t) => {
  const live = await startLive("process");
  const client = new ArtifactServiceClient(live.address, credentials.createInsecure());
  t.after(async () => {
    client.close();
    await live.close();
  });
  const stream = await live.open({ trajectoryId: "t1" });
  await stream.bash("head -c 30000000 /dev/urandom > large");
  const reading = client.readArtifact(ReadArtifactRequest.fromPartial(PLACE));
  const archiving = client.archiveArtifacts(ArchiveArtifactsRequest.fromPartial({ trajectoryId: "t1" }));
  await Promise.all([paused<unknown>(reading), paused<unknown>(archiving)]);
  // What is small enough is at the client before it reads.
  const statuses = Promise.all([once(reading, "error"), once(archiving, "error")]);
  await live.release("t1", true);
  reading.resume();
  archiving.resume();
  const ends = await statuses;
  assert.deepEqual(
    ends.map(([{ details }]) => details),
    ["the trajectory has ended", "the trajectory has ended"],
  );
});

test("a download that ended and is not read counts until its client reads it", { timeout: 60_000 }, async (t) => {
  const { service, client } = await serving(t);
  const begin = () => client.readArtifact(ReadArtifactRequest.fromPartial(PLACE));
  const unread: ReturnType<typeof begin>[] = [];
  for (let at = 0; at < 4; at += 1) {
    const file = new EndlessFile();
    service.directory.onTransfer = () => file;
    const call = begin();
    unread.push(call);
    await paused(call);
    await stalled(file);
    file.end();
  }
  const refused = new EndlessFile();
  service.directory.onTransfer = () => refused;
  assert.match((await statusOf(begin())).details, /^4 requests for this trajectory's files are open/);
  await refused.over;
  const [first] = unread;
  assert(first);
  assert.equal((await statusOf(first)).details, "ended");
  const file = new EndlessFile();
  service.directory.onTransfer = () => file;
  const again = begin();
  await paused(again);
  for (const call of [...unread, again]) call.on("error", () => undefined).cancel();
});

test("an upload whose client says nothing ends after a minute", { timeout: 20_000 }, async (t) => {
  const clock = new FakeClock();
  const { client } = await serving(t, clock);
  const timers = clock.timers;
  let answer: (error: ServiceError | null, response?: WriteArtifactResponse) => void = () => undefined;
  const answered = new Promise<ServiceError | null>((resolve) => {
    answer = resolve;
  });
  client.writeArtifact((error, response) => answer(error, response));
  while (clock.timers === timers) await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(60_000);
  assert.equal((await answered)?.details, "no header came within 60 s");
});
