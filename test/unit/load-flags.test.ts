import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { SwitchyardError } from "../../src/core/errors.js";
import { type PlanFlags, planOf } from "../../src/load/flags.js";
import { parseMix } from "../../src/load/mix.js";
import { judge, parseObjective } from "../../src/load/objective.js";

const DEFAULTS: PlanFlags = {
  server: "127.0.0.1:50051",
  clients: "1",
  think: "0",
  warmUp: "3s",
  mix: "1:bash:true",
  failureRate: "0",
  cancelRate: "0",
  cancelAfter: "20ms",
  ackEvery: "1",
  pool: "",
  group: "bench",
  seed: "1",
  openTimeout: "60s",
  drain: "30s",
};
const plan = (flags: Partial<PlanFlags>) => planOf({ ...DEFAULTS, ...flags }, {});

test("a mix is read with its commas, and knows what answers are right where the command tells", () => {
  assert.deepEqual(parseMix("90:bash:true,9:bash:sleep 0.5,1:bash_stateful:echo a,b"), [
    { weight: 90, tool: "bash", command: "true", label: "true", expect: "", nominalMs: 0 },
    { weight: 9, tool: "bash", command: "sleep 0.5", label: "sleep 0.5", expect: "", nominalMs: 500 },
    { weight: 1, tool: "bash_stateful", command: "echo a,b", label: "bash_stateful echo a,b" },
  ]);
  assert.deepEqual(parseMix("1:bash:echo {id}"), [
    { weight: 1, tool: "bash", command: "echo {id}", label: "echo {id}", expect: "{id}" },
  ]);
  assert.deepEqual(parseMix("2:read_file:64KiB,1:write_file:10,1:output:20000"), [
    { weight: 2, tool: "read_file", bytes: 65_536, label: "read_file 64KiB" },
    { weight: 1, tool: "write_file", bytes: 10, label: "write_file 10" },
    {
      ...{ weight: 1, tool: "bash", label: "output 20000", expectBytes: 20_000 },
      command: "head -c 20000 /dev/zero | tr '\\0' x",
    },
  ]);
});

test("a mix may be a YAML file", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-mix-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "mix.yaml");
  writeFileSync(
    file,
    "- {weight: 3, tool: bash, command: 'wc -c < f', expect: '7', label: count}\n- {tool: read_file, size: 7}\n",
  );
  assert.deepEqual(parseMix(file), [
    { weight: 3, tool: "bash", command: "wc -c < f", label: "count", expect: "7" },
    { weight: 1, tool: "read_file", bytes: 7, label: "read_file 7" },
  ]);
  writeFileSync(file, "- {tool: bash, comand: 'true'}\n");
  assert.throws(() => parseMix(file), /item 1: unknown key comand; known are weight, tool, command/);
  writeFileSync(file, "tool: bash\n");
  assert.throws(() => parseMix(file), /must hold a list/);
});

test("a mistake in a mix is named", () => {
  assert.throws(() => parseMix("bash:true"), /bash:true is no WEIGHT:TOOL:ARGUMENT/);
  assert.throws(() => parseMix("1:cat:x"), /unknown tool cat; known are bash, bash_stateful, output/);
  assert.throws(() => parseMix("0:bash:true"), /the weight must be over 0/);
  assert.throws(() => parseMix("1:read_file:big"), /big is no size/);
  assert.throws(() => parseMix("1:bash"), /bash needs a command/);
  assert.throws(() => parseMix("/nowhere/mix.yaml"), /--mix: \/nowhere\/mix\.yaml: ENOENT/);
});

test("objectives are read, judged, and missed when there is no such figure", () => {
  const objectives = ["p99<50ms", "queue_p50 <= 1.5s", "rate>1000", "errors==0", "LOST!=1", "p99.9<1"].map(
    parseObjective,
  );
  assert.deepEqual(
    objectives.map(({ metric, comparison, bound }) => [metric, comparison, bound]),
    [
      ["p99", "<", 50],
      ["queue_p50", "<=", 1500],
      ["rate", ">", 1000],
      ["errors", "==", 0],
      ["LOST", "!=", 1],
      ["p99.9", "<", 1000],
    ],
  );
  const figures = new Map(Object.entries({ p99: 49.9, queue_p50: 1500, rate: 1000, errors: 0, LOST: 0 }));
  assert.deepEqual(
    judge(objectives, (metric) => figures.get(metric)).map(({ met }) => met),
    [true, true, false, true, true, false],
  );
  assert.throws(() => parseObjective("p99"), /is no METRIC COMPARISON VALUE/);
  assert.throws(() => parseObjective("speed>9"), /unknown metric speed; known are pNN/);
  assert.throws(() => parseObjective("p99<fast"), /fast is no duration/);
  assert.throws(() => parseObjective("rate>many"), /many is no number/);
});

test("the flags make a plan", () => {
  const closed = plan({ streams: "600", clients: "2", think: "exp:1s", duration: "10s", timeout: "1500ms" });
  assert.equal(closed.pace, "closed");
  assert.deepEqual(closed.think, { meanMs: 1000, exponential: true });
  assert.deepEqual(closed.stages, [{ from: 600, to: 600, warmUpMs: 3000, durationMs: 10_000 }]);
  assert.equal(closed.connections, 3);
  assert.equal(closed.timeoutS, 1.5);
  const open = plan({ rate: "200.5", streams: "32" });
  assert.deepEqual([open.pace, open.streams, open.stages[0]?.from], ["open", 32, 200.5]);
  const steps = plan({ steps: "16,64,256:30s" });
  assert.deepEqual([steps.pace, steps.streams, steps.stages.map(({ to }) => to)], ["closed", 256, [16, 64, 256]]);
  assert.deepEqual(plan({ ramp: "1..256:60s", warmUp: "0" }).stages, [
    { from: 1, to: 256, warmUpMs: 0, durationMs: 60_000 },
  ]);
  assert.deepEqual(plan({ ramp: "0.5..20.5:60s", rate: "1" }).stages[0]?.to, 20.5);
  assert.equal(plan({ churn: true, streams: "4" }).pace, "churn");
  const target = plan({ ca: "/etc/ca.pem", tokenFile: "/etc/token", server: "box:443" }).target;
  const files = { caFile: "/etc/ca.pem", tokenFile: "/etc/token" };
  assert.deepEqual(target, { address: "box:443", tls: true, tokenFromEnv: false, ...files });
  const fromEnv = planOf(DEFAULTS, { SWITCHYARD_CLIENT_TOKEN: "secret-secret" });
  assert.equal(fromEnv.target.tokenFromEnv, true);
  assert.doesNotMatch(JSON.stringify(fromEnv), /secret-secret/, "a plan goes into reports");
});

test("flags that do not go together are refused, by name", () => {
  const refused: [Partial<PlanFlags>, RegExp][] = [
    [{ rate: "10", churn: true }, /--rate and --churn/],
    [{ rate: "10", think: "1s" }, /--think is for the closed loop/],
    [{ rate: "0" }, /--rate: 0 is no number over 0/],
    [{ streams: "0" }, /--streams: 0/],
    [{ streams: "2", clients: "3" }, /--clients: 3 processes for 2 streams/],
    [{ streams: "1001", connections: "2" }, /--connections: 2 would have 501 streams each; at most 500/],
    [{ streams: "8", clients: "4", connections: "2" }, /--connections: 2 for 4 client processes/],
    [{ steps: "1,2:5s", ramp: "1..2:5s" }, /--steps and --ramp/],
    [{ steps: "1,2:5s", duration: "5s" }, /--duration: --steps and --ramp say themselves/],
    [{ steps: "1,2" }, /--steps: 1,2 is no LEVEL/],
    [{ ramp: "1-9:5s" }, /--ramp: 1-9:5s is no FROM/],
    [{ duration: "0s" }, /--duration: 0s is no time at all/],
    [{ duration: "25h" }, /24 hours/],
    [{ server: "here" }, /--server: here is no HOST:PORT/],
    [{ tokenFile: "t", server: "box:443" }, /the token would go to box:443 in plain text/],
    [{ cert: "a" }, /--cert and --key/],
    [{ churn: true, mix: "1:read_file:9" }, /--churn: a new trajectory has no file to read/],
  ];
  for (const [flags, message] of refused) {
    assert.throws(
      () => plan(flags),
      (error) => error instanceof SwitchyardError && error.reason === "CONFIG_INVALID" && message.test(error.message),
      `${JSON.stringify(flags)}`,
    );
  }
});
