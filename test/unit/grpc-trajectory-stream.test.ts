import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { type StatusObject, status } from "@grpc/grpc-js";
import { RunTrajectoryRequest, RunTrajectoryResponse } from "../../src/gen/switchyard/v1/trajectory.js";
import {
  STREAM_DEFAULTS,
  type StreamOptions,
  serveTrajectory,
  type TrajectoryCall,
} from "../../src/grpc/trajectory-stream.js";
import { FakeClock } from "../support/fake-clock.js";
import { announcement, type RequestFrame, TestDirectory, TestLog } from "../support/grpc-service.js";

/** A gRPC call whose reader takes frames while `reading`. */
class FakeCall extends EventEmitter implements TrajectoryCall {
  readonly written: string[] = [];
  reading = true;
  paused = false;
  ended = false;
  readonly errors: StatusObject[] = [];

  constructor() {
    super();
    this.on("error", (error: StatusObject) => this.errors.push(error));
  }

  write(message: Buffer): boolean {
    assert.ok(!this.ended && this.errors.length === 0, "written after the end");
    this.written.push(RunTrajectoryResponse.decode(message).frame?.$case ?? "");
    return this.reading;
  }

  drain(): void {
    this.reading = true;
    this.emit("drain");
  }

  end(): void {
    this.ended = true;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  receive(frame: RequestFrame): void {
    this.emit("data", Buffer.from(RunTrajectoryRequest.encode(RunTrajectoryRequest.fromPartial({ frame })).finish()));
  }
}

function served(options: Partial<StreamOptions> = {}) {
  const clock = new FakeClock();
  const directory = new TestDirectory();
  const call = new FakeCall();
  const log = new TestLog();
  const stream = serveTrajectory(call, "", { ...STREAM_DEFAULTS, clock, directory, log, announcement, ...options });
  return { clock, directory, call, log, stream };
}

function opened(options: Partial<StreamOptions> = {}) {
  const all = served(options);
  all.call.receive({ $case: "open", value: { trajectoryId: "t" } });
  return all;
}

function echo(call: FakeCall, uniqId: string): void {
  call.receive({ $case: "call", value: { uniqId, name: "echo" } });
}

test("a half-close counts when no cancel follows it", async () => {
  const { call, clock, directory } = opened();
  call.emit("end");
  await clock.advance(49);
  assert.deepEqual(directory.seen, []);
  await clock.advance(1);
  assert.deepEqual(directory.seen, ["halfClose"]);
  assert.equal(call.ended, true);
  call.emit("cancelled");
  call.emit("close");
  assert.deepEqual(directory.seen, ["halfClose"]);
  assert.equal(clock.timers, 0);
});

test("a half-close that a cancel follows is a cancel", async () => {
  const { call, clock, directory } = opened();
  call.emit("end");
  await clock.advance(49);
  call.emit("cancelled");
  call.emit("close");
  await clock.advance(100_000);
  assert.deepEqual(directory.seen, ["detach"]);
  assert.equal(clock.timers, 0);
});

test("a connection that breaks after a half-close took effect is a detach", async () => {
  const { call, clock, directory } = served();
  directory.endOnHalfClose = false;
  call.receive({ $case: "open", value: { trajectoryId: "t" } });
  call.emit("end");
  await clock.advance(50);
  call.emit("cancelled");
  assert.deepEqual(directory.seen, ["halfClose", "detach"]);
});

test("while the reader is slow no more is written, and then no more is read", () => {
  const { call, directory } = opened({ pressureFrames: 4, framesMax: 100 });
  call.reading = false;
  for (const uniqId of ["u1", "u2", "u3", "u4"]) echo(call, uniqId);
  assert.deepEqual(call.written, ["opened", "result"]);
  assert.equal(call.paused, false);
  echo(call, "u5");
  assert.equal(call.paused, true);
  call.drain();
  assert.equal(call.paused, false);
  assert.deepEqual(call.written, ["opened", "result", "result", "result", "result", "result"]);
  assert.equal(directory.seen.length, 5);
});

test("the status waits until everything was written", () => {
  const { call, directory } = opened();
  call.reading = false;
  for (const uniqId of ["u1", "u2", "u3"]) echo(call, uniqId);
  directory.sinks[0]?.end();
  assert.equal(call.ended, false);
  call.drain();
  assert.deepEqual(call.written, ["opened", "result", "result", "result"]);
  assert.equal(call.ended, true);
});

test("a reader that is too slow ends the stream, and the trajectory is detached once", () => {
  const { call, directory } = opened({ framesMax: 3 });
  call.reading = false;
  for (const uniqId of ["u1", "u2", "u3", "u4", "u5"]) echo(call, uniqId);
  assert.equal(call.errors[0]?.code, status.RESOURCE_EXHAUSTED);
  assert.deepEqual(directory.seen, ["call u1", "call u2", "call u3", "call u4", "detach"]);
});

test("what waits for a slow reader is forgotten when the call is gone", async () => {
  const { call, clock, directory } = opened();
  call.reading = false;
  for (const uniqId of ["u1", "u2"]) echo(call, uniqId);
  call.emit("cancelled");
  call.drain();
  directory.sinks[0]?.event({ kind: "released", wiped: false });
  directory.sinks[0]?.end();
  await clock.advance(100_000);
  assert.deepEqual(call.written, ["opened", "result"]);
  assert.equal(call.ended, false);
});

test("heartbeats come after 20 s of silence, not before the open, and not to a reader that has not read", async () => {
  const { call, clock } = served();
  await clock.advance(60_000);
  assert.deepEqual(call.written, []);
  call.receive({ $case: "open", value: { trajectoryId: "t" } });
  await clock.advance(19_999);
  assert.deepEqual(call.written, ["opened"]);
  await clock.advance(1);
  assert.deepEqual(call.written, ["opened", "heartbeat"]);
  call.reading = false;
  await clock.advance(20_000);
  assert.deepEqual(call.written, ["opened", "heartbeat", "heartbeat"]);
  await clock.advance(60_000);
  assert.equal(call.written.length, 3);
  call.drain();
  await clock.advance(20_000);
  assert.equal(call.written.length, 4);
});

test("a server that shuts down ends the stream and detaches the trajectory", () => {
  const { call, directory, stream } = opened();
  assert.equal(stream.opened, true);
  stream.shutDown();
  stream.shutDown();
  assert.equal(call.errors.length, 1);
  assert.equal(call.errors[0]?.code, status.UNAVAILABLE);
  assert.deepEqual(directory.seen, ["detach"]);
  echo(call, "u1");
  assert.deepEqual(directory.seen, ["detach"]);
});

test("ten thousand frames behind a slow reader keep their order", () => {
  const { call, directory } = opened({ pressureFrames: 20_000, framesMax: 30_000 });
  call.reading = false;
  for (let index = 0; index < 10_000; index += 1) {
    if (index % 2 === 0) directory.sinks[0]?.event({ kind: "released", wiped: true });
    else directory.sinks[0]?.event({ kind: "slot_lost", slotGeneration: 1, reason: "" });
  }
  call.drain();
  assert.equal(call.written.length, 10_001);
  assert.deepEqual(
    call.written.slice(1).map((kind) => (kind === "released" ? 0 : 1)),
    Array.from({ length: 10_000 }, (_, index) => index % 2),
  );
});
