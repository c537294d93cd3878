// From the configuration to the backend, and to what it and its runners are told of each pool.
import type { Backend } from "../backend/backend.js";
import { DockerBackend, findDocker } from "../backend/docker/docker-backend.js";
import { ProcessBackend } from "../backend/process/process-backend.js";
import type { RunnerSettings } from "../backend/runner-settings.js";
import type { Config, PoolConfig } from "../config/schema.js";

type BackendPart = Omit<ConstructorParameters<typeof DockerBackend>[0], "pools">;

/** The backend that the configuration asks for, for all its pools. */
export async function makeBackend(config: Config, part: BackendPart): Promise<Backend> {
  const pools = new Map(Object.entries(config.pools).map(([name, pool]) => [name, poolSettings(config, pool)]));
  if (config.backend === "process") return new ProcessBackend({ ...part, pools });
  if (config.backend === "auto") {
    const docker = await findDocker();
    if (!docker.found) {
      part.log.warn(
        { reason: docker.reason },
        "NO DOCKER DAEMON ANSWERS: slots are made by the process backend, on this machine",
      );
      return new ProcessBackend({ ...part, pools });
    }
  }
  return new DockerBackend({ ...part, pools });
}

/** What a backend and its runners are told of one pool. */
export function poolSettings(config: Config, pool: PoolConfig) {
  const { policy } = config;
  const settings: RunnerSettings = {
    slots: pool.slots_per_container,
    isolation: pool.isolation,
    allowNetwork: policy.allow_network && pool.network !== "none",
    requireSandbox: policy.require_sandbox,
    outputCharsMax: config.output.chars_max,
    fileBytesMax: config.files.bytes_max,
    graceS: config.runner.grace_s,
    slot: {
      processes: pool.slot.processes,
      openFiles: pool.slot.open_files,
      fileMb: pool.slot.file_mb,
      memoryMb: pool.slot.memory_mb,
      scratchMb: pool.slot.scratch_mb,
      workspaceMb: pool.workspace.size_mb,
      workspaceInMemory: pool.workspace.medium === "memory",
    },
  };
  return {
    ...settings,
    image: pool.image,
    runtime: pool.runtime,
    network: policy.allow_network ? pool.network : "none",
    memoryMb: pool.memory_mb,
    cpus: pool.cpus,
    pids: pool.pids,
  };
}
