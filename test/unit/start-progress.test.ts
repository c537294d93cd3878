// What `serve` shows on a terminal while it starts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { buildStep } from "../../src/backend/docker/image.js";
import { startPools, startProgress } from "../../src/cli/start-progress.js";
import type { PoolStatus } from "../../src/pool/status.js";

function stream(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  const write = (text: string | Uint8Array) => written.push(String(text)) > 0;
  return { isTTY, columns, write, written };
}

test("one line renews itself, and goes when the server has started", () => {
  const terminal = stream(true, 21);
  const { say, end } = startProgress(terminal);
  say?.("building an image: step 1 of 3");
  end();
  assert.deepEqual(terminal.written, ["\u001b[Kbuilding an image: s\r", "\u001b[K"]);
});

test("nothing is written where there is no terminal", () => {
  const pipe = stream(false);
  const { say, end } = startProgress(pipe);
  end();
  assert.deepEqual([say, pipe.written], [undefined, []]);
});

test("pools are named with the containers that they have and want", async () => {
  const status: PoolStatus = {
    ...{ name: "a", backend: "docker", isolation: undefined, containers: 1 },
    ...{ slotsTotal: 0, slotsLeased: 0, slotsReady: 0, waiting: 0 },
  };
  const said: string[] = [];
  const pool = (name: string, start: Promise<void>) => ({ name, status: () => status, start: () => start });
  await startPools(
    [pool("a", Promise.resolve()), pool("b", Promise.resolve())],
    () => 2,
    (text) => said.push(text),
  );
  assert.deepEqual(said, ["starting containers: a 1 of 2, b 1 of 2"]);
  await assert.rejects(
    startPools([pool("a", Promise.reject(new Error("no")))], () => 1),
    /no/,
  );
});

test("a build's steps are read from what the engine says", () => {
  assert.equal(buildStep("Step 3/7 : RUN apt-get update\n"), "step 3 of 7");
  assert.equal(buildStep(" ---> Running in 0123\n"), undefined);
});
