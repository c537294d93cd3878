// Code that fills the disk: with bytes, with files that have none, with files that have no name. Nobody's disk is left full,
// and a workspace in memory is full for its owner alone.
import assert from "node:assert/strict";
import { type Arena, attack, seconds } from "../support/attack.js";
import { besides, nameOf, secondsOf } from "../support/bystander.js";

/** The watcher looks once a second and then measures, which takes gVisor long where there are many files. */
const WITHIN_S = { namespace: 10, uid: 10, container: 10, "container (runsc)": 120 };
const SIZE_MB = 64;
const ON_DISK = { workspace: { size_mb: SIZE_MB }, slot: { file_mb: 1024 } };
const IN_MEMORY = { workspace: { size_mb: SIZE_MB, medium: "memory" }, memory_mb: 1024, slot: { scratch_mb: 32 } };

/** Lets the attacker fill; it pauses so that the machine's disk need not pay for it, and never ends by itself. */
async function fill(arena: Arena, source: string): Promise<string> {
  const attacker = await arena.attacker;
  await attacker.call("write_file", { path: "fill.pl", content: source });
  const [result, { harmed }] = await besides(arena, attacker.bash("perl fill.pl", { timeout: seconds(240) }));
  const endMs = Date.now();
  assert.deepEqual(harmed, []);
  await arena.assertNeighbourUnharmed();
  arena.test.diagnostic(
    `${nameOf(result)} after ${secondsOf(result).toFixed(1)} s; it wrote ${result.output.split("\n").at(-1)}`,
  );
  const next = await attacker.bash("ls -A | wc -l");
  const slot = next.slotGeneration === 1 ? "the slot goes on" : "the slot is lost";
  if (next.slotGeneration !== 1) assert.equal(next.output, "0");
  const [, over] = /^over at (\d+)$/m.exec(result.output) ?? [];
  const pace = Math.floor(endMs / 1000) - Number(over) <= WITHIN_S[arena.level] ? "within seconds" : "late";
  return `${nameOf(result)} ${pace}; ${slot}; neighbour unharmed`;
}

const ENDED = "TOOL_FAILED within seconds; the slot is lost; neighbour unharmed";
const everywhere = { namespace: ENDED, uid: ENDED, container: ENDED, "container (runsc)": ENDED };

const BYTES = String.raw`
$| = 1;
my $block = 'x' x (1 << 20);
for my $number (1 .. 60) {
  open(my $f, '>', "fill-$number") or die $!;
  syswrite($f, $block) or last for 1 .. 4;
  $mb += 4;
  print $mb == ${SIZE_MB} ? "over at " . time . "\n" : "$mb MiB\n";
  select(undef, undef, undef, 0.05);
}
sleep 3600;
`;

attack({
  name: "a workspace on disk over its size",
  expected: everywhere,
  pool: ON_DISK,
  run: (arena) => fill(arena, BYTES),
});

attack({
  name: "a workspace on disk over its size, in deleted files",
  expected: everywhere,
  pool: ON_DISK,
  run: (arena) => fill(arena, BYTES.replace("or die $!;", 'or die $!; unlink "fill-$number"; push @kept, $f;')),
});

const EMPTY_FILES = String.raw`
$| = 1;
for my $folder (1 .. 100) {
  mkdir $folder or die $!;
  for my $name (1 .. 1000) { open(my $f, '>', "$folder/$name") or die $! }
  $files += 1000;
  print $files == 16_000 ? "over at " . time . "\n" : "$files files\n";
}
sleep 3600;
`;

attack({
  name: "a workspace on disk full of empty files",
  expected: everywhere,
  pool: ON_DISK,
  run: (arena) => fill(arena, EMPTY_FILES),
});

attack({
  name: "a workspace in memory over its size",
  expected: {
    namespace: "ENOSPC; neighbour unharmed",
    uid: "over its size for a second, then the slot is lost; neighbour unharmed",
    container: "ENOSPC; neighbour unharmed",
    "container (runsc)": "ENOSPC; neighbour unharmed",
  },
  pool: IN_MEMORY,
  run: async (arena) => {
    await arena.neighbour;
    const attacker = await arena.attacker;
    const command = `dd if=/dev/zero of=fill bs=1M count=100 2>&1 | grep -o 'No space left on device'; sleep ${arena.level === "uid" ? 30 : 0}`;
    const [result, { harmed }] = await besides(arena, attacker.bash(command));
    assert.deepEqual(harmed, []);
    await arena.assertNeighbourUnharmed();
    const { output, slotGeneration } = await attacker.bash("wc -c < fill");
    if (slotGeneration !== 1) return "over its size for a second, then the slot is lost; neighbour unharmed";
    arena.test.diagnostic(`the file holds ${output} bytes: ${result.output}`);
    assert.ok(Number(output) <= SIZE_MB << 20);
    return `${result.output === "No space left on device" ? "ENOSPC" : result.output}; neighbour unharmed`;
  },
});

attack({
  name: "the launcher's folder instead of a workspace in memory",
  // Elsewhere the folder is the runner's.
  levels: ["namespace"],
  expected: { namespace: ENDED },
  pool: IN_MEMORY,
  run: (arena) => fill(arena, BYTES.replaceAll("fill-", "/run/switchyard/fill-")),
});

attack({
  name: "the disk outside the workspace",
  expected: {
    namespace: "nowhere to write",
    uid: "nowhere to write",
    container: "no limit (its image's folders lie on the host's disk)",
    "container (runsc)": "no limit (its image's folders lie on the host's disk)",
  },
  pool: ON_DISK,
  run: async (arena) => {
    const folders = "for f in / /etc /home /opt /root /srv /usr/local /var/lib; do";
    const wrote = await arena.hostile(
      `${folders} head -c 20M /dev/zero 2>/dev/null > $f/fill && echo $f; done 2>/dev/null`,
    );
    return wrote === "" ? "nowhere to write" : "no limit (its image's folders lie on the host's disk)";
  },
});
