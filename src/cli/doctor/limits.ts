// What the configured limits are worth on this machine: which nobody enforces, and which promise more than there is.
import { statfsSync } from "node:fs";
import type { EngineFacts } from "../../backend/docker/engine-facts.js";
import type { Config, PoolConfig } from "../../config/schema.js";
import { type Check, note, ok, warning } from "./check.js";
import { isSameMachine } from "./engine.js";
import { sysctl, textOf } from "./proc.js";

const MIB = 1024 * 1024;
/** Processes of a container beside those of its slots: init, runner and its threads. */
const OWN_PROCESSES = 50;
/** The kernel takes no more, on 64 bits. */
const PID_MAX_MAX = 4_194_304;
const CAP_SYS_RESOURCE = 24n;

type Pools = Config["pools"];

export function checkDockerLimits(pools: Pools, facts: EngineFacts): Check[] {
  const sameMachine = isSameMachine(facts);
  return [
    ...checkControllers(facts),
    ...Object.entries(pools).flatMap(([name, pool]) => checkRuntimeArguments(name, pool, facts)),
    checkMemory(pools, facts.memoryBytes),
    ...(sameMachine ? [checkProcesses(pools)] : []),
    ...checkWorkspaces(pools, sameMachine ? facts.rootFolder : undefined),
  ];
}

export function checkProcessLimits(pools: Pools): Check[] {
  const found = "the process backend enforces the limits of each slot, but not memory_mb, cpus and pids of a container";
  return [
    note("limits.container", found, "use Docker where a slot's hunger must not harm the machine"),
    checkProcesses(pools),
    ...checkWorkspaces(pools, undefined),
    ...checkPrivilege(),
  ];
}

export function checkControllers({
  enforces,
  cgroupVersion,
}: Pick<EngineFacts, "enforces" | "cgroupVersion">): Check[] {
  const missing = [
    ...(enforces.memory ? [] : ["memory_mb (memory controller)"]),
    ...(enforces.swap || !enforces.memory
      ? []
      : ["swap: a container may use as much again as memory_mb (swap accounting)"]),
    ...(enforces.cpus ? [] : ["cpus (CFS quota)"]),
    ...(enforces.pids ? [] : ["pids (pids controller)"]),
  ];
  if (missing.length === 0) return [ok("limits.cgroup", "memory, swap, cpus and pids of a container are enforced")];
  const how = cgroupVersion === "1" ? "mount these cgroup controllers" : "delegate these controllers to the daemon";
  const advice = `${how}; for memory and swap, boot with cgroup_enable=memory swapaccount=1`;
  return [warning("limits.cgroup", `not enforced here: ${missing.join("; ")}`, advice)];
}

function checkRuntimeArguments(name: string, { runtime }: PoolConfig, { runtimes }: EngineFacts): Check[] {
  if (!runtimes.get(runtime)?.includes("--ignore-cgroups")) return [];
  const found = `${runtime} runs with --ignore-cgroups: memory_mb, cpus and pids are not enforced`;
  const advice = 'take --ignore-cgroups out of its "runtimeArgs" in /etc/docker/daemon.json, if this machine allows it';
  return [warning(`pools.${name}.runtime.limits`, found, advice)];
}

export function checkMemory(pools: Pools, machineBytes: number): Check {
  const promisedMb = sum(pools, (pool) => pool.max_containers * pool.memory_mb);
  const found = `all containers at once may use ${gib(promisedMb)} of ${gib(machineBytes / MIB)}`;
  if (promisedMb * MIB <= machineBytes) return ok("limits.memory", found);
  const advice = "lower max_containers or memory_mb, or the kernel may kill what it likes when slots use what they may";
  return warning("limits.memory", found, advice);
}

/** The most that the slots may have, which their own limits and their container's bound. */
export function checkProcesses(pools: Pools, read = sysctl): Check {
  const promised = sum(pools, ({ max_containers, pids, slots_per_container, slot }) => {
    return max_containers * Math.min(pids, slots_per_container * slot.processes + OWN_PROCESSES);
  });
  const bounds = ["kernel.pid_max", "kernel.threads-max"].map((name) => ({ name, max: read(name) ?? Infinity }));
  const tightest = bounds.reduce((least, bound) => (bound.max < least.max ? bound : least));
  const found = `all slots at once may have ${promised} processes; ${tightest.name} is ${tightest.max}`;
  if (promised <= tightest.max) return ok("limits.processes", found);
  const advice = `sysctl -w ${tightest.name}=${Math.min(Math.max(promised * 2, 65_536), PID_MAX_MAX)}, or lower slot.processes`;
  return warning("limits.processes", found, advice);
}

/** `folder` is where the daemon keeps them, if that can be seen from here. */
export function checkWorkspaces(pools: Pools, folder: string | undefined): Check[] {
  const onDisk = Object.entries(pools).filter(([, { workspace }]) => workspace.medium === "disk");
  const inMemory = Object.entries(pools).filter(([, { workspace }]) => workspace.medium === "memory");
  return [
    ...(onDisk.length === 0 ? [] : [diskWorkspaces(Object.fromEntries(onDisk), folder)]),
    ...inMemory.map(([name, pool]) => memoryWorkspaces(name, pool)),
  ];
}

function diskWorkspaces(pools: Pools, folder: string | undefined): Check {
  const all = gib(sum(pools, (pool) => pool.max_containers * pool.slots_per_container * pool.workspace.size_mb));
  const free = folder === undefined ? "" : freeSpace(folder);
  const found = `no disk quota: workspace.size_mb is looked at once a second, and overrun in between; all slots at once may hold ${all}${free}`;
  return note("limits.workspace", found, "workspace.medium: memory has a hard size");
}

function memoryWorkspaces(name: string, { slots_per_container, memory_mb, workspace }: PoolConfig): Check {
  const check = `pools.${name}.workspace`;
  const allMb = slots_per_container * workspace.size_mb;
  const found = `workspaces of ${gib(allMb)} in memory, in a container of ${gib(memory_mb)}`;
  if (allMb <= memory_mb) return ok(check, found);
  return warning(check, `${found}: full ones end in OUT_OF_MEMORY`, "lower workspace.size_mb, or raise memory_mb");
}

/** Slots raise their own score, so they die first; the server could only be put further out of reach by privilege. */
function checkPrivilege(): Check[] {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(textOf("/proc/self/status"))?.[1];
  if (effective === undefined || (BigInt(`0x${effective}`) >> CAP_SYS_RESOURCE) & 1n) return [];
  const found =
    "no CAP_SYS_RESOURCE: the server cannot be given a negative oom_score_adj; slots have a higher one than it";
  return [note("limits.oom_score_adj", found)];
}

function freeSpace(folder: string): string {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return `, ${gib((bavail * bsize) / MIB)} are free in ${folder}`;
  } catch {
    return "";
  }
}

function sum(pools: Pools, of: (pool: PoolConfig) => number): number {
  return Object.values(pools).reduce((total, pool) => total + of(pool), 0);
}

function gib(mib: number): string {
  return mib < 1024 ? `${Math.round(mib)} MiB` : `${(mib / 1024).toFixed(1)} GiB`;
}
