// Power that the code in a slot does not have and tries to gain: setuid programs, user namespaces, the kernel's own
// settings and interfaces, the runner's files.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type Arena, attack } from "../support/attack.js";
import { docker, runBeside } from "../support/docker-engine.js";

const PREVENTED = {
  namespace: "prevented",
  uid: "prevented",
  container: "prevented",
  "container (runsc)": "prevented",
};
const NO_GAIN = {
  namespace: "nothing gained",
  uid: "nothing gained",
  container: "nothing gained",
  "container (runsc)": "nothing gained",
};

const WHO = "grep -E '^(Uid|Gid|CapEff|CapPrm)' /proc/self/status | tr '\\n\\t' '  '";

/** Whether running `programs` with `arguments` makes anybody more than the attacker is. */
async function gains(arena: Arena, programs: readonly string[], args: string): Promise<string> {
  const before = await arena.hostile(`bash -c "${WHO}"`);
  assert.match(before, /Uid:.*CapEff:/);
  const gained: string[] = [];
  for (const program of programs) {
    const said = await arena.hostile(`${program} ${args} </dev/null 2>/dev/null`);
    if (said.includes("Uid:") && said !== before) gained.push(`${program}: ${said}`);
  }
  return gained.join("; ") || "nothing gained";
}

attack({
  name: "every setuid and setgid program of the image; su, mount, passwd and their like",
  expected: NO_GAIN,
  run: async (arena) => {
    const found = await arena.hostile("find / -xdev -perm /6000 -type f 2>/dev/null");
    const usual = [
      "su",
      "newgrp",
      "sg root",
      "runuser -u root --",
      "mount",
      "umount",
      "passwd",
      "chsh",
      "chfn",
      "gpasswd",
    ];
    return gains(arena, [...found.split("\n").filter(Boolean), ...usual], `-c "${WHO}"`);
  },
});

attack({
  name: "a setuid copy of bash, its own and one that belongs to root",
  expected: NO_GAIN,
  run: async (arena) => {
    await arena.hostile("for place in $PWD /tmp /dev/shm; do cp /bin/bash $place/own; chmod 6755 $place/own; done");
    // Root, beside the runner, puts the worst into the workspace that could lie there.
    const plant =
      "for slot in /switchyard/slots/*/workspace; do cp /bin/bash $slot/roots; chown 0:0 $slot/roots; chmod 6755 $slot/roots; done";
    await runBeside(await arena.containerOf("attacker"), "sh", "-c", plant);
    assert.equal(await arena.hostile("[ -u roots ] && [ -u own ] && echo planted"), "planted");
    return gains(arena, ["./roots", "./own", "/tmp/own", "/dev/shm/own"], `-p -c "${WHO}"`);
  },
});

attack({
  name: "changes the kernel's settings, before and after `unshare -Ur`: core_pattern, sysctls, release_agent",
  expected: PREVENTED,
  run: async (arena) => {
    const corePattern = readFileSync("/proc/sys/kernel/core_pattern", "utf8");
    const source = `
w() { { echo "|/workspace/pwn" > "$1"; } 2>/dev/null && echo "wrote $1"; }
w $PWD/control
for f in /proc/sys/kernel/{core_pattern,modprobe,hotplug,poweroff_cmd,sysrq,panic,dmesg_restrict,randomize_va_space,ns_last_pid} \\
  /proc/sys/vm/{drop_caches,overcommit_memory,panic_on_oom} /proc/sys/fs/{file-max,protected_symlinks,suid_dumpable} \\
  /proc/sys/fs/binfmt_misc/register /proc/sysrq-trigger /proc/1/oom_score_adj /sys/kernel/uevent_helper /sys/power/state \\
  /sys/kernel/mm/transparent_hugepage/enabled /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/memory/memory.limit_in_bytes \\
  /sys/fs/cgroup/devices/devices.allow /sys/fs/cgroup/*/cgroup.procs; do w $f; done
mkdir -p /tmp/m; for kind in proc sysfs cgroup cgroup2 binfmt_misc securityfs debugfs devtmpfs; do
  mount -t $kind none /tmp/m 2>/dev/null || continue
  find /tmp/m -maxdepth 3 \\( -name release_agent -o -name core_pattern -o -name modprobe -o -name sysrq-trigger -o -name register -o -name uevent_helper -o -name sda -o -name vda \\) \\
    2>/dev/null | while read -r f; do w $f; done; umount /tmp/m
done`;
    const first = await arena.program("bash", source);
    const second = await arena.hostile(
      "rm -f control; unshare -Urmpf --mount-proc bash program 2>/dev/null || unshare -Urm bash program",
    );
    assert.match(first, /wrote .*control/);
    assert.equal(readFileSync("/proc/sys/kernel/core_pattern", "utf8"), corePattern);
    const wrote = `${first}\n${second}`
      .split("\n")
      .filter((line) => line.startsWith("wrote") && !line.endsWith("control"));
    return wrote.length === 0 ? "prevented" : [...new Set(wrote)].join();
  },
});

attack({
  name: "mounts the host's disk, remounts what is read-only, pivots and chroots",
  expected: PREVENTED,
  run: async (arena) => {
    const source = `
mkdir -p $PWD/m
for device in /dev/vda /dev/sda /dev/sda1 /dev/root overlay; do mount $device $PWD/m 2>/dev/null && echo mounted $device; done
mount -o remount,rw / 2>/dev/null && touch /usr/pwned 2>/dev/null && echo remounted root
for place in /switchyard/runtime /proc/sys /sys /sys/fs/cgroup/memory /etc /usr; do
  mount -o remount,rw,bind $place 2>/dev/null && touch $place/pwned 2>/dev/null && echo remounted $place; done
echo tried`;
    const first = await arena.program("bash", source);
    const second = await arena.hostile("unshare -Urm bash program; true");
    assert.match(first, /^tried$/m);
    const done = `${first}\n${second}`.split("\n").filter((line) => /^(re)?mounted/.test(line));
    return done.length === 0 ? "prevented" : done.join();
  },
});

attack({
  name: "reads the kernel: kcore, kmsg, kallsyms, slabinfo, dmesg, keys, firmware",
  expected: { ...PREVENTED, "container (runsc)": "gVisor's own log only" },
  run: async (arena) => {
    const output = await arena.hostile(
      `echo control > control; for file in control /proc/kcore /proc/kmsg /proc/kpageflags /proc/timer_list /proc/sched_debug \\
         /proc/vmallocinfo /proc/slabinfo /sys/firmware/dmi/tables/DMI /sys/kernel/debug/sched; do
         head -c 1 $file >/dev/null 2>&1 && [ -n "$(head -c 64 $file 2>/dev/null | tr -d '\\0')" ] && echo read $file
       done; dmesg 2>/dev/null | grep -q . && if dmesg | grep -q gVisor; then echo "gVisor's own log"; else echo read dmesg; fi; grep -m1 -vE '^0+ ' /proc/kallsyms 2>/dev/null; grep -c . /proc/keys 2>/dev/null`,
    );
    assert.match(output, /^read control/);
    const read = output.split("\n").filter((line) => line !== "read control" && line !== "0");
    if (read.join() === "gVisor's own log") return "gVisor's own log only";
    return read.length === 0 ? "prevented" : read.join();
  },
});

/** System calls by number on x64, for each of which our filter or Docker's must say no. */
const CALLS = {
  add_key: 248,
  keyctl: 250,
  bpf: 321,
  perf_event_open: 298,
  userfaultfd: 323,
  init_module: 175,
  kexec_load: 246,
  open_by_handle_at: 304,
  settimeofday: 164,
  swapon: 167,
  acct: 163,
};

/** Names of the calls that the kernel did more with than refuse them; `getpid` is the control. */
async function allowedCalls(arena: Arena, calls: Readonly<Record<string, number>>): Promise<string[]> {
  // gVisor has stubs that refuse in words of their own: not for you, no such device, not supported.
  const refusals = arena.level === "container (runsc)" ? "EPERM ENOSYS EACCES ENODEV EOPNOTSUPP" : "EPERM ENOSYS";
  const output = await arena.program(
    "python3",
    `
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
page = ctypes.create_string_buffer(4096)
refusals = {getattr(errno, name) for name in "${refusals}".split()}
for name, number in {"getpid": 39, **${JSON.stringify(calls)}}.items():
    ctypes.set_errno(0)
    if libc.syscall(number, page, page, 0, 0, 0) >= 0 or ctypes.get_errno() not in refusals: print(name)
`,
  );
  const [control, ...allowed] = output.split("\n");
  assert.equal(control, "getpid");
  return allowed;
}

attack({
  name: "system calls with a record of kernel holes: keyrings, bpf, userfaultfd, perf, modules, kexec",
  expected: PREVENTED,
  run: async (arena) => (await allowedCalls(arena, CALLS)).join() || "prevented",
});

const BY_DOCKER = "prevented from Docker 25 on (documented)";

attack({
  name: "io_uring",
  expected: { ...PREVENTED, uid: BY_DOCKER, container: BY_DOCKER },
  run: async (arena) => {
    const isAllowed = (await allowedCalls(arena, { io_uring_setup: 425 })).length > 0;
    if (arena.level === "namespace" || arena.level === "container (runsc)") return isAllowed ? "allowed" : "prevented";
    // There the daemon's own profile is in force.
    const { Version } = await docker.version();
    assert.equal(isAllowed, Number.parseInt(Version, 10) < 25, `Docker ${Version}`);
    return BY_DOCKER;
  },
});

attack({
  name: "overwrites the runner, its interpreter or the launcher for the next trajectory",
  expected: PREVENTED,
  run: async (arena) => {
    const output = await arena.hostile(
      `touch control && echo wrote control; for file in /switchyard/runtime/{runner.mjs,node,perl,ld.so,new} /usr/sbin/docker-init /sbin/docker-init; do
         { : >> $file; } 2>/dev/null && echo wrote $file; rm -f $file 2>/dev/null && [ ! -e $file ] && [ -d \${file%/*} ] && ! [ \${file##*/} = new ] && echo removed $file
       done; for exe in /proc/[0-9]*/exe; do case $(readlink $exe) in */switchyard/*) { : >> $exe; } 2>/dev/null && echo wrote $exe;; esac; done; true`,
    );
    assert.match(output, /^wrote control/);
    const wrote = output.split("\n").slice(1);
    return wrote.length === 0 ? "prevented" : wrote.join();
  },
});
