// Links that are swapped while the file tools work, against the promise that these stay in the workspace. Nothing is hidden
// by it, as the code in a slot may read by itself whatever its user can; at level `container` that user is root of the
// container, and still the tools promise the model a workspace and must hold to it.
import assert from "node:assert/strict";
import { SwitchyardClient, type TrajectoryKey } from "../../src/client/index.js";
import { CallStatus, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { bytesOf, membersOf, refusal, tarOf } from "../support/artifact-checks.js";
import { type Arena, attack } from "../support/attack.js";
import { bySize } from "../support/suite-size.js";
import type { TrajectoryClient } from "../support/trajectory-client.js";

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
put("$out/$_", 'OUTSIDE') for 'file', 'only-outside';
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

/** The trajectory's stream, with links being swapped in its slot. */
async function racing(arena: Arena, name: string): Promise<TrajectoryClient> {
  const stream = await arena.stream(name);
  assert.equal(
    (await stream.call("write_file", { path: "swapper", content: SWAPPER })).status,
    CallStatus.CALL_STATUS_OK,
  );
  assert.equal((await stream.bash("perl swapper; until [ -s pid ]; do :; done; rm swapper")).error, "");
  return stream;
}

/** Ends the swapping: how often, and how often in vain. */
async function raced(stream: TrajectoryClient, writes: Tally): Promise<string> {
  const { output: swaps } = await stream.bash("kill $(cat pid); until [ -s swaps ]; do :; done; cat swaps");
  const { output: outside } = await stream.bash("cd /tmp/outside && ls -A && cat file");
  if (outside !== "file\nonly-outside\nOUTSIDE") writes.escapes.push(outside);
  return swaps;
}

async function round(arena: Arena, name: string, forS: number, reads: Tally, writes: Tally): Promise<string> {
  const stream = await racing(arena, name);
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
  const swaps = await raced(stream, writes);
  await arena.release(name);
  return swaps;
}

type Transfer = readonly [kind: "read" | "list" | "archive" | "write", work: () => Promise<string>];

/** Each resolves with what it brought, as text. */
function transfersOf(client: SwitchyardClient, key: TrajectoryKey, tar: Buffer): readonly Transfer[] {
  const tree = Buffer.from("WRITTEN");
  return [
    ...PLACES.slice(0, 3).map(
      (path): Transfer => ["read", async () => `${await bytesOf(await client.readArtifact(key, path))}`],
    ),
    ...["folder", "flip", ""].flatMap((path): Transfer[] => [
      ["archive", async () => (await membersOf(await bytesOf(client.archiveArtifacts(key, path)))).join("\n")],
      ["list", async () => JSON.stringify(await client.listArtifacts(key, path, { recursive: true }))],
    ]),
    // Not `file`: what is written takes the place of a link there, and the race would be over.
    ...PLACES.filter((path) => path !== "file").map(
      (path): Transfer => ["write", async () => JSON.stringify(await client.writeArtifact(key, path, tree))],
    ),
    ["write", async () => JSON.stringify(await client.writeArtifact(key, "", tar, { kind: "tar" }))],
    ["write", async () => JSON.stringify(await client.writeArtifact(key, "flip", tar, { kind: "tar" }))],
  ];
}

/** Names that are only outside, and its content. */
const OUTSIDE = /OUTSIDE|only-outside/;

async function raceTransfers(arena: Arena, forS: number): Promise<Record<Transfer[0], Tally>> {
  const tally = (): Tally => ({ attempts: 0, inside: 0, refused: 0, other: 0, escapes: [] });
  const tallies = { read: tally(), list: tally(), archive: tally(), write: tally() };
  const stream = await racing(arena, "transfers");
  const client = new SwitchyardClient(arena.live.address);
  arena.test.after(async () => client.close());
  const tar = await tarOf([{ name: "folder/new" }, "WRITTEN"], [{ name: "made/file" }, "WRITTEN"]);
  const transfers = transfersOf(client, { trajectoryId: "transfers", resumeToken: "" }, tar);
  const loops = [0, 1, 2].map(async (first) => {
    const endMs = performance.now() + forS * 1000;
    for (let at = first; performance.now() < endMs || at < first + transfers.length; at += 1) {
      const [kind, work] = transfers[at % transfers.length] ?? assert.fail();
      const its = tallies[kind];
      its.attempts += 1;
      let brought = "";
      const refused = await refusal(
        work().then((text) => {
          brought = text;
        }),
      );
      if (OUTSIDE.test(brought)) its.escapes.push(brought);
      else if (brought) its.inside += 1;
      else if (/^ACCESS_DENIED |Not a folder on the way/.test(refused)) its.refused += 1;
      else its.other += 1;
    }
  });
  await Promise.all(loops);
  const swaps = await raced(stream, tallies.write);
  arena.test.diagnostic(`${swaps.split(" ")[0]} swaps`);
  await arena.release("transfers");
  return tallies;
}

const NONE = "0 escapes";

attack({
  name: "links swapped under artifacts that are read, listed, archived and written",
  expected: { namespace: NONE, uid: NONE, container: NONE, "container (runsc)": NONE },
  timeoutS: RACE_S + 60,
  run: async (arena) => {
    const tallies = await raceTransfers(arena, RACE_S);
    for (const [kind, { attempts, inside, refused, other, escapes }] of Object.entries(tallies)) {
      arena.test.diagnostic(
        `${kind}: ${attempts} attempts: ${inside} inside, ${refused} refused, ${other} otherwise, ${escapes.length} escapes`,
      );
      assert.ok(inside > 0, `${kind} did not race`);
    }
    return `${Object.values(tallies).reduce((sum, { escapes }) => sum + escapes.length, 0)} escapes`;
  },
});

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
