// A long row of trajectories through few slots, each leaving in its slot all that can be left. The next one must find
// nothing of it, and in the end the container and the host must hold no more than in the beginning.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type Docker from "dockerode";
import { type Arena, attack, outputOf } from "../support/attack.js";
import { runnerDescriptors, spell, watchRunnerMemory, watchServerMemory } from "../support/bystander.js";
import { containersOf, docker, eventually, processesOf, runBeside } from "../support/docker-engine.js";
import { bySize } from "../support/suite-size.js";

const SLOTS = 10;
const WORD = "xyzzy-left";

// Everything that bears the word and that this user can see: files, processes, System V objects (by their key), message
// queues, abstract sockets.
const LOOK = String.raw`
my @found = grep { -e || -l } map { glob("$_/${WORD}*") } @places;
for my $pid (map { m{/(\d+)$} } glob('/proc/[0-9]*')) {
  open(my $f, '<', "/proc/$pid/cmdline") or next;
  push @found, "process $pid" if (<$f> // '') =~ /^${WORD}/;
}
# A key that is taken is there, also where it is forbidden; gVisor has no tables of them in /proc.
my %asked = (shm => sub { shmget $key, 0, 0 }, sem => sub { semget $key, 0, 0 }, msg => sub { msgget $key, 0 });
for my $kind (keys %asked) { push @found, $kind if defined $asked{$kind}->() || $! != 2 }
if (open(my $f, '<', '/proc/net/unix')) { push @found, map { (split)[7] } grep { /@${WORD}/ } <$f> }
print "$_\n" for @found;
`;

// Leaves all of that, by a daemon that nothing but its slot's end can end.
const LITTER = String.raw`
for my $place (@places) {
  mkdir "$place/${WORD}" or next;
  if (open(my $f, '>', "$place/${WORD}/file")) { print $f 'x' x 10_000 }
  symlink '/', "$place/${WORD}/link"; symlink '/nowhere', "$place/${WORD}-link";
  chmod 0, "$place/${WORD}";
  $left++;
}
shmget($key, 4096, 01600); semget($key, 1, 01600); msgget($key, 01600);
my $queue = '${WORD}';
syscall($mq_open, $queue, 0102, 0600, 0);
pipe(my $ready, my $done);
if (!fork) {
  syscall($setsid);
  fork and exit;
  $0 = '${WORD}';
  $SIG{$_} = 'IGNORE' for qw(TERM INT HUP QUIT USR1 USR2);
  socket(my $s, 1, 1, 0) or die $!;
  bind($s, pack('S a*', 1, "\0${WORD}")) and listen($s, 1);
  open($_, '+<', '/dev/null') for *STDIN, *STDOUT, *STDERR;
  syswrite $done, 'x';
  close $done;
  sleep 60 while 1;
}
sysread $ready, my $word, 1;
print "left in $left places";
`;

const SETTING = `
my ($setsid, $mq_open) = (-e '/lib64/ld-linux-x86-64.so.2') ? (112, 240) : (157, 180);
my $key = 0x5caff01d;
my @places = ($ENV{HOME}, qw(/tmp /var/tmp /dev/shm /run /run/switchyard /run/lock /dev/mqueue /dev /etc /root /home /opt /srv
  /usr/local /var/lib));
`;

interface Counts {
  readonly processes: number;
  readonly mounts: number;
  readonly files: number;
  readonly mountsOnHost: number;
}

/** Of the containers of the service, all together. */
async function count(arena: Arena): Promise<Counts> {
  const containers = (await containersOf(arena.live.instance)).map((id) => docker.getContainer(id));
  const each = await Promise.all(containers.map((container) => countIn(arena, container)));
  const total = { processes: 0, mounts: 0, files: 0, mountsOnHost: 0 };
  for (const counts of each) {
    total.processes += counts.processes;
    total.mounts += counts.mounts;
    total.files += counts.files;
    total.mountsOnHost += counts.mountsOnHost;
  }
  return total;
}

async function countIn(arena: Arena, container: Docker.Container): Promise<Counts> {
  const isGvisor = arena.level === "container (runsc)";
  // The daemon sees gVisor's own processes only; `ps`, its shell and `wc` are what looks.
  const processes = isGvisor
    ? Number(await runBeside(container, "bash", "-c", "ps -e --no-headers | wc -l")) - 3
    : (await processesOf(container)).length;
  const mounts = Number(await runBeside(container, "bash", "-c", "wc -l < /proc/self/mountinfo"));
  const folders = "/switchyard/slots /tmp /var/tmp /dev/shm /dev/mqueue /run";
  const files = Number(await runBeside(container, "bash", "-c", `find ${folders} 2>/dev/null | wc -l`));
  const { Id, GraphDriver } = await container.inspect();
  const ofOurs = [Id, ...Object.values(GraphDriver.Data ?? {}).map(String)];
  const onHost = readFileSync("/proc/self/mountinfo", "latin1").split("\n");
  const mountsOnHost = onHost.filter((line) => ofOurs.some((word) => line.includes(word))).length;
  return { processes, mounts, files, mountsOnHost };
}

/** Where the look was seen to find what is there to be found. */
const hasProved = new WeakSet<Arena>();

/** One after the other through each of the slots, which all work at once: all look before any of them litters. */
async function generation(arena: Arena, names: readonly string[]): Promise<string[]> {
  const streams = await Promise.all(names.map((trajectoryId) => arena.live.open({ trajectoryId })));
  const looks = await Promise.all(streams.map((stream) => stream.bash(`perl -e '${quoted(SETTING + LOOK)}'`)));
  const litters = await Promise.all(streams.map((stream) => stream.bash(`perl -e '${quoted(SETTING + LITTER)}'`)));
  for (const litter of litters) assert.match(outputOf(litter), /^left in [1-9]/);
  if (!hasProved.has(arena)) {
    hasProved.add(arena);
    const seen = outputOf(await (streams[0] ?? assert.fail()).bash(`perl -e '${quoted(SETTING + LOOK)}'`));
    for (const kind of [/^\/tmp\//m, /^process \d/m, /^shm$/m, /^sem$/m, /^msg$/m, /^@/m]) assert.match(seen, kind);
  }
  await Promise.all(
    streams.map(async (stream) => {
      stream.send({ $case: "release", value: { resetWorkspace: true } });
      assert.equal((await stream.first("released")).wiped, true);
      await stream.ended;
    }),
  );
  return looks.map(outputOf).filter((found) => found !== "");
}

function quoted(source: string): string {
  return source.replaceAll("'", `'\\''`);
}

/** Lets `trajectories` pass, `atOnce` at a time; resolves with what they found of each other. */
async function pass(arena: Arena, trajectories: number, atOnce: number): Promise<string> {
  const found: string[] = [];
  await generation(arena, ["first"]);
  const settled = () =>
    arena.live.statusIs(({ pools: [pool] }) => pool?.slotsLeased === 0 && pool.slotsReady >= atOnce);
  await settled();
  const before = await count(arena);
  const beganMs = performance.now();
  for (let made = 0; made < trajectories; made += atOnce) {
    found.push(
      ...(await generation(
        arena,
        Array.from({ length: atOnce }, (_, index) => `t${made + index}`),
      )),
    );
  }
  arena.test.diagnostic(`${trajectories} trajectories in ${((performance.now() - beganMs) / 1000).toFixed(1)} s`);
  await settled();
  let after = await count(arena);
  // Deletion goes on behind the slots' backs.
  await eventually("the counts return to the start", async () => {
    after = await count(arena);
    return JSON.stringify(after) === JSON.stringify(before);
  }).catch((error: unknown) => arena.test.diagnostic(String(error)));
  arena.test.diagnostic(`before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`);
  assert.deepEqual(after, before);
  assert.deepEqual(found.slice(0, 10), []);
  return `${found.length} found anything; all counts as before`;
}

const NOTHING = "0 found anything; all counts as before";

attack({
  name: "1,000 trajectories that each leave all they can",
  levels: ["namespace", "uid"],
  expected: { namespace: NOTHING, uid: NOTHING },
  pool: { slots_per_container: SLOTS },
  timeoutS: 900,
  run: async (arena) => {
    const container = await arena.containerOf("nobody");
    const descriptors = await runnerDescriptors(container);
    const [runnerGrowth, serverGrowth] = [await watchRunnerMemory(container), watchServerMemory()];
    const outcome = await pass(arena, bySize(40, 1000), SLOTS);
    const [runner, server] = [await runnerGrowth(), serverGrowth()];
    const descriptorsAfter = await runnerDescriptors(container);
    arena.test.diagnostic(`runner: ${descriptors} → ${descriptorsAfter} descriptors, memory ${spell(runner)}`);
    arena.test.diagnostic(`server: memory ${spell(server)}`);
    assert.ok(descriptorsAfter <= descriptors + SLOTS, `the runner has ${descriptorsAfter} descriptors open`);
    for (const { beforeMb, afterMb } of [runner, server]) assert.ok(afterMb - beforeMb < 96);
    return outcome;
  },
});

attack({
  name: "50 trajectories that each leave all they can, each in a container",
  levels: ["container", "container (runsc)"],
  expected: { container: NOTHING, "container (runsc)": NOTHING },
  timeoutS: 900,
  run: (arena) => pass(arena, 50, 2),
});
