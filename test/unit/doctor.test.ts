// The doctor's judgements, on facts that are given to it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readFacts } from "../../src/backend/docker/engine-facts.js";
import { type Check, note, ok, problem, summary, warning } from "../../src/cli/doctor/check.js";
import { checkEngine, checkRunc, checkUnreachable } from "../../src/cli/doctor/engine.js";
import { explain, type Surroundings } from "../../src/cli/doctor/explain.js";
import {
  checkControllers,
  checkDockerLimits,
  checkMemory,
  checkProcesses,
  checkWorkspaces,
} from "../../src/cli/doctor/limits.js";
import { checkNode, checkPlatform, checkUserNamespaces } from "../../src/cli/doctor/machine.js";
import { render } from "../../src/cli/doctor/render.js";
import { compareVersions, runcHoles } from "../../src/cli/doctor/versions.js";
import { configSchema } from "../../src/config/schema.js";

const GIB = 1024 ** 3;

/** What Docker 20.10 of Debian 12 answers. */
const INFO = {
  ServerVersion: "20.10.24+dfsg1",
  OSType: "linux",
  Architecture: process.arch === "x64" ? "x86_64" : "aarch64",
  KernelVersion: "0.0.0-elsewhere",
  Driver: "overlay2",
  DriverStatus: [
    ["Backing Filesystem", "extfs"],
    ["Supports d_type", "true"],
  ],
  CgroupVersion: "1",
  CgroupDriver: "cgroupfs",
  LiveRestoreEnabled: false,
  SecurityOptions: ["name=apparmor", "name=seccomp,profile=default"],
  RuncCommit: { ID: "1.1.5+ds1-1+deb12u1" },
  ContainerdCommit: { ID: "1.6.20~ds1-1+deb12u3" },
  Runtimes: { runc: { path: "runc" }, runsc: { path: "/usr/bin/runsc", runtimeArgs: ["--ignore-cgroups"] } },
  NCPU: 2,
  MemTotal: 24 * GIB,
  DockerRootDir: "/var/lib/docker",
  MemoryLimit: true,
  SwapLimit: true,
  CpuCfsQuota: true,
  PidsLimit: true,
};
const VERSION = { ApiVersion: "1.41", Components: [{ Name: "runc", Version: "1.1.5+ds1" }] };

function pools(settings: object = {}) {
  return configSchema.parse({ pools: { default: settings } }).pools;
}

function byName(checks: readonly Check[], name: string): Check {
  const found = checks.find((check) => check.name === name);
  assert.ok(found, `no check named ${name}`);
  return found;
}

test("versions are compared by number, a candidate before its release, a package's suffix not at all", () => {
  const ascending = [
    "1.1.5+ds1-1+deb12u1",
    "1.1.12",
    "1.2.0-rc.1",
    "1.2.0~rc2+ds1",
    "1.2.0",
    "v1.2.8",
    "1.10",
    "20.2.0",
  ];
  for (const [index, version] of ascending.entries()) {
    assert.equal(compareVersions(version, version), 0);
    for (const later of ascending.slice(index + 1)) {
      assert.ok(compareVersions(version, later) < 0, `${version} < ${later}`);
      assert.ok(compareVersions(later, version) > 0, `${later} > ${version}`);
    }
  }
  assert.equal(compareVersions("1.1.5+ds1", "1.1.5"), 0);
});

for (const [version, holes] of [
  ["1.1.5+ds1-1+deb12u1", 4],
  ["1.1.11", 4],
  ["1.1.12", 3],
  ["1.2.0-rc.1", 3],
  ["1.2.7", 3],
  ["1.2.8", 0],
  ["1.3.0", 3],
  ["1.3.3-0ubuntu1~24.04.2", 0],
  ["1.4.0-rc.2", 3],
  ["1.4.0-rc.3", 0],
  ["1.4.0", 0],
  ["2.0.0", 0],
] as const) {
  test(`runc ${version} has ${holes} of the known holes by its number`, () => {
    assert.equal(runcHoles(version).length, holes);
  });
}

test("of a packaged runc the number alone is not believed, and its changelog is", () => {
  const packaged = checkRunc("1.1.5+ds1-1+deb12u1", undefined);
  assert.equal(packaged.verdict, "warning");
  assert.match(packaged.found, /CVE-2024-21626, CVE-2025-31133/);
  assert.match(packaged.advice ?? "", /number alone cannot tell.*advisories/);

  const partly = checkRunc("1.1.5+ds1-1+deb12u1", "  * CVE-2024-21626: several container breakouts");
  assert.equal(partly.verdict, "warning");
  assert.match(partly.found, /by its number has CVE-2025-31133,.*names CVE-2024-21626 as mended/);

  const mended = checkRunc("1.1.12-1", "CVE-2025-31133 CVE-2025-52565 CVE-2025-52881");
  assert.equal(mended.verdict, "ok");

  for (const own of ["1.1.11", "v1.1.11-0-g4bccb38c", "1.4.0-rc.2"]) {
    assert.doesNotMatch(checkRunc(own, undefined).advice ?? "", /advisories/, own);
  }
  assert.equal(checkRunc("v1.3.4-0-gd6d73eb8", undefined).verdict, "ok");
  assert.equal(checkRunc("", undefined).verdict, "note");
});

test("a daemon's answers become facts", () => {
  const facts = readFacts(INFO, VERSION);
  assert.equal(facts.runc, "1.1.5+ds1-1+deb12u1");
  assert.equal(facts.backingFileSystem, "extfs");
  assert.deepEqual(facts.securityOptions, ["apparmor", "seccomp"]);
  assert.deepEqual(facts.runtimes.get("runsc"), ["--ignore-cgroups"]);
  assert.deepEqual(facts.runtimes.get("runc"), []);
  const upstream = readFacts(
    { RuncCommit: { ID: "v1.3.3-0-gd842d771" }, ContainerdCommit: { ID: "1c4457e00facac03ce1d75f7b6777a7a851e5c41" } },
    { Components: [{ Name: "containerd", Version: "v1.7.29" }] },
  );
  assert.equal(upstream.runc, "v1.3.3-0-gd842d771");
  assert.equal(upstream.containerd, "v1.7.29");
});

test("an empty answer is no crash, and enforces nothing", () => {
  const facts = readFacts(null, undefined);
  assert.deepEqual(facts.enforces, { memory: false, swap: false, cpus: false, pids: false });
  assert.equal(facts.runtimes.size, 0);
});

test("what of a daemon's settings harms is said", () => {
  const verdictOf = (info: object, name: string) =>
    byName(checkEngine("unix:///x", readFacts({ ...INFO, ...info }, VERSION)), name).verdict;
  assert.equal(verdictOf({}, "docker"), "ok");
  assert.equal(verdictOf({ ServerVersion: "19.03.15" }, "docker"), "warning");
  assert.equal(verdictOf({ OSType: "windows" }, "docker"), "problem");
  assert.equal(verdictOf({ Architecture: "s390x" }, "docker"), "problem");
  assert.equal(verdictOf({}, "docker.storage"), "ok");
  assert.equal(verdictOf({ Driver: "vfs" }, "docker.storage"), "warning");
  assert.equal(verdictOf({}, "docker.live_restore"), "note");
  assert.equal(verdictOf({}, "docker.security"), "ok");
  assert.equal(verdictOf({ SecurityOptions: [] }, "docker.security"), "warning");
  assert.equal(verdictOf({ SecurityOptions: ["name=seccomp", "name=rootless"] }, "docker.security"), "warning");
  assert.equal(verdictOf({ SecurityOptions: ["name=seccomp", "name=userns"] }, "docker.security"), "warning");
});

test("a daemon that does not answer is a problem only when it was asked for", () => {
  const engine = {
    reachable: false,
    address: "unix:///nowhere.sock",
    code: "ENOENT",
    reason: "connect ENOENT",
  } as const;
  assert.equal(checkUnreachable(engine, true).verdict, "problem");
  const either = checkUnreachable(engine, false);
  assert.equal(either.verdict, "warning");
  assert.match(either.found, /process backend/);
  assert.match(checkUnreachable({ ...engine, code: "EACCES" }, true).advice ?? "", /group docker/);
  assert.match(checkUnreachable({ ...engine, address: "tcp://h:1" }, true).advice ?? "", /DOCKER_HOST/);
});

test("limits that the kernel does not enforce are named", () => {
  const all = { memory: true, swap: true, cpus: true, pids: true };
  assert.equal(checkControllers({ enforces: all, cgroupVersion: "2" })[0]?.verdict, "ok");
  const [none] = checkControllers({
    enforces: { memory: false, swap: false, cpus: false, pids: false },
    cgroupVersion: "1",
  });
  assert.equal(none?.verdict, "warning");
  assert.match(none?.found ?? "", /memory_mb.*cpus.*pids/);
  assert.doesNotMatch(none?.found ?? "", /swap accounting/);
  const [swap] = checkControllers({ enforces: { ...all, swap: false }, cgroupVersion: "1" });
  assert.match(swap?.found ?? "", /swap/);
});

test("a runtime that ignores cgroups is a warning for the pools that use it", () => {
  const facts = readFacts(INFO, VERSION);
  const named = checkDockerLimits(pools({ runtime: "runsc" }), facts);
  assert.equal(byName(named, "pools.default.runtime.limits").verdict, "warning");
  const plain = checkDockerLimits(pools(), facts);
  assert.ok(!plain.some(({ name }) => name === "pools.default.runtime.limits"));
});

test("memory and processes are held against what the machine has", () => {
  const three = pools({ max_containers: 3, memory_mb: 1024 });
  assert.equal(checkMemory(three, 3 * GIB).verdict, "ok");
  assert.equal(checkMemory(three, 3 * GIB - 1).verdict, "warning");

  const read = (max: number) => (name: string) => (name === "kernel.pid_max" ? max : undefined);
  const small = pools({ max_containers: 2, slots_per_container: 2, slot: { processes: 100 } });
  assert.equal(checkProcesses(small, read(500)).verdict, "ok");
  const over = checkProcesses(small, read(499));
  assert.equal(over.verdict, "warning");
  assert.match(over.found, /500 processes.*kernel\.pid_max is 499/);
  const bounded = pools({ max_containers: 2, slots_per_container: 2, slot: { processes: 100 }, pids: 64 });
  assert.equal(checkProcesses(bounded, read(128)).verdict, "ok");
});

test("workspaces on disk are a note, those in more memory than their container has a warning", () => {
  assert.deepEqual(
    checkWorkspaces(pools(), undefined).map(({ name, verdict }) => [name, verdict]),
    [["limits.workspace", "note"]],
  );
  const inMemory = (size_mb: number) =>
    checkWorkspaces(
      pools({ slots_per_container: 4, memory_mb: 1024, workspace: { medium: "memory", size_mb } }),
      undefined,
    );
  assert.equal(byName(inMemory(256), "pools.default.workspace").verdict, "ok");
  assert.equal(byName(inMemory(257), "pools.default.workspace").verdict, "warning");
});

test("Node, platform and user namespaces are judged", () => {
  assert.equal(checkNode("20.10.0", "20.10").verdict, "ok");
  assert.equal(checkNode("20.9.1", "20.10").verdict, "problem");
  assert.equal(checkNode().verdict, "ok");
  assert.equal(checkPlatform("linux", "arm64").verdict, "ok");
  assert.equal(checkPlatform("linux", "riscv64").verdict, "problem");
  assert.equal(checkPlatform("darwin", "arm64").verdict, "problem");

  const userns = (values: Record<string, number>) => checkUserNamespaces((name) => values[name]).verdict;
  assert.equal(userns({}), "ok");
  assert.equal(userns({ "user.max_user_namespaces": 0 }), "warning");
  assert.equal(userns({ "kernel.unprivileged_userns_clone": 0 }), "warning");
  assert.equal(userns({ "kernel.apparmor_restrict_unprivileged_userns": 1 }), "note");
});

test("what went wrong with a container is turned into what to do", () => {
  const docker: Surroundings = { backend: "docker", image: "task:1", runtime: "runc", securityOptions: ["seccomp"] };
  const host: Surroundings = { ...docker, backend: "process" };
  const armored: Surroundings = { ...docker, securityOptions: ["apparmor", "seccomp"] };
  const mountRefused = "bwrap: Failed to make / slave: Permission denied";
  for (const [reason, where, expected] of [
    ["docker: sandbox did not start: spawn bwrap ENOENT", docker, /bubblewrap in the image task:1.*uid/],
    ["process: sandbox did not start: spawn bwrap ENOENT", host, /apt install bubblewrap/],
    ["bwrap: execvp perl: No such file or directory", docker, /perl in the image/],
    ["Exit code: 127: [stderr] cannot start bash: No such file or directory", docker, /bash in the image/],
    ["bwrap: setting up uid map: Permission denied", host, /kernel\.userns/],
    ["bwrap: Can't read /proc/sys/kernel/overflowuid: No such file", docker, /gVisor/],
    [mountRefused, docker, /systempaths/],
    [mountRefused, armored, /docker-default/],
    ["EINVAL: invalid argument, chown '/switchyard/slots/0/workspace'", docker, /rootless/],
    ["(HTTP code 404) no such container - network nonet not found", docker, /docker network create/],
    ["error setting rlimit type 7: operation not permitted", docker, /LimitNOFILE/],
    ["sandbox did not start: exit code 1: setrlimit 7: Operation not permitted", docker, /slot\.open_files.*container/],
    ["sandbox did not start: exit code 1: setrlimit 6: Operation not permitted", host, /slot\.processes.*server/],
    ["something nobody foresaw", docker, /--log-level debug/],
  ] as const) {
    assert.match(explain(reason, where), expected, reason);
  }
});

test("the last line counts problems and warnings; only a problem is an obstacle", () => {
  assert.equal(summary([ok("a", "x"), note("b", "x")]), "0 problems, 0 warnings: the configured pools can run");
  const warned = [warning("a", "x", "y"), warning("b", "x", "y")];
  assert.equal(summary(warned), "0 problems, 2 warnings: the configured pools can run");
  assert.equal(summary([...warned, problem("c", "x", "y")]), "1 problem, 2 warnings: the configured pools cannot run");
});

test("a check is one line, wrapped between words, with its advice below; colours only when asked for", () => {
  const plain = { columns: 80, colours: false };
  assert.equal(render(ok("node", "20.20.2"), plain), `ok       ${"node".padEnd(27)} 20.20.2\n`);
  const long = render(warning("x", "word ".repeat(30), "do this"), plain);
  assert.match(long, /^warning {2}x /);
  assert.match(long, /\n {37}-> do this\n$/);
  for (const line of long.split("\n")) assert.ok(line.length <= 80, line);
  const whole = `/a/path/${"that-is-not-broken".repeat(5)}`;
  assert.ok(render(ok("x", `see ${whole} there`), plain).includes(whole));
  assert.ok(!long.includes("\u001b"));
  const coloured = render(problem("x", "y", "z"), { columns: 80, colours: true });
  assert.ok(coloured.startsWith("\u001b[31mproblem\u001b[0m  x "), JSON.stringify(coloured));
});
