// Programs that multiply until they are stopped. Each carries a word on its command line, by which what is left is counted.
import assert from "node:assert/strict";
import { type Arena, attack, seconds } from "../support/attack.js";
import { besides, countWith, nameOf, secondsOf } from "../support/bystander.js";
import { eventually } from "../support/docker-engine.js";
import { bySize } from "../support/suite-size.js";

const TIMEOUT_S = bySize(3, 10);
const WORD = "xyzzy-bomb";
/** What a container may have where nothing else bounds its only slot. */
const PIDS = 1024;
/** gVisor has no limit that a process cannot raise above its parent's, and none by cgroup here: it bounds itself. */
const SELF_RESTRAINT = 60;

const BASH_BOMB = `bomb() { ${WORD}() { bomb | bomb & }; ${WORD}; wait; }; bomb`;

// In sessions of their own, orphaned at once, deaf to every signal that can be ignored.
const DEAF_BOMB = `
my $setsid = (-e '/lib64/ld-linux-x86-64.so.2') ? 112 : 157;
$SIG{$_} = 'IGNORE' for qw(TERM INT HUP QUIT ALRM USR1 USR2 PIPE TSTP TTIN TTOU);
$0 = '${WORD}';
my $most = $ARGV[0];
open(my $made, '>>', 'made') or die $!;
until ($most && syswrite($made, '.') && -s $made > $most) {
  my $pid = fork;
  next if !defined $pid;                                  # full: again, at once
  if ($pid == 0) { syscall($setsid); fork and exit; $0 = '${WORD}' }
}
sleep 60 while 1;
`;

async function explode(arena: Arena, command: string): Promise<string> {
  const attacker = await arena.attacker;
  const container = await arena.containerOf("attacker");
  await attacker.call("write_file", { path: "bomb", content: DEAF_BOMB });
  const [result, { harmed }] = await besides(arena, attacker.bash(command, { timeout: seconds(TIMEOUT_S) }));
  assert.deepEqual(harmed, []);
  await arena.assertNeighbourUnharmed();
  arena.test.diagnostic(`${nameOf(result)} after ${secondsOf(result).toFixed(2)} s: ${result.error}`);
  const left = await countLeft(arena, container);
  const next = await attacker.bash("echo on");
  assert.equal(next.output, "on", next.error);
  const slot = next.slotGeneration === 1 ? "goes on" : "is lost";
  await arena.release("attacker");
  return `${nameOf(result)}; ${left} left; the slot ${slot}; neighbour unharmed`;
}

/** A container that was given up is gone as soon as the daemon has removed it. */
async function countLeft(arena: Arena, container: Parameters<typeof countWith>[1]): Promise<number> {
  try {
    return await countWith(arena, container, WORD);
  } catch (error) {
    await eventually("the container is gone", () =>
      container.inspect().then(
        () => false,
        () => true,
      ),
    );
    arena.test.diagnostic(`its container was given up: ${String(error)}`);
    return 0;
  }
}

const ENDED = "TIMED_OUT; 0 left; the slot goes on; neighbour unharmed";
const pool = { pids: PIDS, memory_mb: 1024 };

attack({
  name: "fork bomb of shells",
  levels: ["namespace", "uid", "container"],
  expected: { namespace: ENDED, uid: ENDED, container: ENDED },
  pool,
  run: (arena) => explode(arena, `exec -a ${WORD} bash -c '${BASH_BOMB}; sleep 60'`),
});

attack({
  name: "fork bomb of deaf orphans in sessions of their own",
  expected: { namespace: ENDED, uid: ENDED, container: ENDED, "container (runsc)": ENDED },
  pool,
  run: (arena) => explode(arena, arena.level === "container (runsc)" ? `perl bomb ${SELF_RESTRAINT}` : "perl bomb"),
});
