// Row 4: two streams of one trajectory, a wrong token, a uniq_id with other content: the newest owner wins, and nobody
// else disturbs anything.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { status as GrpcCode, type ServiceError } from "@grpc/grpc-js";
import { CallStatus, Fault, ToolCall } from "../../src/gen/switchyard/v1/call.js";
import { CallState } from "../../src/gen/switchyard/v1/trajectory.js";
import { reasonOf } from "../support/grpc-service.js";
import { type LiveService, startLive } from "../support/live-service.js";
import { livingAre, uniqueSleep } from "../support/processes.js";

let live: LiveService;

before(async () => {
  live = await startLive("process", { pools: { default: { slots_per_container: 4, max_containers: 1 } } });
});

after(() => live.close());

test("the newer of two opens goes on with the running call, the older ends ABORTED", async () => {
  const open = { trajectoryId: "twice", resumeToken: "secret" };
  const older = await live.open(open);
  const word = uniqueSleep(2);
  const unheard = older.bash(`echo once >> log; sleep ${word}; cat log`, { uniqId: "running" });
  unheard.catch(() => undefined);
  await livingAre(word, 1);
  const newer = await live.open(open);
  const end = await older.ended;
  assert.deepEqual([end?.code, reasonOf(end)], [GrpcCode.ABORTED, "SUPERSEDED"]);
  await assert.rejects(unheard, /the stream ended first/);
  const { resumed, epoch, slotGeneration, known } = newer.opened;
  assert.deepEqual([resumed, epoch, slotGeneration], [true, 2n, 1]);
  assert.deepEqual(known, [{ uniqId: "running", state: CallState.CALL_STATE_RUNNING }]);
  assert.equal((await newer.resultOf("running")).output, "once");
  assert.equal((await newer.bash("cat log", { uniqId: "next" })).output, "once");
});

test("many opens at once: one stream lives, all others end ABORTED", async () => {
  const streams = await Promise.all(
    Array.from({ length: 20 }, () => live.open({ trajectoryId: "race", resumeToken: "secret" })),
  );
  const [newest, ...others] = streams.sort((a, b) => Number(b.opened.epoch - a.opened.epoch));
  assert.equal(newest?.opened.epoch, 20n);
  for (const { ended } of others) assert.equal(reasonOf(await ended), "SUPERSEDED");
  assert.equal((await newest?.bash("echo alive"))?.output, "alive");
});

test("a wrong token is PERMISSION_DENIED, on a stream and on each unary call, and disturbs nothing", async () => {
  const owner = await live.open({ trajectoryId: "owned", resumeToken: "secret" });
  const word = uniqueSleep(2);
  const running = owner.bash(`sleep ${word}; echo done`);
  await livingAre(word, 1);
  for (const resumeToken of ["guess", ""]) {
    const end = await live.open({ trajectoryId: "owned", resumeToken }).then(
      () => assert.fail("it opened"),
      ({ cause }: { cause: ServiceError }) => cause,
    );
    assert.deepEqual([end.code, reasonOf(end)], [GrpcCode.PERMISSION_DENIED, "WRONG_TOKEN"]);
  }
  const denied = { code: GrpcCode.PERMISSION_DENIED };
  await assert.rejects(live.execute("owned", { uniqId: "e", name: "bash", arguments: { command: "true" } }), denied);
  await assert.rejects(live.release("owned", true), denied);
  assert.deepEqual([(await running).output, (await running).slotGeneration], ["done", 1]);
  const again = await live.open({ trajectoryId: "owned", resumeToken: "secret" });
  assert.equal(again.opened.epoch, 2n);
});

test("a uniq_id with other content is rejected, whatever state the first call is in, and harms it not", async () => {
  const stream = await live.open({ trajectoryId: "reuse" });
  const word = uniqueSleep(2);
  const first = stream.bash(`echo first >> log; sleep ${word}; cat log`, { uniqId: "one" });
  const queued = stream.bash("echo queued >> log; cat log", { uniqId: "two" });
  const ends = Promise.allSettled([first, queued]).then((all) => all.map(({ status }) => status));
  await livingAre(word, 1);
  const reuse = (uniqId: string) =>
    stream.send({
      $case: "call",
      value: ToolCall.fromPartial({ uniqId, name: "bash", arguments: { command: "echo other >> log" } }),
    });
  reuse("one");
  reuse("two");
  // Results and rejections share their ids, so both must be told apart by their order.
  await stream.bash("true", { uniqId: "behind" });
  reuse("one");
  assert.equal((await stream.bash("cat log", { uniqId: "last" })).output, "first\nqueued");
  const rejected = stream.frames.flatMap((frame) => (frame.$case === "rejected" ? [frame.value] : []));
  assert.deepEqual(
    rejected.map(({ uniqId }) => uniqId),
    ["one", "two", "one"],
  );
  for (const { status, fault, error } of rejected) {
    assert.deepEqual([status, fault], [CallStatus.CALL_STATUS_INVALID, Fault.FAULT_CLIENT]);
    assert.match(error, /was used before for another call/);
  }
  assert.deepEqual(await ends, ["rejected", "rejected"]);
  const results = stream.frames.flatMap((frame) => (frame.$case === "result" ? [frame.value] : []));
  assert.deepEqual(
    results.map(({ uniqId, output }) => `${uniqId}: ${output}`),
    ["one: first", "two: first\nqueued", "behind: ", "last: first\nqueued"],
  );
});
