// What stands around a slot: its folders, the command line that enters its isolation once, and who its processes are.
// The launcher is what runs inside.
//
//   namespace  bubblewrap: user, pid, mount, ipc, uts and net namespaces of its own, and a user of its own on the host; in it,
//              for each opening of the slot, a cell (launcher/warden.c)
//   uid        a user of its own, who reaches no other slot's workspace
//   container  nothing of its own: the container is the sandbox, and serves one trajectory
//   none       nothing at all, for a server that may not choose users
import { constants, readdirSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { launcherCommand, type ProcessLimits } from "./launcher-command.js";

/** The workspace as commands and file tools see it inside a sandbox of their own mounts. */
const WORKSPACE_INSIDE = "/workspace";
const RUN_INSIDE = "/run/switchyard";
/** Where bubblewrap shows the warden the slot's folder; a cell has a /tmp of its own in front of it. */
const SLOT_INSIDE = "/tmp/slot";
const CHANNEL_FOLDER = "channel";
/** What the warden needs, all of it in its own user namespace: to make namespaces and mounts, to bring up lo, to drop this. */
const WARDEN_CAPABILITIES = ["CAP_SETPCAP", "CAP_NET_ADMIN", "CAP_SYS_ADMIN"];
/** Inside a namespace the runner's own files are not to be seen: there the launcher is a descriptor, the first after stderr. */
const LAUNCHER_INSIDE = "/proc/self/fd/3";
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

/** The launcher's program, for the runner's own architecture. */
export interface LauncherFile {
  readonly path: string;
  /** Open for as long as the runner lives. */
  readonly fd: number;
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
  readonly launcher: LauncherFile;
  /** The interpreter for scripts. */
  readonly perl: readonly string[];
  readonly limits: SlotLimits;
}

export interface SandboxEntry {
  readonly command: readonly string[];
  /** Who runs the command; absent: the runner's user. */
  readonly uid?: number;
  /** Whether the command starts a warden, as the child of what it starts and in a pid namespace of its own. */
  readonly isWrapped: boolean;
  /** The launcher's program, where it is the first descriptor after stderr. */
  readonly launcherFd?: number;
  /** The interpreter for scripts, with what must come before its own arguments. */
  readonly perl: readonly string[];
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

/** Where a warden and its runner meet. */
export function channelFolder(slotFolder: string): string {
  return join(slotFolder, CHANNEL_FOLDER);
}

/** How to enter the sandbox with a launcher in it. */
export function sandboxEntry(spec: SandboxSpec): SandboxEntry {
  const { kind, launcher, perl, limits, folder, uid } = spec;
  const own = uid === undefined ? {} : { uid };
  if (kind === "namespace") {
    const cell = {
      hasNetwork: spec.allowNetwork,
      scratchBytes: limits.scratchBytes,
      runBytes: RUN_BYTES,
      workspaceBytes: limits.workspaceInMemory ? limits.workspaceBytes : 0,
    };
    const inside = launcherCommand({ program: LAUNCHER_INSIDE, runFolder: RUN_INSIDE, isAlone: true, limits, cell });
    return {
      command: ["bwrap", ...namespaceArguments(spec), ...inside],
      launcherFd: launcher.fd,
      // The runner's own is not to be seen, so it is the image's.
      perl: ["perl"],
      workspace: WORKSPACE_INSIDE,
      run: RUN_INSIDE,
      isWrapped: true,
      ...own,
    };
  }
  // The launcher keeps the runner's user, out of reach of what it starts.
  const run = runFolder(folder);
  const command = launcherCommand({ program: launcher.path, runFolder: run, isAlone: false, limits, ...own });
  return { command, perl, workspace: workspaceFolder(folder), run, isWrapped: false };
}

function namespaceArguments(spec: SandboxSpec): string[] {
  return [
    ...["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
    ...(spec.allowNetwork ? [] : ["--unshare-net"]),
    ...["--uid", UID_INSIDE, "--gid", UID_INSIDE, "--hostname", "slot"],
    // The end of the warden, which is pid 1, is the end of every process in the slot.
    ...["--die-with-parent", "--as-pid-1"],
    ...WARDEN_CAPABILITIES.flatMap((capability) => ["--cap-add", capability]),
    ...systemMounts(spec.hidden),
    ...["--proc", "/proc", "--dev", "/dev"],
    // Where a cell mounts what is its own.
    ...["/tmp", "/run", "/dev/shm", WORKSPACE_INSIDE].flatMap((path) => ["--dir", path]),
    ...["--bind", spec.folder, SLOT_INSIDE],
    // The rest of /dev is a tmpfs that bubblewrap gives no size.
    ...["--remount-ro", "/dev", "--remount-ro", "/", "--"],
  ];
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
