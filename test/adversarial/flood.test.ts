// More output than anybody keeps: it must end in time, be counted to the byte, and cost neither the server nor the runner
// memory.
import assert from "node:assert/strict";
import { CallStatus, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { type Arena, attack, seconds } from "../support/attack.js";
import { besides, secondsOf, spell, watchRunnerMemory, watchServerMemory } from "../support/bystander.js";
import { bySize } from "../support/suite-size.js";

const MIB = 1024 * 1024;
/** Node frees what was read from a pipe only when some 32 MiB of it have gathered, on its way down twice that. */
const GROWTH_MB_MAX = 96;
const FLOOD_S = bySize(3, 30);
const EXACT_BYTES = bySize(64, 1024) * MIB;

// Counts what the kernel took from it, and says so where nobody counts.
const COUNTING = String.raw`
my ($left, $count, $line) = (${EXACT_BYTES}, 0, '0123456789abcde' . "\n");
my $block = $line x 4096;
while ($left > 0) {
  my $wrote = syswrite(STDOUT, $block, $left < length $block ? $left : length $block) or die $!;
  $left -= $wrote; $count += $wrote;
}
open(my $f, '>', 'count') or die $!; print $f $count;
`;

/** Lets the attacker flood while its neighbour works, and holds memory to its bound. */
async function flood(arena: Arena, command: string, timeoutS: number): Promise<ToolResult> {
  const attacker = await arena.attacker;
  const container = await arena.containerOf("attacker");
  await attacker.bash("yes | head -c 1000000");
  const runnerGrowth = await watchRunnerMemory(container);
  const serverGrowth = watchServerMemory();
  const [result, { harmed }] = await besides(arena, attacker.bash(command, { timeout: seconds(timeoutS) }));
  const [server, runner] = [serverGrowth(), await runnerGrowth()];
  assert.deepEqual(harmed, []);
  arena.test.diagnostic(`memory: server ${spell(server)}, runner ${spell(runner)}`);
  for (const [who, { beforeMb, peakMb }] of Object.entries({ server, runner })) {
    assert.ok(peakMb - beforeMb < GROWTH_MB_MAX, `the ${who} grew from ${beforeMb} to ${peakMb} MiB`);
  }
  arena.test.diagnostic(`${Number(result.outputBytesTotal) / MIB} MiB in ${secondsOf(result).toFixed(2)} s`);
  assert.equal(result.truncated, true);
  assert.ok(result.output.length < 60_000, `the result holds ${result.output.length} characters`);
  return result;
}

const IN_TIME = "TIMED_OUT in time; counted; memory flat";

attack({
  name: "`yes` until its timeout",
  expected: { namespace: IN_TIME, uid: IN_TIME, container: IN_TIME, "container (runsc)": IN_TIME },
  run: async (arena) => {
    const result = await flood(arena, "yes", FLOOD_S);
    assert.equal(result.status, CallStatus.CALL_STATUS_TIMED_OUT, result.error);
    assert.match(result.output, /^(y\n)+y?\n?\[\.\.\. \d+ bytes missing \.\.\.\]\n*(y\n)+y?$/);
    assert.ok(result.outputBytesTotal > MIB, `${result.outputBytesTotal} bytes are no flood`);
    assert.ok(secondsOf(result) <= FLOOD_S + 1, `it took ${secondsOf(result)} s`);
    return IN_TIME;
  },
});

const EXACT = "OK; counted to the byte; memory flat";

attack({
  name: "1 GiB of output",
  expected: { namespace: EXACT, uid: EXACT, container: EXACT, "container (runsc)": EXACT },
  run: async (arena) => {
    const attacker = await arena.attacker;
    await attacker.call("write_file", { path: "program", content: COUNTING });
    const result = await flood(arena, "perl program", 120);
    assert.equal(result.status, CallStatus.CALL_STATUS_OK, result.error);
    const counted = (await attacker.bash("cat count")).output;
    assert.equal(counted, String(EXACT_BYTES));
    assert.equal(String(result.outputBytesTotal), counted);
    return EXACT;
  },
});
