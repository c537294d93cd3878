// What commands show, without a terminal and without a server.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { argumentsOf } from "../../src/cli/client/arguments.js";
import { entryLines } from "../../src/cli/client/artifacts.js";
import { inside } from "../../src/cli/client/folders.js";
import { progressText } from "../../src/cli/client/progress.js";
import { readLine } from "../../src/cli/client/prompt.js";
import { ratesBetween } from "../../src/cli/client/rates.js";
import { screenLines } from "../../src/cli/client/status-table.js";
import { hasColours, styleOf } from "../../src/cli/client/style.js";
import { table } from "../../src/cli/client/table.js";
import { toolLines } from "../../src/cli/client/tools.js";
import { bytesText, durationText, printable } from "../../src/cli/client/units.js";
import type { StatusSample } from "../../src/client/index.js";

test("bytes and durations are short", () => {
  assert.deepEqual([0, 1023, 1024, 5_000_000, 3 * 2 ** 30].map(bytesText), [
    "0 B",
    "1023 B",
    "1.0 KiB",
    "4.8 MiB",
    "3.0 GiB",
  ]);
  const durations = [0, 9_900, 9_960, 59_400, 59_600, 3_599_400, 3_599_600, 86_399_000, 200_000_000];
  assert.deepEqual(durations.map(durationText), [
    ...["0.0s", "9.9s", "10s", "59s", "1m00s", "59m59s", "1h00m", "23h59m", "2d07h"],
  ]);
});

test("a name cannot drive the terminal", () => {
  assert.equal(printable("a\u001b[2Jb\n\u009bc é"), "a\\x1b[2Jb\\x0a\\x9bc é");
});

test("columns are aligned, figures to the right, and what is too long is cut", () => {
  const columns = [{ head: "NAME", widthMax: 5 }, { head: "SIZE", right: true }, { head: "" }];
  assert.deepEqual(
    table(columns, [
      ["a", "1", ""],
      ["abcdefgh", "12345", "x"],
    ]),
    ["NAME    SIZE", "a          1", "abcd~  12345  x"],
  );
});

test("progress names what is known", () => {
  const half = { label: "file", done: 2048, total: 4096, elapsedMs: 1000 };
  const bar = `${"#".repeat(12)}${"-".repeat(12)}`;
  assert.equal(progressText(half, 200), `file  [${bar}] 50%  2.0 KiB of 4.0 KiB  2.0 KiB/s  1.0s left`);
  assert.equal(progressText({ ...half, total: undefined }, 200), "file  2.0 KiB  2.0 KiB/s");
  assert.match(progressText({ ...half, done: 0, total: 0 }, 200), /100%/);
  const long = progressText({ ...half, label: "a/very/long/name/of/a/file", total: undefined }, 30);
  assert.equal(long, "~f/a/file  2.0 KiB  2.0 KiB/s");
});

test("text goes to the argument that it is meant for", () => {
  assert.deepEqual(argumentsOf("bash", ["ls", "-l"], '{"timeout": 5}'), { command: "ls -l", timeout: 5 });
  assert.deepEqual(argumentsOf("read_file", ["a b"], undefined), { path: "a b" });
  assert.deepEqual(argumentsOf("other", [], undefined), {});
  assert.throws(() => argumentsOf("tmux", ["start"], undefined), /takes no text.*--args/);
  assert.throws(() => argumentsOf("bash", ["a"], '{"command": "b"}'), /given twice/);
  for (const json of ["{", "[]", "1", "null"]) assert.throws(() => argumentsOf("bash", [], json), /JSON/);
});

test("a line of the prompt is a command of bash, unless a word follows its colon", () => {
  assert.deepEqual(readLine("  ls -l  "), { kind: "call", tool: "bash", args: { command: "  ls -l  " } });
  for (const line of [": > file", ":(){ :; }"]) assert.equal(readLine(line).kind, "call");
  assert.deepEqual(readLine(':tool read_file {"path": "a"}'), { kind: "call", tool: "read_file", args: { path: "a" } });
  assert.deepEqual(readLine(":tool tmux"), { kind: "call", tool: "tmux", args: {} });
  assert.deepEqual(
    [":help", " :q ", ":quit", ""].map((line) => readLine(line).kind),
    ["help", "quit", "quit", "nothing"],
  );
  for (const line of [":tool", ":tool x {", ":frob"]) assert.equal(readLine(line).kind, "mistake", line);
});

test("a member of an archive stays below its folder", () => {
  assert.equal(inside("./a//b/"), "a/b");
  for (const name of ["/etc/passwd", "a/../../b", "..", "a\0b"]) assert.throws(() => inside(name), /elsewhere/);
});

test("a listing shows names as they are, and what cannot be shown as bytes", () => {
  const entry = { rawPath: undefined, size: 12, mtime: new Date(0), mode: 0o755, linkTarget: undefined };
  const lines = entryLines([
    { ...entry, path: "run\u001b.sh", type: "file" },
    { ...entry, path: "l", type: "symlink", linkTarget: "a" },
  ]);
  assert.deepEqual(lines.slice(1), [
    "-0755     12  1970-01-01 00:00:00  run\\x1b.sh",
    "l0755         1970-01-01 00:00:00  l -> a",
  ]);
});

test("tools show what they need, and their first sentence", () => {
  const parameters = { type: "object", properties: { path: {}, limit: {} }, required: ["path"] };
  const tool = { name: "read_file", description: "Reads a file. And more.", parameters, external: false };
  assert.deepEqual(toolLines([tool, { ...tool, name: "s.t", parameters: {}, external: true }], 60), [
    "TOOL       RUNS      ARGUMENTS",
    "read_file  slot      path [limit]  Reads a file.",
    "s.t        external                Reads a file.",
  ]);
});

test("colours are for terminals, and for those who want them", () => {
  assert.equal(hasColours({ isTTY: true }, {}), true);
  for (const env of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) assert.equal(hasColours({ isTTY: true }, env), false);
  assert.equal(hasColours({}, {}), false);
});

const POOL = { name: "default", backend: "docker", isolation: "namespace", containers: 2, waiting: 1 };
const TRAJECTORY = { pool: "default", group: "", callsQueued: 1, callsRunning: 1, slotGeneration: 2, idleMs: 500 };

function sample(uptimeMs: number, totalRequests: number, fields: Partial<StatusSample["status"]> = {}): StatusSample {
  const pools = [{ ...POOL, slotsTotal: 20, slotsLeased: 12, slotsReady: 8 }];
  const counters = { totalRequests, totalErrors: 3, queueSize: 4, batches: 10, batchedCalls: 20, meanBatchSize: 2 };
  const status = {
    version: "1.2.3",
    serverId: "s",
    uptimeMs,
    streams: 5,
    trajectories: 6,
    pools,
    ...counters,
    ...fields,
  };
  const trajectories = ["one", "two", "three"].map((trajectoryId, index) => ({
    ...{ ...TRAJECTORY, trajectoryId, callsTotal: totalRequests, ageMs: 65_000 },
    attached: index > 0,
    leaseLeftMs: index > 0 ? undefined : 119_000,
  }));
  return { status, trajectories, trajectoriesTotal: 6 };
}

describe("rates", () => {
  test("are differences by the server's own clock", () => {
    const rates = ratesBetween(sample(1000, 100), sample(3000, 150, { batches: 20, batchedCalls: 60, totalErrors: 4 }));
    assert(rates);
    const { trajectoryCallsPerS, ...others } = rates;
    assert.deepEqual(others, { callsPerS: 25, errorsPerS: 0.5, batchSize: 4 });
    assert.equal(trajectoryCallsPerS.get("one"), 25);
  });

  test("are none before the second sample, and none of two servers", () => {
    assert.equal(ratesBetween(undefined, sample(1000, 1)), undefined);
    assert.equal(ratesBetween(sample(1000, 1), sample(2000, 2, { serverId: "other" })), undefined);
    assert.equal(ratesBetween(sample(1000, 1), sample(1000, 1)), undefined);
  });

  test("of a trajectory whose name began a new life are unknown", () => {
    const rates = ratesBetween(sample(1000, 9), sample(2000, 2));
    assert.equal(rates?.trajectoryCallsPerS.size, 0);
    assert.equal(rates?.callsPerS, 0);
  });
});

describe("the screen", () => {
  const plain = styleOf(false);
  const now = sample(3000, 150);
  const state = { server: "host:1", sample: now, rates: ratesBetween(sample(1000, 100), now), trouble: undefined };

  test("shows the server, its pools and the busiest trajectories", () => {
    assert.deepEqual(
      screenLines(state, { columns: 100, rows: 14 }, plain).map((line) => line.trimEnd()),
      [
        "switchyard 1.2.3 at host:1, up 3.0s",
        "calls 25.0/s (150)   errors 0.0/s (3)   batch 0.0 calls   queued 4",
        "streams 5   trajectories 6",
        "",
        "POOL     BACKEND  ISOLATION  CONTAINERS  SLOTS  LEASED  READY  WAITING",
        "default  docker   namespace           2     20      12      8        1",
        "",
        "TRAJECTORY  POOL     GROUP  STATE        SLOT  QUEUED  RUNNING  CALLS  CALLS/S    AGE  IDLE",
        "one         default  -      lease 1m59s     2       1        1    150     25.0  1m05s  0.5s",
        "two         default  -      attached        2       1        1    150     25.0  1m05s  0.5s",
        "three       default  -      attached        2       1        1    150     25.0  1m05s  0.5s",
        "",
        "3 more trajectories",
        "q: quit",
      ],
    );
  });

  test("fits whatever the terminal is", () => {
    for (const [columns, rows] of [
      [100, 11],
      [40, 8],
      [10, 3],
      [1, 1],
    ] as const) {
      const lines = screenLines(state, { columns, rows }, plain);
      assert.equal(lines.length, rows, `${rows} rows`);
      // The head is cut by the terminal, which does not wrap.
      for (const line of lines.slice(3)) assert(line.length <= columns, `${columns} columns: ${line}`);
    }
  });

  test("says what keeps it from being new", () => {
    const lines = screenLines(
      { ...state, rates: undefined, trouble: "no server answers" },
      { columns: 100, rows: 20 },
      plain,
    );
    assert.equal(lines.at(-2), "no server answers");
    assert.match(lines[1] ?? "", /^calls 150 {3}errors 3 {3}batch 2\.0 calls/);
  });
});
