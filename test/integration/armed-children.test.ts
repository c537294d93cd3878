// The children that a slot's launcher keeps waiting: who wants one beside a call gets one, and where none can be made that is
// said, and the slot goes on.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bash, bytesOf, opened } from "../support/artifact-checks.js";
import { type LiveService, startLive } from "../support/live-service.js";

let live: LiveService;
before(async () => {
  live = await startLive("process", { pools: { default: { slot: { processes: 24 } } } });
});
after(() => live.close());

test("transfers that begin together while a call runs all come through, and the call with them", async (t) => {
  const { client, trajectory } = await opened(t, live.address);
  await bash(trajectory, "echo content > file");
  const running = trajectory.call("bash", {
    command: "echo > begun; until [ -e enough ]; do sleep 0.1; done; echo done",
  });
  for (let listing = await client.listArtifacts(trajectory); listing.entries.length < 2; ) {
    listing = await client.listArtifacts(trajectory);
  }
  for (let round = 0; round < 5; round += 1) {
    const contents = await Promise.all(
      [1, 2, 3, 4].map(async () => bytesOf(await client.readArtifact(trajectory, "file"))),
    );
    assert.deepEqual(contents.map(String), Array(4).fill("content\n"));
  }
  await client.writeArtifact(trajectory, "enough", Buffer.from(""));
  assert.equal((await running).output, "done");
  await trajectory.close();
});

/** Takes each process that becomes free, for five seconds; all have ended when it has. */
const GREEDY = `
for (my $end = time + 5; time < $end;) {
  my $child = fork;
  if (!defined $child) { select(undef, undef, undef, 0.01) }
  elsif (!$child) { sleep 1 while time < $end; exit }
}
1 while wait > 0;
print "done";`;

test("where no process can be made each transfer is refused, and the slot and its call go on", async (t) => {
  const { client, trajectory } = await opened(t, live.address);
  await bash(trajectory, "echo content > file");
  const { slotGeneration } = trajectory;
  const read = async () => bytesOf(await client.readArtifact(trajectory, "file"));
  const running = trajectory.call("bash", { command: `exec perl -e '${GREEDY}'` });
  while ((await Promise.allSettled([read()]))[0]?.status === "fulfilled");
  for (const refused of await Promise.allSettled([read(), read(), read(), read()])) {
    assert.equal(refused.status, "rejected");
    assert.match(String(refused.reason), /Cannot start a process/);
  }
  assert.equal((await running).output, "done");
  assert.equal(String(await read()), "content\n");
  assert.equal(await bash(trajectory, "cat file"), "content");
  assert.equal(trajectory.slotGeneration, slotGeneration);
  await trajectory.close();
});
