// Links that are swapped while the file tools work, against the promise that these stay in the workspace. Nothing is hidden
// by it, as the code in a slot may read by itself whatever its user can; at level `container` that user is root of the
// container, and still the tools promise the model a workspace and must hold to it.
import assert from "node:assert/strict";
import { CallStatus, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { type Arena, attack } from "../support/attack.js";
import { bySize } from "../support/suite-size.js";

/** RACE_SECONDS=300 makes it the five minutes of a thorough run. */
const RACE_S = Number(process.env.RACE_SECONDS ?? bySize(5, 60));
/** A trajectory takes 100,000 calls at most, so the race is run in rounds. */
const ROUND_S = 30;
const AT_ONCE = 8;

// Swaps as fast as the kernel lets it: a folder and a link by RENAME_EXCHANGE, a file and a link likewise, and a link that
// points in or out by a plain rename, which is all that gVisor has.
const SWAPPER = `
my $renameat2 = (-e '/lib64/ld-linux-x86-64.so.2') ? 316 : 276;
my ($in, $out) = ("$ENV{HOME}/in", '/tmp/outside');
sub put { open(my $f, '>', $_[0]) or die "$_[0]: $!"; print $f $_[1]; close $f }
mkdir $_ for $in, $out, 'folder';
put("$_/file", 'INSIDE') for $in, 'folder';
put('file', 'INSIDE');
put("$out/file", 'OUTSIDE');
symlink $out, 'folder.link'; symlink "$out/file", 'file.link'; symlink $in, 'flip';
sub exchange { syscall($renameat2, -100, "$_[0]", -100, "$_[0].link", 2) == 0 or $_[1]++ }
fork and exit;
syscall(-e '/lib64/ld-linux-x86-64.so.2' ? 112 : 157);
open(STDOUT, '>', '/dev/null'); open(STDERR, '>', '/dev/null');
my ($swaps, $failed) = (0, 0);
$SIG{TERM} = sub { put('swaps', "$swaps $failed"); exit };
put('pid', $$);
for (;;) {
  exchange('folder', $failed); exchange('file', $failed);
  for my $to ($out, $in) { symlink $to, 'next'; rename 'next', 'flip'; $swaps++ }
}
`;

const PLACES = ["folder/file", "file", "flip/file", "folder/new", "flip/made/on/the/way"];

interface Tally {
  attempts: number;
  inside: number;
  refused: number;
  other: number;
  readonly escapes: string[];
}

function count(tally: Tally, { status, output, error }: ToolResult): void {
  tally.attempts += 1;
  if (output.includes("OUTSIDE")) tally.escapes.push(output);
  else if (status === CallStatus.CALL_STATUS_OK) tally.inside += 1;
  else if (error === "Access denied: path outside workspace") tally.refused += 1;
  else tally.other += 1;
}

async function round(arena: Arena, name: string, forS: number, reads: Tally, writes: Tally): Promise<string> {
  const stream = await arena.stream(name);
  assert.equal(
    (await stream.call("write_file", { path: "swapper", content: SWAPPER })).status,
    CallStatus.CALL_STATUS_OK,
  );
  assert.equal((await stream.bash("perl swapper; until [ -s pid ]; do :; done")).error, "");
  for (const endMs = performance.now() + forS * 1000; performance.now() < endMs; ) {
    const calls = Array.from({ length: AT_ONCE }, async (_, index) => {
      const path = PLACES[(reads.attempts + index) % PLACES.length];
      const isRead = index % 2 === 0;
      const result = await (isRead
        ? stream.call("read_file", { path })
        : stream.call("write_file", { path, content: "WRITTEN" }));
      count(isRead ? reads : writes, result);
      return result.uniqId;
    });
    stream.ack(...(await Promise.all(calls)));
    stream.frames.length = 0;
  }
  const { output: swaps } = await stream.bash("kill $(cat pid); until [ -s swaps ]; do :; done; cat swaps");
  const { output: outside } = await stream.bash("cd /tmp/outside && ls -A && cat file");
  if (outside !== "file\nOUTSIDE") writes.escapes.push(outside);
  await arena.release(name);
  return swaps;
}

const NONE = "0 escapes";

attack({
  name: "links swapped under read_file and write_file",
  expected: { namespace: NONE, uid: NONE, container: NONE, "container (runsc)": NONE },
  timeoutS: RACE_S + 60,
  run: async (arena) => {
    const reads: Tally = { attempts: 0, inside: 0, refused: 0, other: 0, escapes: [] };
    const writes: Tally = { attempts: 0, inside: 0, refused: 0, other: 0, escapes: [] };
    for (let left = RACE_S; left > 0; left -= ROUND_S) {
      const swaps = await round(arena, `racer-${left}`, Math.min(left, ROUND_S), reads, writes);
      arena.test.diagnostic(`${swaps.split(" ")[0]} swaps, ${swaps.split(" ")[1]} that the kernel refused`);
    }
    for (const [tool, tally] of Object.entries({ read_file: reads, write_file: writes })) {
      const { attempts, inside, refused, other, escapes } = tally;
      arena.test.diagnostic(
        `${tool}: ${attempts} attempts: ${inside} inside, ${refused} refused, ${other} otherwise, ${escapes.length} escapes`,
      );
      assert.ok(inside > 0 && refused > 0, `${tool} did not race`);
    }
    const escapes = [...reads.escapes, ...writes.escapes];
    return `${escapes.length} escapes`;
  },
});
