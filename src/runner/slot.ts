// One slot: a workspace and the sandbox around it, entered when the slot opens and destroyed when it closes.
//
//   closed ─open→ opening ─→ open ─close→ closing ─→ closed
//                    └────────┴─ sandbox died ─→ failed ─close→ closing
//
// Invariant: `closed` means verified: no process of the slot lives, and its folder is out of every later sandbox's reach.
import { randomBytes } from "node:crypto";
import { chownSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Launcher, type Run, type RunFields } from "./sandbox/launcher.js";
import { runFolder, type SandboxKind, sandboxEntry, workspaceFolder } from "./sandbox/sandbox.js";

export interface SlotSettings {
  readonly kind: SandboxKind;
  readonly allowNetwork: boolean;
  readonly hidden: readonly string[];
  /** Folder that holds the slots' folders and what is being deleted. */
  readonly slotsFolder: string;
  /** The slot's own user on the host; absent: the runner's. */
  readonly uid?: number;
}

type State = "closed" | "opening" | "open" | "failed" | "closing";

/** How long a killed sandbox may take to be gone before the slot counts as unclean. */
const DEATH_MS_MAX = 10_000;

export class Slot {
  #state: State = "closed";
  #launcher: Launcher | undefined;
  #env: Readonly<Record<string, string>> = {};
  #workspace = "";
  #deleting: Promise<void> = Promise.resolve();
  readonly folder: string;

  constructor(
    readonly name: string,
    private readonly settings: SlotSettings,
    private readonly onFailed: (why: string) => void,
  ) {
    this.folder = join(settings.slotsFolder, name);
  }

  /** Where commands see the workspace; known once the slot is open. */
  get workspace(): string {
    return this.#workspace;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  get env(): Readonly<Record<string, string>> {
    return this.#env;
  }

  async open(): Promise<void> {
    if (this.#state !== "closed") throw new Error(`slot ${this.name} is ${this.#state}, not closed`);
    this.#state = "opening";
    this.#makeFolders();
    const { uid, kind, allowNetwork, hidden } = this.settings;
    const entry = sandboxEntry({ kind, allowNetwork, hidden, folder: this.folder });
    const user = uid === undefined ? undefined : { uid, gid: uid };
    const launcher = new Launcher(entry.command, runFolder(this.folder), user);
    this.#launcher = launcher;
    this.#workspace = entry.workspace;
    this.#env = {};
    void launcher.died.then((why) => this.#sandboxDied(launcher, why));
    try {
      await launcher.prepare();
    } catch {
      throw new Error(`sandbox did not start: ${await launcher.died}`);
    }
    this.#state = "open";
  }

  lease(env: Readonly<Record<string, string>>): void {
    this.#env = env;
  }

  /** Rejects when the slot is not open or its sandbox died before the run began. */
  run(fields: RunFields): Promise<Run> {
    if (this.#state !== "open" || !this.#launcher) return Promise.reject(new Error(`slot is ${this.#state}`));
    return this.#launcher.run(fields);
  }

  /** Rejects with what was left behind; the slot may then not be opened again. */
  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closing";
    if (this.#launcher) await this.#endSandbox(this.#launcher);
    this.#launcher = undefined;
    await this.#deleting;
    const trash = join(this.settings.slotsFolder, `deleted-${randomBytes(8).toString("hex")}`);
    renameSync(this.folder, trash);
    // Out of reach already; the deletion itself keeps nobody waiting but the slot's next close.
    this.#deleting = rm(trash, { recursive: true, force: true, maxRetries: 3 });
    this.#deleting.catch(() => undefined);
    this.#state = "closed";
  }

  /** Waits until what closed slots left is deleted; rejects when it could not be. */
  deleted(): Promise<void> {
    return this.#deleting;
  }

  async #endSandbox(launcher: Launcher): Promise<void> {
    if (this.settings.kind === "none") await inTime(launcher.killAll(), "processes of the slot still live");
    launcher.destroy();
    await inTime(launcher.died, "the sandbox does not end");
    const { uid } = this.settings;
    if (uid === undefined) return;
    const left = processesOf(uid);
    if (left.length > 0) throw new Error(`processes of the slot still live: ${left.join(" ")}`);
  }

  #makeFolders(): void {
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder, { recursive: true, mode: 0o711 });
    for (const folder of [workspaceFolder(this.folder), runFolder(this.folder)]) {
      mkdirSync(folder, { mode: 0o700 });
      if (this.settings.uid !== undefined) chownSync(folder, this.settings.uid, this.settings.uid);
    }
  }

  #sandboxDied(launcher: Launcher, why: string): void {
    if (this.#launcher !== launcher || this.#state !== "open") return;
    this.#state = "failed";
    this.onFailed(`the sandbox died: ${why}`);
  }
}

async function inTime<T>(work: Promise<T>, otherwise: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(otherwise)), DEATH_MS_MAX);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Living processes of a user, as the runner sees them. */
function processesOf(uid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && ownerOf(name) === uid)
    .map(Number);
}

function ownerOf(pid: string): number | undefined {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;
}
