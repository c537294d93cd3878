// Trajectories and their slots through the whole server: sharing, waiting, release, half-close, cut and resume.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { type LiveService, startLive } from "../support/live-service.js";
import { livingAre, uniqueSleep } from "../support/processes.js";
import type { TrajectoryClient } from "../support/trajectory-client.js";

async function withLive(pool: object, act: (live: LiveService) => Promise<void>, settings: object = {}): Promise<void> {
  const live = await startLive("process", { ...settings, pools: { default: pool } });
  try {
    await act(live);
  } finally {
    await live.close();
  }
}

const ONE_SLOT = { slots_per_container: 1, max_containers: 1 };

function resultIds(stream: TrajectoryClient): string[] {
  return stream.frames.flatMap((frame) => (frame.$case === "result" ? [frame.value.uniqId] : []));
}

const isFree: Parameters<LiveService["statusIs"]>[0] = ({ pools }) => pools[0]?.slotsLeased === 0;

test("200 trajectories of 5 calls on 20 slots: 1,000 results, each uniq_id once", () =>
  withLive(
    { slots_per_container: 10, min_containers: 2, max_containers: 2 },
    async (live) => {
      const seen = await Promise.all(
        Array.from({ length: 200 }, async (_, at) => {
          const stream = await live.open({ trajectoryId: `t${at}`, group: `g${at % 8}` });
          const calls = [0, 1, 2, 3, 4].map((step) =>
            stream.bash(`echo ${step} >> steps; echo ${at}:$(cat steps | tr -d '\\n')`, { uniqId: `${at}.${step}` }),
          );
          const outputs = (await Promise.all(calls)).map(({ output }) => output);
          assert.deepEqual(outputs, [`${at}:0`, `${at}:01`, `${at}:012`, `${at}:0123`, `${at}:01234`]);
          assert.equal(await stream.halfClose(), undefined);
          return resultIds(stream);
        }),
      );
      assert.equal(seen.flat().length, 1000);
      assert.equal(new Set(seen.flat()).size, 1000);
      const status = await live.statusIs(isFree);
      assert.equal(status.totalRequests, 1000n);
      assert.equal(status.totalErrors, 0n);
      assert.equal(status.queueSize, 0n);
      assert(status.meanBatchSize >= 3, `mean batch size ${status.meanBatchSize}`);
    },
    // Long enough for calls to meet in it on a busy machine, too.
    { batch: { window_ms: 100 } },
  ));

describe("one slot for each trajectory", () => {
  test("first calls that race, on a stream and by Execute, end with one slot", () =>
    withLive({ slots_per_container: 4 }, async (live) => {
      const stream = await live.open({ trajectoryId: "t" });
      const append = "echo x >> log";
      await Promise.all([
        stream.bash(append),
        stream.bash(append),
        ...["e1", "e2", "e3"].map((uniqId) =>
          live.execute("t", { uniqId, name: "bash", arguments: { command: append } }),
        ),
      ]);
      assert.equal((await stream.bash("wc -l < log")).output, "5");
      assert.equal((await live.status()).pools[0]?.slotsLeased, 1);
    }));

  test("its env is its own", () =>
    withLive({ slots_per_container: 2 }, async (live) => {
      const a = await live.open({ trajectoryId: "a", env: { WHO: "a", HOME: "/tmp" } });
      const b = await live.open({ trajectoryId: "b" });
      const [ofA, ofB] = await Promise.all([a.bash('echo "$WHO $HOME"'), b.bash('echo "[$WHO]"')]);
      assert.deepEqual([ofA.output, ofB.output], ["a /tmp", "[]"]);
    }));
});

describe("when slots run out", () => {
  test("groups take turns, and within a group the first come is served first", () =>
    withLive(ONE_SLOT, async (live) => {
      const holder = await live.open({ trajectoryId: "holder", acquireSlot: true });
      await holder.bash("true");
      const served: string[] = [];
      const waiting: Promise<void>[] = [];
      for (const trajectoryId of ["a1", "a2", "a3", "b1", "b2"]) {
        const stream = await live.open({ trajectoryId, group: trajectoryId.slice(0, 1) });
        waiting.push(
          stream.bash("true").then(async ({ status }) => {
            assert.equal(status, CallStatus.CALL_STATUS_OK);
            served.push(trajectoryId);
            await stream.halfClose();
          }),
        );
        await live.statusIs(({ pools }) => pools[0]?.waiting === waiting.length);
      }
      assert.deepEqual(served, []);
      await holder.halfClose();
      await Promise.all(waiting);
      assert.deepEqual(served, ["a1", "b1", "a2", "b2", "a3"]);
    }));

  test("who waits stalls nobody, and may give up", () =>
    withLive(ONE_SLOT, async (live) => {
      const holder = await live.open({ trajectoryId: "holder" });
      await holder.bash("true");
      const waiter = await live.open({ trajectoryId: "waiter" });
      const late = waiter.bash("true", { queueTimeout: { seconds: 0n, nanos: 200_000_000 } });
      for (let count = 0; count < 20; count++) assert.equal((await holder.bash("true")).success, true);
      const { status, error, execTime, slotGeneration } = await late;
      assert.equal(status, CallStatus.CALL_STATUS_NOT_STARTED);
      assert.equal(error, "Failed to acquire slot: not started within the queue timeout of 0.2 s");
      assert.deepEqual([execTime?.seconds, execTime?.nanos, slotGeneration], [0n, 0, 0]);
    }));
});

describe("the end of a trajectory", () => {
  const LEAVE = "echo secret > left; echo secret > /tmp/left-$UNIQUE; echo secret > /dev/shm/left-$UNIQUE";

  test("a release kills and wipes before the next trajectory gets the slot", () =>
    withLive(ONE_SLOT, async (live) => {
      const word = uniqueSleep();
      const first = await live.open({ trajectoryId: "first", env: { UNIQUE: word } });
      await first.bash(`${LEAVE}; setsid -f sleep ${word}`);
      const second = await live.open({ trajectoryId: "second", env: { UNIQUE: word } });
      const looked = second.bash("ls -A; pgrep -f $UNIQUE | grep -vx $$");
      assert.deepEqual(await live.release("first", true), { released: 1, wiped: true });
      await livingAre(word, 0);
      assert.equal(await first.ended, undefined);
      assert.equal((await first.first("released")).wiped, true);
      assert.equal((await looked).output, "");
      const [pool] = (await live.status()).pools;
      if (pool?.isolation === "none") return;
      const scratch = await second.bash("ls -A /tmp /dev/shm");
      assert.equal(scratch.output, "/dev/shm:\n\n/tmp:");
    }));

  test("a half-close lets calls finish, ends OK, and frees the slot", () =>
    withLive(ONE_SLOT, async (live) => {
      const stream = await live.open({ trajectoryId: "t" });
      const both = [stream.bash("sleep 0.3; echo one"), stream.bash("echo two")];
      assert.equal(await stream.halfClose(), undefined);
      assert.deepEqual(
        (await Promise.all(both)).map(({ output }) => output),
        ["one", "two"],
      );
      await live.statusIs(isFree);
    }));

  test("a release ends calls CANCELLED, and the stream OK", () =>
    withLive(ONE_SLOT, async (live) => {
      const word = uniqueSleep();
      const stream = await live.open({ trajectoryId: "t" });
      const both = [stream.bash(`echo begun; sleep ${word}`), stream.bash("echo never")];
      await livingAre(word, 1);
      stream.send({ $case: "release", value: { resetWorkspace: false } });
      const results = await Promise.all(both);
      assert.deepEqual(
        results.map(({ status }) => status),
        Array(2).fill(CallStatus.CALL_STATUS_CANCELLED),
      );
      assert.equal(results[0]?.output, "begun");
      assert.equal(await stream.ended, undefined);
      await livingAre(word, 0);
      await live.statusIs(isFree);
    }));

  test("a cancel ends one call, and the next runs in the same workspace", () =>
    withLive(ONE_SLOT, async (live) => {
      const word = uniqueSleep();
      const stream = await live.open({ trajectoryId: "t" });
      const running = stream.bash(`echo here > file; sleep ${word}`, { uniqId: "victim" });
      const next = stream.bash("cat file");
      await livingAre(word, 1);
      stream.send({ $case: "cancel", value: { uniqId: "victim" } });
      const { status, error } = await running;
      assert.deepEqual([status, error], [CallStatus.CALL_STATUS_CANCELLED, "Cancelled"]);
      assert.equal((await next).output, "here");
      await livingAre(word, 0);
    }));
});

describe("a connection that is cut", () => {
  test("within the lease the running call runs on, once, and its result comes with the next stream, once", () =>
    withLive(ONE_SLOT, async (live) => {
      const open = { trajectoryId: "t", resumeToken: "secret" };
      const first = await live.open(open);
      await first.bash("echo begin > log");
      first.ack("c1");
      const word = uniqueSleep(0.7);
      first.bash(`echo running >> log; sleep ${word}`).catch(() => undefined);
      first.bash("echo queued >> log; cat log").catch(() => undefined);
      await livingAre(word, 1);
      await first.cut();
      const second = await live.open(open);
      assert.equal(second.opened.resumed, true);
      assert.equal(second.opened.epoch, 2n);
      assert.equal(second.opened.incarnation, first.opened.incarnation);
      assert.deepEqual(
        second.opened.known.map(({ uniqId }) => uniqId),
        ["c2", "c3"],
      );
      assert.equal((await second.resultOf("c3")).output, "begin\nrunning\nqueued");
      assert.deepEqual(resultIds(second), ["c2", "c3"]);
      second.ack("c2", "c3");
      await second.bash("true", { uniqId: "after" });
      const third = await live.open(open);
      assert.deepEqual(
        third.opened.known.map(({ uniqId }) => uniqId),
        ["after"],
      );
      assert.match((await second.ended)?.details ?? "", /newer stream/);
    }));

  test("after the lease the trajectory is new, its workspace empty, and nothing of it lives", () =>
    withLive(ONE_SLOT, async (live) => {
      const word = uniqueSleep();
      const open = { trajectoryId: "t", lease: { seconds: 0n, nanos: 300_000_000 } };
      const first = await live.open(open);
      assert.deepEqual(first.opened.lease, open.lease);
      await first.bash("echo old > old");
      first.bash(`sleep ${word}`).catch(() => undefined);
      await livingAre(word, 1);
      await first.cut();
      await live.statusIs(isFree);
      await livingAre(word, 0);
      const second = await live.open(open);
      assert.equal(second.opened.resumed, false);
      assert.notEqual(second.opened.incarnation, first.opened.incarnation);
      assert.deepEqual(second.opened.known, []);
      assert.equal((await second.bash("ls -A", { uniqId: "c1" })).output, "");
    }));
});
