import assert from "node:assert/strict";
import { test } from "node:test";
import { ExternalError } from "../../src/tools/external/external-outcome.js";
import { Listing } from "../../src/tools/external/listing.js";
import { FakeClock } from "../support/fake-clock.js";

const FOREVER = new AbortController().signal;

function world() {
  const clock = new FakeClock();
  const asked: ((tools: readonly string[] | Error) => void)[] = [];
  const listing = new Listing(
    () =>
      new Promise((resolve, reject) => {
        asked.push((tools) => {
          if (tools instanceof Error) reject(tools);
          else resolve(tools.map((name) => ({ name, description: "", parameters: {} })));
        });
      }),
    clock,
  );
  return { clock, asked, listing };
}

test("asks once for all who need it, and not again while it knows the name", async () => {
  const { asked, listing } = world();
  const both = Promise.all([listing.has("a", FOREVER), listing.has("b", FOREVER)]);
  asked[0]?.(["a"]);
  assert.deepEqual(await both, [true, false]);
  assert.equal(await listing.has("a", FOREVER), true);
  assert.equal(await listing.has("b", FOREVER), false);
  assert.equal(asked.length, 1);
});

test("asks again for a name that it does not know, once its list is old or outdated", async () => {
  const { asked, listing, clock } = world();
  const first = listing.has("b", FOREVER);
  asked[0]?.(["a"]);
  assert.equal(await first, false);
  await clock.advance(1001);
  const second = listing.has("b", FOREVER);
  asked[1]?.(["a", "b"]);
  assert.equal(await second, true);
  listing.outdate();
  const third = listing.current();
  asked[2]?.(["c"]);
  assert.deepEqual(
    (await third).map(({ name }) => name),
    ["c"],
  );
});

test("does not say that there is no such tool when it cannot know", async () => {
  const { asked, listing } = world();
  const first = listing.has("a", FOREVER);
  asked[0]?.(new ExternalError("down"));
  await assert.rejects(first, /down/);
  const second = listing.has("a", FOREVER);
  asked[1]?.(["a"]);
  assert.equal(await second, true);
});

test("who gives up does not wait for it", async () => {
  const { listing } = world();
  const abort = new AbortController();
  const waiting = listing.has("a", abort.signal);
  abort.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
});
