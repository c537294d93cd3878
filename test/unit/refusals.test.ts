// Refused connections in the log: each kind at once, and many of a kind as one line.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Logger } from "../../src/core/log.js";
import { Refusals } from "../../src/grpc/refusals.js";
import { FakeClock } from "../support/fake-clock.js";

const PLAIN = "connection refused: plain text on a port that speaks TLS";
const NO_CERTIFICATE = "connection refused: no client certificate";

test("the first of a kind is said at once, the others as a number every ten seconds, until there are none", async () => {
  const said: unknown[] = [];
  const log: Logger = {
    debug() {},
    info() {},
    error() {},
    warn: (fields, message) => void said.push([message, fields]),
    child: () => log,
  };
  const clock = new FakeClock();
  const refusals = new Refusals(clock, log);
  for (let peer = 0; peer < 1_000; peer += 1) refusals.add(PLAIN, { peer });
  refusals.add(NO_CERTIFICATE, { peer: "x" });
  assert.deepEqual(said.splice(0), [
    [PLAIN, { peer: 0 }],
    [NO_CERTIFICATE, { peer: "x" }],
  ]);
  await clock.advance(10_000);
  assert.deepEqual(said.splice(0), [[PLAIN, { peer: 999, times: 999 }]]);
  await clock.advance(60_000);
  assert.deepEqual(said.splice(0), []);
  refusals.add(PLAIN, { peer: "late" });
  assert.deepEqual(said, [[PLAIN, { peer: "late" }]]);
  refusals.close();
});
