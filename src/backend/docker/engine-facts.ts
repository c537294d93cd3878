// What a Docker daemon says about itself, and what it holds of ours; for whoever judges whether pools can run on it.
// It only asks, and changes nothing.
import { messageOf } from "../../core/errors.js";
import { dockerClient } from "./dockerode.js";
import { DEFAULT_IMAGE, hasImage } from "./image.js";
import { findRuntimeVolume } from "./runtime-volume.js";

const ANSWER_MS_MAX = 10_000;
const DEFAULT_SOCKET = "unix:///var/run/docker.sock";

export interface EngineFacts {
  readonly version: string;
  readonly apiVersion: string;
  readonly osType: string;
  /** As the kernel names it: x86_64, aarch64. */
  readonly architecture: string;
  readonly kernel: string;
  readonly storageDriver: string;
  readonly backingFileSystem: string;
  readonly cgroupVersion: string;
  readonly cgroupDriver: string;
  readonly liveRestore: boolean;
  /** Names, such as seccomp, apparmor, rootless, userns. */
  readonly securityOptions: readonly string[];
  readonly runc: string;
  readonly containerd: string;
  /** Name of each runtime to the arguments that the daemon gives it. */
  readonly runtimes: ReadonlyMap<string, readonly string[]>;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly rootFolder: string;
  /** Which limits of a container its kernel can enforce. */
  readonly enforces: {
    readonly memory: boolean;
    readonly swap: boolean;
    readonly cpus: boolean;
    readonly pids: boolean;
  };
}

export type Engine =
  | { readonly reachable: true; readonly address: string; readonly facts: EngineFacts }
  | { readonly reachable: false; readonly address: string; readonly code: string; readonly reason: string };

/** Never rejects. */
export async function readEngine(): Promise<Engine> {
  const address = process.env.DOCKER_HOST || DEFAULT_SOCKET;
  try {
    const docker = dockerClient({ timeout: ANSWER_MS_MAX });
    const [info, version]: [unknown, unknown] = await Promise.all([docker.info(), docker.version()]);
    return { reachable: true, address, facts: readFacts(info, version) };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return { reachable: false, address, code, reason: messageOf(error) || code || "no answer" };
  }
}

export type ImageState = "there" | "missing" | "buildable";

/** Whether the daemon has an image; `buildable` is the default one, which the server makes when it is missing. */
export async function lookUpImage(image: string): Promise<ImageState> {
  if (await hasImage(dockerClient({ timeout: ANSWER_MS_MAX }), image)) return "there";
  return image === DEFAULT_IMAGE ? "buildable" : "missing";
}

/** Rejects where this machine has nothing to make the volume of. */
export function lookUpRuntimeVolume(): Promise<{ digest: string; name: string | undefined }> {
  return findRuntimeVolume(dockerClient({ timeout: ANSWER_MS_MAX }));
}

/** Of the answers of `/info` and `/version`; what a daemon leaves out is empty, or counts as not enforced. */
export function readFacts(info: unknown, version: unknown): EngineFacts {
  const runtimes = Object.entries(record(at(info, "Runtimes")));
  return {
    version: text(at(info, "ServerVersion")),
    apiVersion: text(at(version, "ApiVersion")),
    osType: text(at(info, "OSType")),
    architecture: text(at(info, "Architecture")),
    kernel: text(at(info, "KernelVersion")),
    storageDriver: text(at(info, "Driver")),
    backingFileSystem: driverStatus(info, "Backing Filesystem"),
    cgroupVersion: text(at(info, "CgroupVersion")) || "1",
    cgroupDriver: text(at(info, "CgroupDriver")),
    liveRestore: at(info, "LiveRestoreEnabled") === true,
    securityOptions: list(at(info, "SecurityOptions")).map(nameOfOption),
    runc: component(info, version, "runc"),
    containerd: component(info, version, "containerd"),
    runtimes: new Map(runtimes.map(([name, runtime]) => [name, list(at(runtime, "runtimeArgs"))])),
    cpus: Number(at(info, "NCPU") ?? 0),
    memoryBytes: Number(at(info, "MemTotal") ?? 0),
    rootFolder: text(at(info, "DockerRootDir")),
    enforces: {
      memory: at(info, "MemoryLimit") === true,
      swap: at(info, "SwapLimit") === true,
      cpus: at(info, "CpuCfsQuota") === true,
      pids: at(info, "PidsLimit") === true,
    },
  };
}

/** A distribution's full package version stands where others have a commit; of a commit the version says more. */
function component(info: unknown, version: unknown, name: "runc" | "containerd"): string {
  const commit = text(at(at(info, name === "runc" ? "RuncCommit" : "ContainerdCommit"), "ID"));
  if (/^v?\d+\.\d+/.test(commit)) return commit;
  const components = at(version, "Components");
  const found = Array.isArray(components) ? components.find((it: unknown) => at(it, "Name") === name) : undefined;
  return text(at(found, "Version")) || commit;
}

/** Of `name=seccomp,profile=default`, as of `seccomp`, which old daemons say. */
function nameOfOption(option: string): string {
  return (option.split(",")[0] ?? "").replace(/^name=/, "");
}

function driverStatus(info: unknown, name: string): string {
  const rows = at(info, "DriverStatus");
  const row: unknown = Array.isArray(rows)
    ? rows.find((it: unknown) => Array.isArray(it) && it[0] === name)
    : undefined;
  return Array.isArray(row) ? text(row[1]) : "";
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function at(value: unknown, key: string): unknown {
  return record(value)[key];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function list(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
