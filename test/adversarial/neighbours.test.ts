// What of a neighbour can be read from a slot: both plant a secret in the same way, and the attacker looks for both. It
// must find its own, or the search proves nothing.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type Attack, attack } from "../support/attack.js";

const PREVENTED = {
  namespace: "prevented",
  uid: "prevented",
  container: "prevented",
  "container (runsc)": "prevented",
};
/** Slots of one container share what a container has one of. */
const SHARED = { ...PREVENTED, uid: "visible (documented)" };
const SECRET = "secret-[0-9a-f]{16}";

interface Leak {
  readonly name: string;
  readonly expected: Attack["expected"];
  readonly plant: (secret: string) => string;
  readonly search: string;
}

function leak({ name, expected, plant, search }: Leak): void {
  attack({
    name,
    expected,
    run: async (arena) => {
      const [own, others] = [newSecret(), newSecret()];
      await arena.harmless(plant(others));
      await arena.hostile(plant(own));
      const found = await arena.hostile(search);
      assert.ok(found.includes(own), `the search does not find its own: ${found}`);
      await arena.assertNeighbourUnharmed();
      return found.includes(others) ? "visible (documented)" : "prevented";
    },
  });
}

function newSecret(): string {
  return `secret-${randomBytes(8).toString("hex")}`;
}

function python(source: string): string {
  return `python3 - <<'END'\n${source}\nEND`;
}

// Not deeper: where the whole container is the slot, the working folder of some process is the root of everything.
const PLACES =
  "$PWD /workspace /switchyard/slots/*/workspace /tmp /var/tmp /run /dev/shm /proc/[0-9]*/cwd /proc/[0-9]*/root/{tmp,dev/shm,workspace}";
const SEARCH_FILES = `for place in ${PLACES}; do find $place/ -maxdepth 1 -type f -size 1 -exec cat {} +; done 2>/dev/null | sort -u`;

leak({
  name: "reads a neighbour's workspace, also through /proc/N/cwd and /proc/N/root",
  expected: PREVENTED,
  plant: (secret) => `echo ${secret} > file; chmod 666 file; setsid -f sleep 900 >/dev/null 2>&1`,
  search: SEARCH_FILES,
});

leak({
  name: "reads a neighbour's private files in /tmp, /var/tmp and /dev/shm",
  expected: PREVENTED,
  plant: (secret) => `umask 077; for place in /tmp /var/tmp /dev/shm; do echo ${secret} > $place/$RANDOM; done; true`,
  search: SEARCH_FILES,
});

leak({
  name: "reads a neighbour's world-readable files in /tmp, /var/tmp and /dev/shm",
  expected: SHARED,
  plant: (secret) => `umask 022; for place in /tmp /var/tmp /dev/shm; do echo ${secret} > $place/$RANDOM; done; true`,
  search: SEARCH_FILES,
});

leak({
  name: "reads a neighbour's /proc/N/environ",
  expected: PREVENTED,
  plant: (secret) => `SECRET=${secret} setsid -f sleep 900 >/dev/null 2>&1`,
  search: `cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -oE '${SECRET}'`,
});

leak({
  name: "reads a neighbour's process arguments",
  expected: SHARED,
  plant: (secret) => `setsid -f bash -c 'sleep 900; : ${secret}' >/dev/null 2>&1`,
  search: `cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -oE '${SECRET}'`,
});

leak({
  name: "connects to a neighbour's abstract socket",
  expected: SHARED,
  plant: (secret) =>
    python(`
import os, socket
server = socket.socket(socket.AF_UNIX)
server.bind("\\0${secret}")
server.listen()
if os.fork() == 0:
    os.setsid()
    for fd in (0, 1, 2): os.close(fd)
    while True: server.accept()[0].send(b"${secret}")`),
  search: python(`
import re, socket
for name in set(re.findall("@(${SECRET})", open("/proc/net/unix").read())):
    client = socket.socket(socket.AF_UNIX)
    client.connect("\\0" + name)
    print(client.recv(100).decode())`),
});

const SHARED_MEMORY = `
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
NONE = ctypes.c_void_p(-1).value
`;

function sharedMemory(mode: string) {
  return (secret: string) =>
    python(`${SHARED_MEMORY}
segment = libc.shmget(0, 4096, 0o1000 | ${mode})
ctypes.memmove(libc.shmat(segment, None, 0), b"${secret}", 23)`);
}

const SEARCH_SHARED_MEMORY = python(`${SHARED_MEMORY}
ids = set(range(1024))
try: ids |= {int(line.split()[1]) for line in list(open("/proc/sysvipc/shm"))[1:]}
except OSError: pass
for id in ids:
    address = libc.shmat(id, None, 0o10000)
    if address != NONE: print(ctypes.string_at(address, 23).decode())`);

leak({
  name: "attaches a neighbour's private System V shared memory",
  expected: PREVENTED,
  plant: sharedMemory("0o600"),
  search: SEARCH_SHARED_MEMORY,
});

leak({
  name: "attaches a neighbour's System V shared memory that is open to all",
  expected: SHARED,
  plant: sharedMemory("0o666"),
  search: SEARCH_SHARED_MEMORY,
});

attack({
  name: "ptrace and /proc/N/mem of every process it sees",
  expected: {
    namespace: "prevented",
    uid: "prevented",
    container: "its own runner",
    "container (runsc)": "prevented",
  },
  run: async (arena) => {
    await arena.harmless("setsid -f sleep 900 >/dev/null 2>&1");
    const seized = await arena.program("python3", SEIZE);
    assert.match(seized, /^child$/m, `cannot seize its own child: ${seized}`);
    await arena.assertNeighbourUnharmed();
    const others = seized.split("\n").filter((line) => line !== "child");
    if (others.length === 0) return "prevented";
    return others.some((line) => line.includes("runner.mjs")) ? "its own runner" : `other processes: ${others.join()}`;
  },
});

/** Prints what it can seize or read the memory of: its own child, and others by their command lines. */
const SEIZE = `
import ctypes, os, time
libc = ctypes.CDLL(None)
PTRACE_SEIZE = 0x4206
child = os.fork()
if child == 0:
    time.sleep(60)
    os._exit(0)
ours, pid = {child}, os.getpid()
while pid > 1:
    if pid != 1 and open(f"/proc/{pid}/comm").read().startswith(("python", "bash")): ours.add(pid)
    pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
    if pid in ours and pid != child: continue
    taken = libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0
    try:
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR))
        taken = True
    except OSError: pass
    if taken: print("child" if pid == child else open(f"/proc/{pid}/cmdline").read().replace("\\0", " "))
os.kill(child, 9)
`;
