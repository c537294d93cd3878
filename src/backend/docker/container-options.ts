// What Docker is asked for when a container of a pool is made: limits, no power, no network, the runner as its command.
import type { ContainerCreateOptions } from "dockerode";
import { RUNNER_COMMAND, RUNTIME_FOLDER } from "./runtime-volume.js";
import { seccompProfile } from "./seccomp.js";

export interface DockerPool {
  readonly image: string;
  readonly runtime: string;
  /** Docker network of the containers; `none` unless the policy allows one. */
  readonly network: string;
  readonly memoryMb: number;
  readonly cpus: number;
  readonly pids: number;
}

export const INSTANCE_LABEL = "switchyard.instance";
export const POOL_LABEL = "switchyard.pool";
export const NONCE_LABEL = "switchyard.nonce";

/** What the runner needs, as root in its container, to give each slot a user of its own and to clean up after it. */
const CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"];
/** Below the limit that a daemon is usually started with, which a container cannot exceed. */
const OPEN_FILES_MAX = 16_384;
const MIB = 1024 * 1024;

export function containerOptions(
  identity: { readonly instance: string; readonly pool: string; readonly nonce: string },
  pool: DockerPool,
  runtimeVolume: string,
): ContainerCreateOptions {
  const { instance, pool: poolName, nonce } = identity;
  return {
    name: `switchyard-${instance}-${nonce.slice(0, 12)}`.replace(/[^A-Za-z0-9_.-]/g, "-"),
    Image: pool.image,
    Entrypoint: RUNNER_COMMAND,
    Cmd: [],
    User: "0:0",
    WorkingDir: "/",
    Env: ["SWITCHYARD_SLOTS_FOLDER=/switchyard/slots", "SWITCHYARD_SYSTEM=image", `SWITCHYARD_NONCE=${nonce}`],
    Labels: { [INSTANCE_LABEL]: instance, [POOL_LABEL]: poolName, [NONCE_LABEL]: nonce },
    // OpenStdin without StdinOnce: the link survives a detach.
    OpenStdin: true,
    StdinOnce: false,
    Tty: false,
    HostConfig: {
      Init: true,
      AutoRemove: true,
      Runtime: pool.runtime,
      NetworkMode: pool.network,
      CapDrop: ["ALL"],
      CapAdd: CAPABILITIES,
      SecurityOpt: ["no-new-privileges", `seccomp=${seccompProfile()}`],
      // Docker's masks over /proc would forbid a sandbox its own /proc; inside it there is nothing of ours to see.
      MaskedPaths: [],
      ReadonlyPaths: [],
      PidsLimit: pool.pids,
      Memory: pool.memoryMb * MIB,
      MemorySwap: pool.memoryMb * MIB,
      NanoCpus: Math.round(pool.cpus * 1e9),
      Ulimits: [{ Name: "nofile", Soft: OPEN_FILES_MAX, Hard: OPEN_FILES_MAX }],
      LogConfig: { Type: "none", Config: {} },
      Mounts: [{ Type: "volume", Source: runtimeVolume, Target: RUNTIME_FOLDER, ReadOnly: true }],
    },
  };
}
