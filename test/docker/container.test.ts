// What a container is allowed, by the daemon's account and by the kernel's, and what the code in a slot sees of it all.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { onlyContainerOf, runBeside, SANDBOX_IMAGE, startDocker } from "../support/docker-engine.js";

const MIB = 1024 * 1024;
const POOL = { slots_per_container: 2, max_containers: 1, memory_mb: 700, pids: 300, cpus: 1.5 };
const RUNNER_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"];
/** The same as the kernel writes it: bits 0, 1, 3, 5, 6 and 7. */
const RUNNER_CAPABILITY_BITS = "00000000000000eb";

test("a call runs sandboxed in a container and says so", async (t) => {
  const live = await startDocker(t, POOL);
  const stream = await live.open({ trajectoryId: "a" });
  const result = await stream.bash("echo hi; pwd");
  assert.equal(result.status, CallStatus.CALL_STATUS_OK, result.error);
  assert.equal(result.output, "hi\n/workspace");
  assert.equal(result.metadata?.sandboxed, true);
  assert.equal(result.metadata?.network_isolated, true);
  const [pool] = (await live.status()).pools;
  assert.equal(pool?.backend, "docker");
  assert.equal(pool?.isolation, "namespace");
});

test("a container has our labels, its pool's limits, no network, no ports, and little power", async (t) => {
  const live = await startDocker(t, POOL);
  const { Config, HostConfig, NetworkSettings, Mounts } = await (await onlyContainerOf(live.instance)).inspect();
  assert.equal(Config.Image, SANDBOX_IMAGE);
  assert.equal(Config.Labels["switchyard.instance"], live.instance);
  assert.equal(Config.Labels["switchyard.pool"], "default");
  assert.match(Config.Labels["switchyard.nonce"] ?? "", /^[0-9a-f]{32}$/);

  assert.equal(HostConfig.NetworkMode, "none");
  assert.deepEqual(NetworkSettings.Ports, {});
  assert.deepEqual(HostConfig.PortBindings ?? {}, {});
  assert.equal(HostConfig.PublishAllPorts, false);

  assert.equal(HostConfig.Privileged, false);
  assert.deepEqual(HostConfig.CapDrop, ["ALL"]);
  assert.deepEqual(HostConfig.CapAdd?.map((name: string) => name.replace(/^CAP_/, "")).sort(), RUNNER_CAPABILITIES);
  assert.ok(HostConfig.SecurityOpt?.includes("no-new-privileges"));
  assert.ok(HostConfig.SecurityOpt?.some((option: string) => option.startsWith("seccomp={")));
  assert.deepEqual(HostConfig.Devices ?? [], []);
  for (const namespace of [HostConfig.PidMode, HostConfig.UTSMode, HostConfig.UsernsMode]) assert.equal(namespace, "");
  assert.equal(HostConfig.IpcMode, "private");

  assert.equal(HostConfig.PidsLimit, 300);
  assert.equal(HostConfig.Memory, 700 * MIB);
  assert.equal(HostConfig.MemorySwap, 700 * MIB);
  assert.equal(HostConfig.NanoCpus, 1.5e9);
  assert.deepEqual(
    HostConfig.Ulimits?.map(({ Name }) => Name),
    ["nofile"],
  );
  assert.equal(HostConfig.LogConfig?.Type, "none");
  assert.equal(HostConfig.Init, true);
  assert.deepEqual(
    Mounts.map(({ Type, Destination, RW }) => ({ Type, Destination, RW })).sort((a, b) =>
      a.Destination.localeCompare(b.Destination),
    ),
    [
      { Type: "bind", Destination: "/switchyard/link", RW: false },
      { Type: "volume", Destination: "/switchyard/runtime", RW: false },
      { Type: "volume", Destination: "/switchyard/slots", RW: true },
    ],
  );
});

test("the kernel holds the runner to its six capabilities", async (t) => {
  const live = await startDocker(t, POOL);
  const container = await onlyContainerOf(live.instance);
  const [runner = ""] = (await runBeside(container, "pgrep", "-nf", "runner.mjs")).split("\n");
  const status = await runBeside(container, "cat", `/proc/${runner}/status`);
  for (const set of ["CapPrm", "CapEff", "CapBnd"]) {
    assert.match(status, new RegExp(`^${set}:\\s${RUNNER_CAPABILITY_BITS}$`, "m"));
  }
  assert.match(status, /^CapAmb:\s0+$/m);
  assert.match(status, /^NoNewPrivs:\s1$/m);
  assert.match(status, /^Seccomp:\s2$/m);
});

test("code in a slot has no capabilities and can gain none", async (t) => {
  const live = await startDocker(t, POOL);
  const stream = await live.open({ trajectoryId: "a" });
  const { output } = await stream.bash("id -u; cat /proc/self/status");
  assert.match(output, /^1000\n/);
  for (const set of ["Inh", "Prm", "Eff", "Amb"]) assert.match(output, new RegExp(`^Cap${set}:\\s0+$`, "m"));
  assert.match(output, /^NoNewPrivs:\s1$/m);
  const { output: setuid } = await stream.bash("find / -xdev -perm /6000 -type f 2>/dev/null");
  assert.equal(setuid, "");
  for (const attempt of ["mount -t tmpfs none /mnt", "touch /etc/x", "mknod /tmp/d b 8 0", "chroot / true", "dmesg"]) {
    const result = await stream.bash(attempt);
    assert.equal(result.status, CallStatus.CALL_STATUS_NONZERO_EXIT, attempt);
  }
});

test("a command may open its own /dev/stdout and /dev/stderr anew, at every level", async (t) => {
  for (const isolation of ["namespace", "uid", "container"]) {
    const live = await startDocker(t, { slots_per_container: 1, max_containers: 1, isolation });
    const stream = await live.open({ trajectoryId: "a" });
    const { output } = await stream.bash("echo out > /dev/stdout; echo err > /dev/stderr");
    assert.equal(output, "out\n\n[stderr]\nerr", isolation);
  }
});

test("code in a slot has no network", async (t) => {
  const live = await startDocker(t, POOL);
  const stream = await live.open({ trajectoryId: "a" });
  const interfaces = await stream.bash("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '");
  assert.equal(interfaces.output, "lo");
  for (const address of ["1.1.1.1/80", "169.254.169.254/80", "172.17.0.1/22"]) {
    const { status, output } = await stream.bash(`exec 3<>/dev/tcp/${address}`, { timeout: seconds(10) });
    assert.equal(status, CallStatus.CALL_STATUS_NONZERO_EXIT);
    assert.match(output, /Network is unreachable/);
  }
});

test("code in a slot sees neither the other slots, nor the runner, nor the Docker socket", async (t) => {
  const live = await startDocker(t, POOL);
  const neighbour = await live.open({ trajectoryId: "neighbour" });
  const litter =
    "for f in /workspace /tmp /dev/shm; do echo xyzzy > $f/secret-xyzzy; done; SECRET=xyzzy setsid -f sleep 900";
  assert.equal((await neighbour.bash(litter)).status, CallStatus.CALL_STATUS_OK);
  const stream = await live.open({ trajectoryId: "a" });

  const search = "find / /proc/*/root /proc/*/cwd -name 'secret-*' -o -name docker.sock -o -name runner.mjs";
  assert.equal((await stream.bash(`{ ${search}; } 2>/dev/null`)).output, "");
  assert.match((await stream.bash("ls -d /switchyard")).output, /No such file/);
  const processes = (await stream.bash("ps -eo args=")).output.split("\n");
  assert.match(processes[0] ?? "", /^switchyard-launcher/);
  assert.deepEqual(
    processes.slice(1).map((args) => args.trim().split(" ")[0]),
    ["ps"],
  );
  const environments = await stream.bash(
    "cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -E 'NONCE|SECRET|SWITCHYARD'",
  );
  assert.equal(environments.output, "");
  // Of the container's volumes only the slot's own two folders, and what both lie in, below a /tmp that nothing takes away.
  const mounts = await stream.bash("grep /docker/volumes/ /proc/self/mountinfo | cut -d' ' -f5 | sort");
  assert.equal(mounts.output, "/run/switchyard\n/tmp/slot\n/workspace");
  const uncovered = await stream.bash("unshare -Urm sh -c 'umount /tmp || umount -l /tmp; ls /tmp/slot; echo over'");
  assert.match(uncovered.output, /umount: (.|\n)*cannot access '\/tmp\/slot'/);
  // Nothing of the runner's link is inherited either: the three of a call, and the one that ls opens.
  assert.equal((await stream.bash("ls /proc/self/fd | wc -l")).output, "4");
});

test("slots of one container have different users on the host", async (t) => {
  const live = await startDocker(t, POOL);
  const streams = await Promise.all(["a", "b"].map((trajectoryId) => live.open({ trajectoryId })));
  await Promise.all(streams.map((stream, index) => stream.bash(`setsid -f sleep 80${index}`)));
  const container = await onlyContainerOf(live.instance);
  const { Processes }: { Processes: string[][] } = await container.top({ ps_args: "-eo uid,pid,args" });
  const sleepers = Processes.filter((columns) => /^sleep 80/.test(columns.slice(2).join(" ")));
  const owners = new Set(sleepers.map(([uid]) => Number(uid)));
  assert.equal(owners.size, 2);
  for (const owner of owners) assert.ok(owner > 65_534, `uid ${owner} may be another's`);
});

function seconds(count: number) {
  return { seconds: BigInt(count), nanos: 0 };
}
