// ArtifactService against a real server with the process backend.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { SwitchyardClient } from "../../src/client/index.js";
import {
  bash,
  bytesOf,
  checkRefusals,
  checkRoundTrip,
  checkUnsafeArchives,
  membersOf,
  opened,
  refusal,
} from "../support/artifact-checks.js";
import { spell, thereAndBack } from "../support/artifact-load.js";
import { type LiveService, startLive } from "../support/live-service.js";
import { ServerProcess } from "../support/server-process.js";

let live: LiveService;
before(async () => {
  live = await startLive("process");
});
after(async () => {
  await live.close();
});

test("every kind of thing goes there and back", (t) => checkRoundTrip(t, live.address));
test("what cannot be had is refused in the words of the file tools", (t) => checkRefusals(t, live.address));
test("unsafe members and bombs are refused by name", (t) => checkUnsafeArchives(t, live.address));

/** Ends with the test, if it was not read to its end before. */
async function begun(download: AsyncIterable<Uint8Array>): Promise<AsyncIterator<Uint8Array>> {
  const iterator = download[Symbol.asyncIterator]();
  await iterator.next();
  return iterator;
}

const LARGE = "head -c 30000000 /dev/zero > large";

test("transfers run beside a call, and neither's end ends the other", async (t) => {
  const { client, trajectory } = await opened(t, live.address);
  await bash(trajectory, LARGE);
  const slow = await begun(await client.readArtifact(trajectory, "large"));
  const running = trajectory.call("bash", { command: "echo begun > begun; sleep 60" }, { timeoutS: 2 });
  for (let listing = await client.listArtifacts(trajectory); listing.entries.length < 2; ) {
    listing = await client.listArtifacts(trajectory);
  }
  await client.writeArtifact(trajectory, "beside", Buffer.from("beside"));
  assert.equal((await running).status, "TIMED_OUT");
  // Only now is the rest of it read: the timeout's kill has spared its process.
  let bytes = 0;
  for (let step = await slow.next(); !step.done; step = await slow.next()) bytes += step.value.length;
  assert.ok(bytes > 29_000_000, `${bytes}`);
  assert.equal(await bash(trajectory, "cat beside"), "beside");
  const cancelled = await begun(await client.readArtifact(trajectory, "large"));
  const counting = trajectory.call("bash", { command: "sleep 1; echo alive" });
  await cancelled.return?.();
  assert.equal((await counting).output, "alive");
  await trajectory.close();
});

test("a client that does not read holds up its own transfer only, and going away ends that", async (t) => {
  const { client, trajectory } = await opened(t, live.address);
  await bash(trajectory, LARGE);
  const transfers = await Promise.all(
    [1, 2, 3, 4].map(async () => begun(await client.readArtifact(trajectory, "large"))),
  );
  const another = await opened(t, live.address);
  await bash(another.trajectory, LARGE);
  const whole = await bytesOf(await another.client.readArtifact(another.trajectory, "large"));
  assert.equal(whole.length, 30_000_000);
  assert.equal(
    await refusal(client.readArtifact(trajectory, "large")),
    "LIMIT_REACHED this trajectory has 4 transfers under way: wait for one to end",
  );
  assert.equal(await bash(trajectory, "echo quick"), "quick");
  await transfers[0]?.return?.();
  // Unary requests repeat by themselves until there is room.
  assert.equal((await client.listArtifacts(trajectory)).entries.length, 1);
  for (const each of transfers) await each.return?.();
  await trajectory.close();
});

test("a release ends a transfer, and waits for none", async (t) => {
  const { client, trajectory } = await opened(t, live.address);
  await bash(trajectory, LARGE);
  const reading = await begun(await client.readArtifact(trajectory, "large"));
  async function* upload() {
    yield Buffer.alloc(100_000);
    // Says no more; the end is heard all the same.
    await new Promise(() => undefined);
  }
  const writing = refusal(client.writeArtifact(trajectory, "slow", upload()));
  for (let listing = await client.listArtifacts(trajectory); listing.entries.length < 2; ) {
    listing = await client.listArtifacts(trajectory);
  }
  assert.deepEqual(await trajectory.release({ resetWorkspace: true }), { wiped: true });
  assert.match(await writing, /^TRAJECTORY_ENDED /);
  const rest = async () => {
    for (let step = await reading.next(); !step.done; ) step = await reading.next();
  };
  assert.match(await refusal(rest()), /^TRAJECTORY_ENDED /);
});

test("a half-close gives the slot back over a transfer; a broken stream does not, and a transfer holds the lease", async (t) => {
  const client = new SwitchyardClient(live.address);
  t.after(() => client.close());
  const stream = await live.open({ trajectoryId: "held", resumeToken: "t", lease: { seconds: 1n, nanos: 0 } });
  await stream.bash(LARGE);
  const key = { trajectoryId: "held", resumeToken: "t" };
  const reading = await begun(await client.readArtifact(key, "large"));
  await stream.cut();
  const began = performance.now();
  while (performance.now() - began < 2_500) await client.listArtifacts(key);
  await reading.return?.();
  const again = await live.open({ trajectoryId: "held", resumeToken: "t", requireResume: true });
  const cutOff = await begun(await client.readArtifact(key, "large"));
  assert.equal(await again.halfClose(), undefined);
  const rest = async () => {
    for (let step = await cutOff.next(); !step.done; ) step = await cutOff.next();
  };
  assert.match(await refusal(rest()), /^TRAJECTORY_ENDED the trajectory gave its slot back/);
});

test("huge and deep folders are cut, and said to be", async (t) => {
  const { client, trajectory } = await opened(t, live.address);
  await bash(trajectory, "mkdir many && cd many && seq 1 12000 | xargs touch");
  const all = await client.listArtifacts(trajectory, "many", { maxEntries: 20_000 });
  assert.deepEqual([all.entries.length, all.truncated], [10_000, true]);
  const some = await client.listArtifacts(trajectory, "", { recursive: true, maxEntries: 5 });
  assert.deepEqual([some.entries.length, some.truncated], [5, true]);
  const few = client.archiveArtifacts(trajectory, "many", { maxEntries: 7 });
  assert.equal((await membersOf(await bytesOf(few))).length, 7);
  assert.deepEqual([few.summary.entries, few.summary.truncated], [7, true]);
  await bash(
    trajectory,
    'rm -r many; perl -e \'for (1..400) { mkdir "d"; chdir "d" }\'; head -c 5000 /dev/zero > five; echo > one',
  );
  const deep = await client.listArtifacts(trajectory, "", { recursive: true });
  assert.deepEqual([deep.entries.length, deep.truncated], [258, true]);
  const small = client.archiveArtifacts(trajectory, "", { maxBytes: 4_000 });
  assert.ok((await membersOf(await bytesOf(small))).includes("one file \n"));
  const { truncated, leftOut, leftOutCount, fileBytes } = small.summary;
  assert.deepEqual([truncated, leftOutCount, fileBytes], [true, 2, 1]);
  assert.match(leftOut[1]?.reason ?? "", /5000 bytes would be too many/);
  assert.match(leftOut[0]?.reason ?? "", /nested too deeply/);
  await trajectory.close();
});

test("an archive of files that change all the time is whole", async (t) => {
  const { client, trajectory } = await opened(t, live.address);
  const churn = `while :; do for i in 1 2 3 4 5 6 7 8; do
    head -c $((RANDOM * 40)) /dev/urandom > f$i; rm -f g$i; mkdir -p d$i; echo $i > d$i/x; mv d$i e$i 2>/dev/null; rm -rf e$i; done; done`;
  await bash(trajectory, `(${churn}) >/dev/null 2>&1 &`);
  for (let round = 0; round < 10; round += 1) {
    const download = client.archiveArtifacts(trajectory);
    const members = await membersOf(await bytesOf(download));
    assert.equal(members.length, download.summary.entries);
  }
  await trajectory.release();
});

test("20 MB up and 20 MB down: the server's memory stays as it is", async (t) => {
  const server = new ServerProcess(t, {}, { backend: "process" });
  const { address } = await server.ready;
  const { client, trajectory } = await opened(t, address);
  await thereAndBack(client, trajectory, server.pid, 1_000_000);
  const { up, down } = await thereAndBack(client, trajectory, server.pid, 20_000_000);
  t.diagnostic(`upload: ${spell(up)}`);
  t.diagnostic(`archive: ${spell(down)}`);
  assert.ok(Math.max(up.grownBytes, down.grownBytes) < 64_000_000);
  const random = randomBytes(100_000);
  await client.writeArtifact(trajectory, "random", random, { mode: 0o600 });
  const back = await client.readArtifact(trajectory, "random");
  assert.ok((await bytesOf(back)).equals(random));
  assert.equal(back.info.mode, 0o600);
  await trajectory.close();
  assert.equal((await server.kill("SIGTERM")).code, 0);
});
