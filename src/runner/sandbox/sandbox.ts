// What stands around a slot: its folders, the command line that enters its isolation once, and who its processes are.
// The launcher is what runs inside.
//
//   namespace  bubblewrap: user, pid, mount, ipc, uts and net namespaces of its own, and a user of its own on the host
//   uid        a user of its own, who reaches no other slot's workspace
//   container  nothing of its own: the container is the sandbox, and serves one trajectory
//   none       nothing at all, for a server that may not choose users
import { constants, readdirSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { launcherCommand, type ProcessLimits } from "./launcher-source.js";

/** The workspace as commands and file tools see it inside a sandbox of their own mounts. */
const WORKSPACE_INSIDE = "/workspace";
const RUN_INSIDE = "/run/switchyard";
/** Seen inside a namespace sandbox as user and group; the sandbox image gives it a name. */
const UID_INSIDE = "1000";
/** Nothing large belongs into /run. */
const RUN_BYTES = 16 * 1024 * 1024;

export type SandboxKind = "namespace" | "uid" | "container" | "none";

export interface SlotLimits extends ProcessLimits {
  /** Resident bytes of all processes of a slot together. */
  readonly memoryBytes: number;
  readonly workspaceBytes: number;
  readonly workspaceInMemory: boolean;
  /** Bytes that /tmp and /dev/shm of a namespace sandbox hold at most, each. */
  readonly scratchBytes: number;
}

export interface SandboxSpec {
  readonly kind: SandboxKind;
  /** The slot's own folder, which holds `workspace` and `run`. */
  readonly folder: string;
  readonly allowNetwork: boolean;
  /** Top-level folders that commands must not see, beside /proc, /dev, /sys, /tmp and /run. */
  readonly hidden: readonly string[];
  /** The slot's own user on the host; absent: the runner's. */
  readonly uid?: number;
  /** The interpreter for the launcher. */
  readonly perl: readonly string[];
  readonly limits: SlotLimits;
}

export interface SandboxEntry {
  readonly command: readonly string[];
  /** Who runs the command; absent: the runner's user. */
  readonly uid?: number;
  /** Whether the launcher is a child of what the command starts, in a pid namespace of its own. */
  readonly isWrapped: boolean;
  /** Where commands find the workspace. */
  readonly workspace: string;
  /** Where commands find the run folder. */
  readonly run: string;
}

export function workspaceFolder(slotFolder: string): string {
  return join(slotFolder, "workspace");
}

export function runFolder(slotFolder: string): string {
  return join(slotFolder, "run");
}

/** How to enter the sandbox with a launcher in it. */
export function sandboxEntry(spec: SandboxSpec): SandboxEntry {
  const { kind, perl, limits, folder, uid } = spec;
  const own = uid === undefined ? {} : { uid };
  if (kind === "namespace") {
    // Inside, the runner's own files are not to be seen, so the interpreter is the image's.
    const launcher = launcherCommand({ perl: ["perl"], runFolder: RUN_INSIDE, isAlone: true, limits });
    const command = ["bwrap", ...namespaceArguments(spec), ...launcher];
    return { command, workspace: WORKSPACE_INSIDE, run: RUN_INSIDE, isWrapped: true, ...own };
  }
  // The launcher keeps the runner's user, out of reach of what it starts.
  const launcher = launcherCommand({ perl, runFolder: runFolder(folder), isAlone: false, limits, ...own });
  return { command: launcher, workspace: workspaceFolder(folder), run: runFolder(folder), isWrapped: false };
}

function namespaceArguments(spec: SandboxSpec): string[] {
  const { limits, folder } = spec;
  return [
    ...["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
    ...(spec.allowNetwork ? [] : ["--unshare-net"]),
    ...["--uid", UID_INSIDE, "--gid", UID_INSIDE, "--hostname", "slot"],
    // As pid 1 the launcher is out of reach of `kill -9 -1`, and its end is the end of every process in the slot.
    ...["--die-with-parent", "--as-pid-1"],
    ...systemMounts(spec.hidden),
    ...["--proc", "/proc", "--dev", "/dev"],
    ...scratch("/tmp", "1777", limits.scratchBytes),
    ...scratch("/run", "0755", RUN_BYTES),
    ...scratch("/dev/shm", "1777", limits.scratchBytes),
    ...(limits.workspaceInMemory
      ? scratch(WORKSPACE_INSIDE, "0700", limits.workspaceBytes)
      : ["--bind", workspaceFolder(folder), WORKSPACE_INSIDE]),
    ...["--bind", runFolder(folder), RUN_INSIDE],
    // The rest of /dev is a tmpfs that bubblewrap gives no size.
    ...["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORKSPACE_INSIDE, "--"],
  ];
}

function scratch(path: string, mode: string, bytes: number): string[] {
  return ["--perms", mode, "--size", String(bytes), "--tmpfs", path];
}

/** The system, read-only, entry by entry: a bind of / itself would bring the other slots' folders along. */
function systemMounts(hidden: readonly string[]): string[] {
  const own = new Set(["proc", "dev", "sys", "tmp", "run", "workspace", "lost+found", ...hidden]);
  const mounts: string[] = [];
  for (const entry of readdirSync("/", { withFileTypes: true })) {
    if (own.has(entry.name) || entry.name.startsWith(".")) continue;
    const path = `/${entry.name}`;
    if (entry.isSymbolicLink()) mounts.push("--symlink", readlinkSync(path), path);
    else if (entry.isDirectory() && isOpenToAll(path)) mounts.push("--ro-bind", path, path);
  }
  return mounts;
}

function isOpenToAll(path: string): boolean {
  return (statSync(path).mode & constants.S_IXOTH) !== 0;
}
