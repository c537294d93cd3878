// Random scripts through the whole server, in slots of real containers, against bash alone in a container of that image: the
// same stdout and stderr, byte for byte, and the same end. The exact bytes are those of the live output. SCRIPT_SEED repeats a
// run. What the lasting shell makes of them is tested by test/integration/random-scripts.test.ts.
import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import type { ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { Random } from "../../src/load/random.js";
import { BareBash } from "../support/bare-bash.js";
import { startDocker } from "../support/docker-engine.js";
import { heard, outputsOf } from "../support/output-frames.js";
import { randomScript } from "../support/random-script.js";
import { alike, type Seen } from "../support/shell-bench.js";
import { bySize } from "../support/suite-size.js";
import type { TrajectoryClient } from "../support/trajectory-client.js";

const SEED = Number(process.env.SCRIPT_SEED ?? bySize(20_260_102, Date.now() % 1_000_000_000));
const SCRIPTS = bySize(25, 500);

/** In an empty workspace. */
async function inSlot(stream: TrajectoryClient, script: string, uniqId: string): Promise<Seen> {
  stream.bash("find . -mindepth 1 -delete", { uniqId: `${uniqId}-before` }).catch(() => undefined);
  const result = await stream.bash(script, { uniqId, streamOutput: true });
  stream.ack(`${uniqId}-before`, uniqId);
  const outputs = outputsOf(stream.frames, uniqId);
  const [stdout, stderr] = [heard(outputs), heard(outputs, "stderr")];
  assert.deepEqual([stdout.missing, stderr.missing], [0, 0]);
  return { stdout: alike(stdout.text), stderr: alike(stderr.text), end: endOf(result) };
}

function endOf({ exitCode, signal, error }: ToolResult): number | string {
  const numbers: Readonly<Record<string, number>> = constants.signals;
  return exitCode ?? 128 + (numbers[signal] ?? assert.fail(error));
}

for (const isolation of ["namespace", "container"]) {
  test(`isolation ${isolation}: ${SCRIPTS} scripts are as by bash alone, seed ${SEED}`, async (t) => {
    const bare = await BareBash.start();
    t.after(() => bare.close());
    const live = await startDocker(t, { isolation, slots_per_container: 1, max_containers: 1 });
    const stream = await live.open({ trajectoryId: "scripts" });
    for (let at = 0; at < SCRIPTS; at += 1) {
      const script = randomScript(new Random(SEED + at), { ends: true });
      const [seen, expected] = await Promise.all([inSlot(stream, script, `${at}`), bare.run(script)]);
      assert.deepEqual(seen, expected, `SCRIPT_SEED=${SEED + at}:\n${script}`);
    }
    assert.equal(await stream.halfClose(), undefined);
  });
}
