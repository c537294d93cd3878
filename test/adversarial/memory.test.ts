// Code that takes all the memory it can get, in every way that the kernel counts differently: its own, shared, without a
// process that holds it, in files, and in the kernel itself. The culprit must pay, not its neighbour nor the runner.
import assert from "node:assert/strict";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { type Arena, attack, seconds } from "../support/attack.js";
import { besides, nameOf, secondsOf } from "../support/bystander.js";

const pool = { memory_mb: 512, slot: { memory_mb: 128, scratch_mb: 32 } };
/** Far over the slot's limit; at once it is over the container's too. */
const HOG_MB = 800;
const STEP_MB = 16;
/** Slow enough for who looks once a second. */
const STEP_PAUSE_S = 0.2;

function python(take: string, pauseS: number): string {
  return [
    "import ctypes, mmap, os, time",
    "kept = []",
    `step = ${STEP_MB} << 20`,
    `for round in range(${HOG_MB / STEP_MB}):`,
    ...take.split("\n").map((line) => `    ${line}`),
    `    time.sleep(${pauseS})`,
    "time.sleep(3600)",
  ].join("\n");
}

const SYSTEM_V = [
  "libc = ctypes.CDLL(None, use_errno=True)",
  "libc.shmat.restype = ctypes.c_void_p",
  "segment = libc.shmget(0, step, 0o1600)",
  "address = libc.shmat(segment, None, 0)",
  "if segment < 0 or address == 2**64 - 1: raise SystemExit('no more segments')",
  "ctypes.memset(address, 1, step)",
  "libc.shmdt(ctypes.c_void_p(address))",
].join("\n");
const MEMFD = "kept.append(os.memfd_create('xyzzy'))\nos.write(kept[-1], b'x' * step)";
const SHARED = "kept.append(mmap.mmap(-1, step))\nkept[-1].write(b'x' * step)";
const OWN = "kept.append(bytearray(os.urandom(1024)) * (step >> 10))";

/** How the hog ended, what became of its slot, and that nobody else noticed. */
async function hog(arena: Arena, source: string): Promise<string> {
  const attacker = await arena.attacker;
  const written = await attacker.call("write_file", { path: "hog.py", content: source });
  assert.equal(written.status, CallStatus.CALL_STATUS_OK, written.error);
  const [result, { harmed }] = await besides(arena, attacker.bash("exec python3 hog.py", { timeout: seconds(30) }));
  assert.deepEqual(harmed, []);
  await arena.assertNeighbourUnharmed();
  arena.test.diagnostic(`${result.error}, after ${secondsOf(result).toFixed(1)} s`);
  const next = await attacker.bash("echo on");
  assert.equal(next.output, "on", next.error);
  const slot = next.slotGeneration === 1 ? "the slot goes on" : "the slot is lost";
  return `${nameOf(result)}; ${slot}; neighbour unharmed`;
}

const KILLED = "OUT_OF_MEMORY; the slot goes on; neighbour unharmed";
const everywhere = { namespace: KILLED, uid: KILLED, container: KILLED, "container (runsc)": KILLED };

attack({
  name: "memory hog, slowly",
  expected: everywhere,
  pool,
  run: (arena) => hog(arena, python(OWN, STEP_PAUSE_S)),
});

attack({
  name: "memory hog, at once",
  expected: everywhere,
  pool,
  run: (arena) => hog(arena, python(OWN, 0)),
});

attack({
  name: "memory hog of twenty processes",
  expected: everywhere,
  pool,
  run: (arena) => hog(arena, `import os\nfor _ in range(19):\n    if os.fork() == 0: break\n${python(OWN, 4)}`),
});

attack({
  name: "shared memory hog",
  expected: everywhere,
  pool,
  run: (arena) => hog(arena, python(SHARED, STEP_PAUSE_S)),
});

attack({
  name: "memory hog by memfd",
  expected: everywhere,
  pool,
  run: (arena) => hog(arena, python(MEMFD, STEP_PAUSE_S)),
});

attack({
  name: "memory hog by System V segments that no process holds",
  // gVisor does not tell what there is of them, and has no limit of memory here: nobody notices.
  expected: { ...everywhere, "container (runsc)": "TIMED_OUT; the slot goes on; neighbour unharmed" },
  pool,
  run: (arena) => hog(arena, python(SYSTEM_V, STEP_PAUSE_S)),
});

const FILES_IN_MEMORY = `
my $made = 0;
for my $folder (@ARGV) {
  for my $deep (1 .. 4000) {
    mkdir "$folder/$deep" or last;
    for my $name (1 .. 250) { open(my $f, '>', "$folder/$deep/$name") or last; $made++ }
  }
}
print "$made files";
sleep 3600;
`;

const LOST = "TOOL_FAILED; the slot is lost; neighbour unharmed";

attack({
  name: "a million empty files in /tmp",
  // At the other levels they lie in the one /tmp of the container, which is swept or thrown away.
  levels: ["namespace"],
  expected: { namespace: LOST },
  pool,
  run: async (arena) => {
    const attacker = await arena.attacker;
    await attacker.call("write_file", { path: "hog.pl", content: FILES_IN_MEMORY });
    return hog(arena, "import os\nos.execvp('perl', ['perl', 'hog.pl', '/tmp', '/dev/shm', '/run'])");
  },
});

const fill = (path: string) =>
  `dd if=/dev/zero of=${path}/fill bs=1M count=400 2>&1 | grep -o 'No space left on device'`;

attack({
  name: "files that fill /tmp and /dev/shm",
  expected: {
    namespace: "ENOSPC; the neighbour has its own",
    uid: "ENOSPC; the neighbour has the same",
    container: "ENOSPC in /dev/shm; the neighbour has its own",
    "container (runsc)": "ENOSPC in /dev/shm; the neighbour has its own",
  },
  pool: { memory_mb: 2048 },
  run: async (arena) => {
    const full: string[] = [];
    for (const path of ["/tmp", "/dev/shm"]) {
      if ((await arena.hostile(`${fill(path)}; ${fill(path).replace("/fill", "/more")}`)) !== "") full.push(path);
    }
    const neighbour = await arena.harmless("cp /bin/bash /tmp/note && cp /bin/bash /dev/shm/note && echo room");
    await arena.assertNeighbourUnharmed();
    const where = full.length === 2 ? "ENOSPC" : full.map((path) => `ENOSPC in ${path}`).join(", ") || "no limit";
    return `${where}; the neighbour has ${neighbour === "room" ? "its own" : "the same"}`;
  },
});
