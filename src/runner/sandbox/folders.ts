// A slot's folders: made for each opening, and out of every later sandbox's reach when it has closed.
import { randomBytes } from "node:crypto";
import { chownSync, lstatSync, mkdirSync, opendirSync, renameSync, rmdirSync, rmSync, unlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { removeTree } from "../../core/remove-tree.js";
import { channelFolder, runFolder, type SandboxKind, workspaceFolder } from "./sandbox.js";

export interface FoldersSettings {
  readonly kind: SandboxKind;
  /** Folder that holds the slots' folders and what is being deleted. */
  readonly slotsFolder: string;
  /** The slot's own user on the host; absent: the runner's. */
  readonly uid?: number;
}

/** What holds more entries is deleted by a process of its own. */
const ENTRIES_MAX = 64;

export class SlotFolders {
  readonly folder: string;
  #deleting: Promise<void> = Promise.resolve();

  constructor(
    name: string,
    private readonly settings: FoldersSettings,
  ) {
    this.folder = join(settings.slotsFolder, name);
  }

  /** Resolves when what was moved away is deleted; rejects when it could not be. */
  get deleted(): Promise<void> {
    return this.#deleting;
  }

  /** What outlives openings of the slot, for a warden. */
  makeLasting(): void {
    const { uid } = this.settings;
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder, { recursive: true, mode: 0o711 });
    const channel = channelFolder(this.folder);
    mkdirSync(channel, { mode: 0o700 });
    if (uid !== undefined) chownSync(channel, uid, uid);
  }

  makeFresh(): void {
    const { kind, uid } = this.settings;
    mkdirSync(this.folder, { recursive: true, mode: 0o711 });
    const [workspace, run] = [workspaceFolder(this.folder), runFolder(this.folder)];
    mkdirSync(workspace, { mode: 0o700 });
    // Where the launcher runs as the runner's user, its folder is nobody else's; commands only pass through.
    mkdirSync(run, { mode: uid !== undefined && kind !== "namespace" ? 0o711 : 0o700 });
    if (uid === undefined) return;
    chownSync(workspace, uid, uid);
    if (kind === "namespace") chownSync(run, uid, uid);
  }

  /** When no process of the slot lives. Beside a warden's, none of its folders is there afterwards. */
  async wipe(): Promise<void> {
    await this.#deleting;
    const fresh = [workspaceFolder(this.folder), runFolder(this.folder)];
    const wiped = this.settings.kind === "namespace" ? fresh : [...fresh, this.folder];
    const left = wiped.filter((folder) => !removeFew(folder));
    if (left.length === 0) return;
    const trash = join(this.settings.slotsFolder, `deleted-${randomBytes(8).toString("hex")}`);
    mkdirSync(trash, { mode: 0o700 });
    const last = left.at(-1);
    for (const folder of last === this.folder ? [last] : left) renameSync(folder, join(trash, basename(folder)));
    // Out of reach already; the deletion itself keeps nobody waiting but the slot's next close.
    this.#deleting = removeTree(trash);
    this.#deleting.catch(() => undefined);
  }
}

/** Removes a folder that holds little, at once; false where it is still there, with some of what it held. */
function removeFew(folder: string): boolean {
  try {
    const open = opendirSync(folder);
    try {
      for (let seen = 0; ; seen++) {
        const entry = open.readSync();
        if (!entry) break;
        if (seen >= ENTRIES_MAX) return false;
        const path = join(folder, entry.name);
        if (entry.isDirectory()) rmdirSync(path);
        else unlinkSync(path);
      }
    } finally {
      open.closeSync();
    }
    rmdirSync(folder);
    return true;
  } catch {
    return lstatSync(folder, { throwIfNoEntry: false }) === undefined;
  }
}
