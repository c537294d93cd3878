// A link whose runner may answer over another way than the first: who is heard where, and what becomes of ways that end.
import assert from "node:assert/strict";
import { Duplex, PassThrough } from "node:stream";
import { describe, test } from "node:test";
import type { LinkEnd } from "../../src/link/link.js";
import { resyncMarker } from "../../src/link/marker.js";
import { settled } from "../support/fake-clock.js";
import { EPOCH, frames, linkEnd, NONCE, SERVER, type TestEnd } from "../support/link-end.js";

/** Both ends of a stream. */
function pair(): [Duplex, Duplex] {
  const [there, back] = [new PassThrough(), new PassThrough()];
  const [server, runner] = [
    Duplex.from({ writable: there, readable: back }),
    Duplex.from({ writable: back, readable: there }),
  ];
  for (const end of [server, runner]) end.on("error", () => undefined);
  return [server, runner];
}

/** A runner that is given these, one at each beginning. */
function runnerWith(...streams: (Duplex | undefined | Promise<Duplex | undefined>)[]): LinkEnd {
  return { end: "runner", shortcut: async () => streams.shift() };
}

/** What one end says over its first way, the other hears; that one of them ends it is not heard. */
function join(server: TestEnd, runner: TestEnd): void {
  server.output.on("data", (chunk: Buffer) => runner.input.write(chunk));
  runner.output.on("data", (chunk: Buffer) => server.input.write(chunk));
}

/** Two ends that talk over a shortcut. */
async function overShortcut() {
  const [onServer, onRunner] = pair();
  const server = linkEnd(SERVER);
  server.link.addWay(onServer);
  const runner = linkEnd(runnerWith(onRunner));
  join(server, runner);
  await settled();
  await settled();
  return { onServer, onRunner, server, runner };
}

test("a runner that has a shortcut answers over it, and frames go there and nowhere else", async () => {
  const { server, runner } = await overShortcut();
  assert.deepEqual([server.story, runner.story], [[`synced ${EPOCH}`], [`synced ${EPOCH}`]]);
  const beside: number[] = [];
  for (const { output } of [server, runner]) output.on("data", (chunk: Buffer) => beside.push(chunk.length));
  server.link.send("there");
  runner.link.send("back");
  await settled();
  await settled();
  assert.deepEqual([runner.frames, server.frames, beside], [["there"], ["back"], []]);
});

test("without a shortcut it answers where the marker came", async () => {
  const server = linkEnd(SERVER);
  const runner = linkEnd(runnerWith(undefined));
  join(server, runner);
  await settled();
  server.link.send("there");
  runner.link.send("back");
  await settled();
  assert.deepEqual([runner.frames, server.frames], [["there"], ["back"]]);
});

test("what is on the first way while a shortcut is used is not heard, but for a marker", async () => {
  const { server, runner } = await overShortcut();
  runner.input.write(frames(["forged"]));
  server.input.write(Buffer.concat([Buffer.alloc(64, 0xff), frames(["forged"])]));
  await settled();
  assert.deepEqual([runner.frames, server.frames, server.ends], [[], [], []]);
  runner.input.write(resyncMarker(NONCE, EPOCH + 1));
  await settled();
  assert.deepEqual(runner.story.at(-1), `synced ${EPOCH + 1}`);
});

test("the next server's marker ends the old one's shortcut, and is answered over one of its own", async () => {
  const [[oldServer, oldRunner], [newServer, newRunner]] = [pair(), pair()];
  const [old, next] = [linkEnd(SERVER), linkEnd({ end: "server", epoch: EPOCH + 1 })];
  old.link.addWay(oldServer);
  next.link.addWay(newServer);
  const runner = linkEnd(runnerWith(oldRunner, newRunner));
  old.output.on("data", (chunk: Buffer) => runner.input.write(chunk));
  await settled();
  await settled();
  assert.deepEqual(old.story, [`synced ${EPOCH}`]);
  next.output.on("data", (chunk: Buffer) => runner.input.write(chunk));
  await settled();
  await settled();
  assert.deepEqual([oldRunner.destroyed, oldServer.destroyed], [true, true]);
  runner.link.send("to the next");
  await settled();
  await settled();
  assert.deepEqual([next.story, old.frames], [[`synced ${EPOCH + 1}`, "to the next"], []]);
});

test("a marker that overtakes another while its way is looked for is answered in its place, once", async () => {
  let found: (stream: Duplex) => void = () => undefined;
  const late = new Promise<Duplex>((resolve) => {
    found = resolve;
  });
  const [, lateRunner] = pair();
  const runner = linkEnd(runnerWith(late, undefined));
  runner.input.write(resyncMarker(NONCE, EPOCH));
  await settled();
  runner.input.write(resyncMarker(NONCE, EPOCH));
  await settled();
  found(lateRunner);
  await settled();
  assert.deepEqual(
    [runner.said(), runner.story, lateRunner.destroyed],
    [[`marker ${EPOCH}`], [`synced ${EPOCH}`], true],
  );
});

test("a runner whose shortcut ended hears nothing until a marker comes on the first way", async () => {
  const { onRunner, runner } = await overShortcut();
  onRunner.destroy();
  await settled();
  runner.input.write(frames(["unsynced"]));
  await settled();
  assert.deepEqual([runner.frames, runner.ends], [[], []]);
  runner.input.write(Buffer.concat([resyncMarker(NONCE, EPOCH), frames(["again"])]));
  await settled();
  assert.deepEqual(runner.frames, ["again"]);
});

describe("a server whose shortcut ended", () => {
  test("has lost its runner when the first way ends too", async () => {
    const { onServer, server } = await overShortcut();
    onServer.destroy();
    await settled();
    server.link.send("to nobody");
    assert.deepEqual(server.ends, []);
    server.input.end();
    await settled();
    assert.deepEqual(server.ends, [undefined]);
  });

  test("dials anew when the first way does not end, a second later", async (t) => {
    const { onServer, server } = await overShortcut();
    t.mock.timers.enable({ apis: ["setTimeout"] });
    onServer.destroy();
    await new Promise(setImmediate);
    t.mock.timers.tick(999);
    assert.equal(server.link.closed, false);
    t.mock.timers.tick(1);
    assert.equal(server.link.closed, true);
  });
});

test("a way over which nobody answered may end, and is ended with the link", async () => {
  const server = linkEnd(SERVER);
  const [[unused], [open], [late]] = [pair(), pair(), pair()];
  for (const way of [unused, open]) server.link.addWay(way);
  unused.destroy();
  await settled();
  assert.equal(server.link.closed, false);
  server.link.close();
  assert.equal(open.destroyed, true);
  server.link.addWay(late);
  assert.equal(late.destroyed, true);
});
