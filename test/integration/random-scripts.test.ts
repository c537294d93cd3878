// Random scripts through a slot against bash itself: the same stdout, stderr and exit code, byte for byte; and sequences
// through the lasting shell against one bash that is fed the same commands. SCRIPT_SEED repeats a run.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Random } from "../../src/load/random.js";
import { randomScript } from "../support/random-script.js";
import { ShellBench } from "../support/shell-bench.js";
import { bySize } from "../support/suite-size.js";

const SEED = Number(process.env.SCRIPT_SEED ?? bySize(20_260_101, Date.now() % 1_000_000_000));
const SCRIPTS = bySize(50, 1000);
const SESSIONS = bySize(10, 200);
const bench = new ShellBench();

before(() => bench.open());
after(() => bench.close());

test(`${SCRIPTS} scripts by bash are as by bash -c, seed ${SEED}`, async () => {
  for (let at = 0; at < SCRIPTS; at += 1) {
    const script = randomScript(new Random(SEED + at), { ends: true });
    const expected = await bench.directly(script);
    assert.deepEqual(await bench.bash(script), expected, `SCRIPT_SEED=${SEED + at}:\n${script}`);
  }
});

test(`${SESSIONS} sessions of five scripts by bash_stateful are as in one bash, seed ${SEED}`, async () => {
  for (let at = 0; at < SESSIONS; at += 1) {
    const random = new Random(SEED + 1_000_000 + at);
    const scripts = Array.from({ length: 5 }, () => randomScript(random, { ends: random.chance(0.2), goesOn: true }));
    const expected = await bench.directSession(scripts);
    const said = `SCRIPT_SEED=${SEED + at}:\n${scripts.join("\n=====\n")}`;
    assert.deepEqual(await bench.session(scripts), expected, said);
  }
});
