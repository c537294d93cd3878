// What stands around a slot: its folders, the command line that enters its isolation once, and the proof that it works.
// The launcher is what runs inside.
import { constants, readdirSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { launcherCommand } from "./launcher-source.js";

/** The workspace as commands and file tools see it inside a sandbox of their own mounts. */
const WORKSPACE_INSIDE = "/workspace";
const RUN_INSIDE = "/run/switchyard";
/** Seen inside a namespace sandbox as user and group; the sandbox image gives it a name. */
const UID_INSIDE = "1000";
/** Bytes that /tmp, /run and /dev/shm of one slot hold at most, each. */
const SCRATCH_BYTES = 512 * 1024 * 1024;

export type SandboxKind = "namespace" | "none";

export interface SandboxSpec {
  readonly kind: SandboxKind;
  /** The slot's own folder, which holds `workspace` and `run`. */
  readonly folder: string;
  readonly allowNetwork: boolean;
  /** Top-level folders that commands must not see, beside /proc, /dev, /sys, /tmp and /run. */
  readonly hidden: readonly string[];
}

export interface SandboxEntry {
  readonly command: readonly string[];
  /** Where commands find the workspace. */
  readonly workspace: string;
}

export function workspaceFolder(slotFolder: string): string {
  return join(slotFolder, "workspace");
}

export function runFolder(slotFolder: string): string {
  return join(slotFolder, "run");
}

/** How to enter the sandbox with a launcher in it. */
export function sandboxEntry(spec: SandboxSpec): SandboxEntry {
  if (spec.kind === "none") {
    return { command: launcherCommand(runFolder(spec.folder)), workspace: workspaceFolder(spec.folder) };
  }
  return {
    command: ["bwrap", ...namespaceArguments(spec), ...launcherCommand(RUN_INSIDE)],
    workspace: WORKSPACE_INSIDE,
  };
}

function namespaceArguments(spec: SandboxSpec): string[] {
  const scratch = (path: string, mode: string) => ["--perms", mode, "--size", String(SCRATCH_BYTES), "--tmpfs", path];
  return [
    ...["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
    ...(spec.allowNetwork ? [] : ["--unshare-net"]),
    ...["--uid", UID_INSIDE, "--gid", UID_INSIDE, "--hostname", "slot"],
    // As pid 1 the launcher is out of reach of `kill -9 -1`, and its end is the end of every process in the slot.
    ...["--die-with-parent", "--as-pid-1"],
    ...systemMounts(spec.hidden),
    ...["--proc", "/proc", "--dev", "/dev"],
    ...scratch("/tmp", "1777"),
    ...scratch("/run", "0755"),
    ...scratch("/dev/shm", "1777"),
    ...["--bind", workspaceFolder(spec.folder), WORKSPACE_INSIDE],
    ...["--bind", runFolder(spec.folder), RUN_INSIDE],
    ...["--remount-ro", "/", "--chdir", WORKSPACE_INSIDE, "--"],
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
