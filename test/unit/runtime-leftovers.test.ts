import assert from "node:assert/strict";
import { test } from "node:test";
import { runtimeLeftovers } from "../../src/backend/docker/runtime-leftovers.js";

const NOW = Date.parse("2026-03-10T12:00:00Z");
const HOUR_MS = 3_600_000;

function volume(Name: string, hours: number) {
  return { Name, CreatedAt: new Date(NOW - hours * HOUR_MS).toISOString() };
}

function leftovers(volumes: ReturnType<typeof volume>[], used: readonly string[] = [], keep = "ours") {
  const unused = new Set(volumes.map(({ Name }) => Name).filter((name) => !used.includes(name)));
  return runtimeLeftovers({ volumes, unused, carriers: [] }, keep, NOW).volumes;
}

test("a volume that no container has goes after a day, and its mark after it", () => {
  assert.deepEqual(leftovers([volume("a-filled", 25), volume("a", 25)]), ["a", "a-filled"]);
  assert.deepEqual(leftovers([volume("a", 23), volume("a-filled", 23)]), []);
});

test("its age is that of its content: one whose folder changed since is as old as its mark", () => {
  assert.deepEqual(leftovers([volume("a", 1), volume("a-filled", 25)]), ["a", "a-filled"]);
});

test("one that a container has stays, with its mark, which no container ever has", () => {
  assert.deepEqual(leftovers([volume("a", 99), volume("a-filled", 99)], ["a"]), []);
});

test("the volume of who asks stays", () => {
  assert.deepEqual(leftovers([volume("ours", 99), volume("ours-filled", 99)]), []);
});

test("one that was never filled goes as well, unless it is being filled", () => {
  assert.deepEqual(leftovers([volume("a", 25)]), ["a"]);
  assert.deepEqual(leftovers([volume("a", 25)], ["a"]), []);
  assert.deepEqual(leftovers([volume("a", 0.1)]), []);
});

test("a mark without its volume goes", () => {
  assert.deepEqual(leftovers([volume("a-filled", 25)]), ["a-filled"]);
});

test("what has no date stays", () => {
  const volumes = [{ Name: "a" }, { Name: "b", CreatedAt: "never" }];
  assert.deepEqual(runtimeLeftovers({ volumes, unused: new Set(["a", "b"]), carriers: [] }, "ours", NOW).volumes, []);
});

test("carriers are stale after an hour", () => {
  const carrier = (Id: string, hours: number) => ({ Id, Created: (NOW - hours * HOUR_MS) / 1000 });
  const carriers = [carrier("old", 1.1), carrier("new", 0.9)];
  assert.deepEqual(runtimeLeftovers({ volumes: [], unused: new Set(), carriers }, "ours", NOW).carriers, ["old"]);
});
