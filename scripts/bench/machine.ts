// What a run was made on, so that its figures can be told from another machine's.
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import { dockerClient } from "../../src/backend/docker/dockerode.js";

export interface Machine {
  readonly cpus: string;
  readonly memory: string;
  readonly kernel: string;
  readonly node: string;
  readonly docker: string;
  /** Of the last minute, before the run. */
  readonly loadBefore: number;
}

export async function thisMachine(): Promise<Machine> {
  const { Version } = await dockerClient().version();
  return {
    cpus: `${availableParallelism()} × ${cpus()[0]?.model ?? "unknown"}`,
    memory: `${(totalmem() / 1024 ** 3).toFixed(0)} GiB`,
    kernel: release(),
    node: process.versions.node,
    docker: Version,
    loadBefore: loadavg()[0] ?? Number.NaN,
  };
}

export function machineText({ cpus, memory, kernel, node, docker, loadBefore }: Machine): string {
  const programs = `Linux ${kernel}, Node ${node}, Docker ${docker}`;
  return `${cpus}, ${memory}; ${programs}; load average before: ${loadBefore.toFixed(2)}`;
}
