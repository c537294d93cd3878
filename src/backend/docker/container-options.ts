// What Docker is asked for when a container of a pool is made: limits, no power, no network, the runner as its command.
import type { ContainerCreateOptions } from "dockerode";
import { Init } from "../../gen/switchyard/runner/v1/runner.js";
import type { SlotSettings } from "../runner-settings.js";
import { LINK_FOLDER, LINK_SOCKET } from "./link-socket.js";
import { RUNNER_COMMAND, RUNTIME_FOLDER } from "./runtime-files.js";
import { seccompProfile } from "./seccomp.js";

export interface DockerPool {
  readonly image: string;
  /** As configured; `auto` counts as `namespace` until the runner has found out. */
  readonly isolation: string;
  readonly slots: number;
  readonly slot: Pick<SlotSettings, "processes" | "workspaceMb" | "workspaceInMemory">;
  readonly runtime: string;
  /** Docker network of the containers; `none` unless the policy allows one. */
  readonly network: string;
  readonly memoryMb: number;
  readonly cpus: number;
  readonly pids: number;
}

export const INSTANCE_LABEL = "switchyard.instance";
const POOL_LABEL = "switchyard.pool";
const NONCE_LABEL = "switchyard.nonce";
/** What the runner was told at its start. */
const INIT_LABEL = "switchyard.init";
/** Seals leases; nothing in a container can read its labels. */
const KEY_LABEL = "switchyard.key";
/** Fingerprint of the settings that it was made for. */
const SETTINGS_LABEL = "switchyard.settings";
/** Where the socket beside its attach stream is, on the host. */
const LINK_LABEL = "switchyard.link";

/** What a container's labels hold of it for the next server. */
export interface ContainerLabels {
  readonly instance: string;
  readonly pool: string;
  readonly nonce: string;
  readonly init: Init;
  readonly key: Buffer;
  readonly settings: string;
  /** Undefined where the daemon does not see the server's folders. */
  readonly linkFolder: string | undefined;
}

function writeLabels({
  instance,
  pool,
  nonce,
  init,
  key,
  settings,
  linkFolder,
}: ContainerLabels): Record<string, string> {
  return {
    [INSTANCE_LABEL]: instance,
    [POOL_LABEL]: pool,
    [NONCE_LABEL]: nonce,
    [INIT_LABEL]: Buffer.from(Init.encode(init).finish()).toString("base64"),
    [KEY_LABEL]: key.toString("base64"),
    [SETTINGS_LABEL]: settings,
    ...(linkFolder && { [LINK_LABEL]: linkFolder }),
  };
}

/** Undefined for a container that a server of this version did not make. */
export function readLabels(labels: Readonly<Record<string, string>>): ContainerLabels | undefined {
  const values = [INSTANCE_LABEL, POOL_LABEL, NONCE_LABEL, INIT_LABEL, KEY_LABEL, SETTINGS_LABEL].map(
    (it) => labels[it],
  );
  const [instance, pool, nonce, init, key, settings] = values;
  if (!instance || !pool || !nonce || !init || !key || !settings) return undefined;
  return {
    instance,
    pool,
    nonce,
    init: Init.decode(Buffer.from(init, "base64")),
    key: Buffer.from(key, "base64"),
    settings,
    linkFolder: labels[LINK_LABEL],
  };
}

/** What the runner needs, as root in its container, to give each slot a user of its own and to clean up after it. */
const CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"];
/** Below the limit that a daemon is usually started with, which a container cannot exceed. */
export const OPEN_FILES_MAX = 16_384;
/** Docker's own list, and what else of the kernel root may read in any container. */
const MASKED_PATHS = [
  ...["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug"],
  ...["/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"],
  ...["/proc/kallsyms", "/proc/kpagecount", "/proc/kpageflags", "/proc/pagetypeinfo", "/proc/slabinfo"],
  ...["/proc/vmallocinfo", "/sys/kernel/slab"],
];
/** Threads of the runner and its launcher, with room. */
const RUNNER_PIDS = 64;
const SLOTS_FOLDER = "/switchyard/slots";
/** What /tmp, /var/tmp, /run and /dev/shm of a container hold at most, each. */
const SCRATCH_MB = 512;
const MIB = 1024 * 1024;

export function containerOptions(
  identity: ContainerLabels,
  pool: DockerPool,
  { runtimeVolume, liveRestore }: { readonly runtimeVolume: string; readonly liveRestore: boolean },
): ContainerCreateOptions {
  return {
    Image: pool.image,
    Entrypoint: RUNNER_COMMAND,
    Cmd: [],
    User: "0:0",
    WorkingDir: "/",
    Env: [
      `SWITCHYARD_SLOTS_FOLDER=${SLOTS_FOLDER}`,
      `SWITCHYARD_RUNTIME=${RUNTIME_FOLDER}`,
      "SWITCHYARD_SYSTEM=image",
      `SWITCHYARD_NONCE=${identity.nonce}`,
      ...(identity.linkFolder ? [`SWITCHYARD_LINK_SOCKET=${LINK_SOCKET}`] : []),
    ],
    Labels: writeLabels(identity),
    // OpenStdin without StdinOnce: the link survives a detach.
    OpenStdin: true,
    StdinOnce: false,
    Tty: false,
    HostConfig: {
      Init: true,
      // A daemon that restarts and keeps its containers alive would remove these all the same. Without live-restore they
      // are dead by then, and whoever ends by itself should leave nothing.
      AutoRemove: !liveRestore,
      Runtime: pool.runtime,
      NetworkMode: pool.network,
      CapDrop: ["ALL"],
      CapAdd: CAPABILITIES,
      ...confinement(pool.isolation),
      ShmSize: SCRATCH_MB * MIB,
      // No other limit binds the root that commands run as where the sandbox is the container.
      PidsLimit: pool.isolation === "container" ? Math.min(pool.pids, pool.slot.processes + RUNNER_PIDS) : pool.pids,
      Memory: pool.memoryMb * MIB,
      MemorySwap: pool.memoryMb * MIB,
      NanoCpus: Math.round(pool.cpus * 1e9),
      Ulimits: [{ Name: "nofile", Soft: OPEN_FILES_MAX, Hard: OPEN_FILES_MAX }],
      LogConfig: { Type: "none", Config: {} },
      Mounts: [
        { Type: "volume", Source: runtimeVolume, Target: RUNTIME_FOLDER, ReadOnly: true },
        ...(identity.linkFolder ? [linkMount(identity.linkFolder)] : []),
        // A volume of its own, gone with the container: an image's overlay is slow at many small files.
        ...(pool.slot.workspaceInMemory ? [] : [{ Type: "volume" as const, Source: "", Target: SLOTS_FOLDER }]),
      ],
      Tmpfs: { ...scratchFolders(pool), ...workspacesInMemory(pool) },
    },
  };
}

/** Read-only: whoever is root in the container can connect there, and make nothing. */
function linkMount(folder: string) {
  return { Type: "bind" as const, Source: folder, Target: LINK_FOLDER, ReadOnly: true };
}

/** What holds the code that runs: with namespaces each slot's own sandbox does, else Docker's defaults. */
function confinement(isolation: string) {
  if (isolation === "uid" || isolation === "container") {
    return { SecurityOpt: ["no-new-privileges"], MaskedPaths: MASKED_PATHS, ReadonlyRootfs: isolation === "uid" };
  }
  return {
    SecurityOpt: ["no-new-privileges", `seccomp=${seccompProfile()}`],
    // Docker's masks over /proc would forbid a sandbox its own /proc; inside it there is nothing of ours to see.
    MaskedPaths: [],
    ReadonlyPaths: [],
    ReadonlyRootfs: true,
  };
}

/** A container that serves one trajectory keeps its image's folders, writable as they are. */
function scratchFolders({ isolation }: DockerPool): Record<string, string> {
  if (isolation === "container") return {};
  const options = `rw,nosuid,nodev,mode=1777,size=${SCRATCH_MB}m`;
  return { "/tmp": options, "/var/tmp": options, "/run": `rw,nosuid,nodev,mode=0755,size=${SCRATCH_MB}m` };
}

function workspacesInMemory({ slot, slots }: DockerPool): Record<string, string> {
  if (!slot.workspaceInMemory) return {};
  return { [SLOTS_FOLDER]: `rw,nosuid,nodev,mode=0711,size=${slots * slot.workspaceMb}m` };
}
