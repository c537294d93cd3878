// What one trajectory leaves for the next: processes, files, mounts and IPC, in every place that its level lets it write to.
// The next one looks with the same eyes, and must find nothing; the first finds all of it, or the search proves nothing.
import assert from "node:assert/strict";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { type Arena, attack, seconds } from "../support/attack.js";
import { bySize } from "../support/suite-size.js";

const NOTHING = {
  namespace: "nothing is left",
  uid: "nothing is left",
  container: "nothing is left",
  "container (runsc)": "nothing is left",
};
/** One slot, which the next trajectory gets as well; at `container`, a new container in its place. */
const ONE_SLOT = { slots_per_container: 1, min_containers: 1, max_containers: 1 };

/** Plants, looks, gives the slot back, and looks again in the next trajectory. */
async function inherit(arena: Arena, plant: string, search: string): Promise<string> {
  await arena.hostile(plant, { timeout: seconds(90) });
  const own = await arena.hostile(search);
  assert.notEqual(own, "", "the search does not find what was planted");
  await arena.release("attacker");
  const left = await (await arena.stream("next")).bash(search);
  assert.notEqual(left.status, CallStatus.CALL_STATUS_LOST, left.error);
  return left.output === "" ? "nothing is left" : `left: ${left.output.slice(0, 300)}`;
}

attack({
  name: "leaves daemons: setsid, double fork, traps, names made to deceive",
  expected: NOTHING,
  pool: ONE_SLOT,
  run: (arena) =>
    inherit(
      arena,
      `setsid -f sleep 901 >/dev/null 2>&1; env -i setsid -f sleep 902 >/dev/null 2>&1; nohup sleep 903 >/dev/null 2>&1 &
       python3 - <<'END'
import ctypes, os, signal, time
libc = ctypes.CDLL(None)
for name in (b"90) Z 1 1 1 (", b"90 (x) S 0 0", b"90\\n(\\n) X 1"):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            libc.prctl(15, name, 0, 0, 0)
            libc.prctl(4, 0, 0, 0, 0)
            for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(number, signal.SIG_IGN)
            for fd in (0, 1, 2): os.close(fd)
            time.sleep(900)
        os._exit(0)
END`,
      "grep -lE '^Name:.*90' /proc/[0-9]*/status 2>/dev/null; pgrep -f '^sleep 90'",
    ),
});

attack({
  name: "leaves files, links and FIFOs wherever it can write, crontabs and start-up scripts too",
  expected: NOTHING,
  pool: ONE_SLOT,
  run: (arena) =>
    inherit(
      arena,
      `for place in $PWD $HOME /tmp /var/tmp /dev/shm /run /run/lock /run/switchyard /dev/mqueue /var/spool/cron /etc /etc/cron.d \\
           /etc/profile.d /usr/local/bin /root /home /opt /srv /mnt /switchyard/slots /switchyard/runtime /dev / ; do
         mkdir -p $place/xyzzy/deep; echo xyzzy > $place/xyzzy/deep/xyzzy; ln -s / $place/xyzzy-link; mkfifo $place/xyzzy-fifo
         mkdir -m 0 $place/xyzzy-locked; touch $place/.xyzzy
       done 2>/dev/null; echo '* * * * * touch /tmp/xyzzy' | crontab - 2>/dev/null
       echo 'echo xyzzy' | tee -a ~/.bashrc ~/.profile /etc/bash.bashrc /etc/profile /etc/ld.so.preload >/dev/null 2>&1; true`,
      "find / -name '*xyzzy*' -not -path '/proc/*' 2>/dev/null; grep -s xyzzy ~/.bashrc ~/.profile /etc/bash.bashrc /etc/profile /etc/ld.so.preload",
    ),
});

attack({
  name: "leaves a tree of 3,000 folders, too deep for any path",
  expected: NOTHING,
  pool: ONE_SLOT,
  run: (arena) =>
    inherit(
      arena,
      `python3 - <<'END'
import os
for place in (os.getcwd(), "/tmp", "/dev/shm"):
    os.chdir(place)
    for _ in range(${bySize(1000, 3000)}):
        os.mkdir("xyzzy")
        os.chdir("xyzzy")
    open("xyzzy-file", "w")
END`,
      "for place in $PWD /tmp /dev/shm; do [ -e $place/xyzzy ] && echo $place; done",
    ),
});

attack({
  name: "leaves System V and POSIX IPC, and abstract sockets",
  expected: NOTHING,
  pool: ONE_SLOT,
  run: (arena) =>
    inherit(
      arena,
      `ipcmk -M 4096 >/dev/null; ipcmk -Q >/dev/null; ipcmk -S 3 >/dev/null
       python3 - <<'END'
import ctypes, os, socket
ctypes.CDLL("librt.so.1").mq_open(b"/xyzzy", os.O_CREAT | os.O_RDWR, 0o666, None)
server = socket.socket(socket.AF_UNIX)
server.bind("\\0xyzzy")
server.listen()
if os.fork() == 0:
    os.setsid()
    for fd in (0, 1, 2): os.close(fd)
    server.accept()
END`,
      "ipcs | grep -E '^0x'; ls /dev/mqueue 2>/dev/null; grep xyzzy /proc/net/unix",
    ),
});

attack({
  name: "leaves mounts and namespaces behind",
  expected: { namespace: "nothing is left" },
  levels: ["namespace"],
  pool: ONE_SLOT,
  run: (arena) =>
    inherit(
      arena,
      `setsid -f unshare -Urmpf sh -c 'mount -t tmpfs xyzzy /tmp; mount --bind /tmp $PWD; touch ready; sleep 900' >/dev/null 2>&1
       until pgrep -f 'sleep 900' >/dev/null; do sleep 0.05; done`,
      "cat /proc/[0-9]*/mountinfo | grep -o xyzzy; pgrep -x sleep",
    ),
});

attack({
  name: "a call that outlives its timeout: processes that watch and restart each other",
  expected: {
    namespace: "all dead at the timeout",
    uid: "all dead at the timeout",
    container: "all dead at the timeout",
    "container (runsc)": "all dead at the timeout",
  },
  run: async (arena) => {
    const stream = await arena.attacker;
    const hydra = `
import os, signal, sys, time
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}: signal.signal(number, signal.SIG_IGN)
def watch(other):
    while True:
        time.sleep(0.01)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]: pass
        except ChildProcessError: pass
        try: os.kill(other, 0)
        except ProcessLookupError: other = spawn()
def spawn():
    parent, child = os.getpid(), os.fork()
    if child: return child
    os.setsid()
    watch(parent)
watch(spawn())`;
    await stream.call("write_file", { path: "hydra", content: hydra });
    const result = await stream.bash("python3 hydra", { timeout: seconds(bySize(2, 4)) });
    assert.equal(result.status, CallStatus.CALL_STATUS_TIMED_OUT, result.error);
    await arena.assertNeighbourUnharmed();
    const left = await arena.hostile("pgrep -f '[h]ydra'; echo looked");
    return left === "looked" ? "all dead at the timeout" : `alive: ${left}`;
  },
});
