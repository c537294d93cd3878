// One slot: a workspace and the sandbox around it, entered when the slot opens and destroyed when it closes. Where the sandbox
// has a warden, that stays, and what is entered and destroyed is its cell.
//
//   closed ─open→ opening ─→ open ─close→ closing ─→ closed
//                    └────────┴─ sandbox died ─→ failed ─close→ closing
//
// Invariant: `closed` means verified: no process of the slot lives, and its folder is out of every later sandbox's reach.
import { setTimeout as pause } from "node:timers/promises";
import { systemClock, type Timer } from "../core/clock.js";
import { Patience } from "../core/patience.js";
import { SlotFolders } from "./sandbox/folders.js";
import type { Home } from "./sandbox/home.js";
import { Launcher, SEARCH_PATH } from "./sandbox/launcher.js";
import { starts } from "./sandbox/launcher-patience.js";
import { Program } from "./sandbox/program.js";
import type { Lasting, Run, RunFields } from "./sandbox/run.js";
import {
  channelFolder,
  type LauncherFile,
  runFolder,
  type SandboxEntry,
  type SandboxKind,
  type SlotLimits,
  sandboxEntry,
} from "./sandbox/sandbox.js";
import { scriptFields } from "./sandbox/script.js";
import { type ShellRun, SlotShell } from "./sandbox/shell.js";
import { processesOf, remainsOf, sweep } from "./sandbox/sweep.js";
import { noTmux, type TmuxMemory } from "./sandbox/tmux-memory.js";
import { Warden } from "./sandbox/warden.js";
import { NO_WEIGHT, type Weight } from "./sandbox/weight.js";

export interface SlotSettings {
  readonly kind: SandboxKind;
  readonly allowNetwork: boolean;
  readonly hidden: readonly string[];
  /** Folder that holds the slots' folders and what is being deleted. */
  readonly slotsFolder: string;
  readonly launcher: LauncherFile;
  /** The interpreter for scripts. */
  readonly perl: readonly string[];
  readonly limits: SlotLimits;
  /** With the ends of sandboxes; one for all slots of a runner. */
  readonly patience: Patience;
  /** The slot's own user on the host; absent: the runner's. */
  readonly uid?: number;
}

type State = "closed" | "opening" | "open" | "failed" | "closing";

/** How long a killed sandbox may take to be gone before the slot counts as unclean, while no other one ends either. */
const DEATH_MS_MAX = 10_000;

export function patienceWithSandboxes(): Patience {
  return new Patience(systemClock, DEATH_MS_MAX);
}

export class Slot {
  #state: State = "closed";
  #entry: SandboxEntry | undefined;
  #warden: Warden | undefined;
  #launcher: Launcher | undefined;
  #shell: SlotShell | undefined;
  #env: Readonly<Record<string, string>> = {};
  #tmux: TmuxMemory = noTmux();
  #workspace = "";
  #run = "";
  #leased = false;
  readonly #folders: SlotFolders;

  constructor(
    readonly name: string,
    private readonly settings: SlotSettings,
    private readonly onFailed: (why: string) => void,
  ) {
    this.#folders = new SlotFolders(name, settings);
  }

  get folder(): string {
    return this.#folders.folder;
  }

  get uid(): number | undefined {
    return this.settings.uid;
  }

  /** What its launcher last said that it holds. */
  get weight(): Weight {
    return this.#launcher?.weight ?? NO_WEIGHT;
  }

  /** Asks its launcher for a new weight. */
  weigh(): void {
    this.#launcher?.weigh();
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
    this.#entry ??= sandboxEntry({ ...this.settings, folder: this.folder });
    const entry = this.#entry;
    const home = await this.#enter(entry);
    const launcher = new Launcher(home, runFolder(this.folder));
    this.#launcher = launcher;
    this.#shell = undefined;
    this.#tmux = noTmux();
    this.#run = entry.run;
    this.#workspace = entry.workspace;
    this.#env = {};
    this.#leased = false;
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
    this.#leased = true;
  }

  /** Whether a trajectory has it. */
  get isLeased(): boolean {
    return this.#leased && this.#state === "open";
  }

  /** Kills everything in the slot but its sandbox. */
  killAll(): void {
    void this.#launcher?.killAll();
  }

  /** The slot takes no more runs: its owner is told `why`, and closes it. */
  fail(why: string): void {
    if (this.#state !== "open") return;
    this.#state = "failed";
    this.onFailed(why);
  }

  /** Rejects when the slot is not open or its sandbox died before the run began. */
  run(fields: RunFields): Promise<Run> {
    if (this.#state !== "open" || !this.#launcher) return Promise.reject(new Error(`slot is ${this.#state}`));
    return this.#launcher.run(fields);
  }

  /** A request for a script in this slot, which is open. */
  script(text: string, env: readonly string[], args: RunFields): RunFields {
    const perl = this.#entry?.perl ?? [];
    return scriptFields({ perl, runFolder: this.#run, workspace: this.#workspace }, text, env, args);
  }

  /** As `run`, for a process beside the calls, which no call's end ends. */
  start(fields: RunFields): Promise<Lasting> {
    if (this.#state !== "open" || !this.#launcher) return Promise.reject(new Error(`slot is ${this.#state}`));
    return this.#launcher.start(fields);
  }

  /** As `run`, in the slot's one lasting shell, which begins with the environment of its first call. */
  runInShell(command: string, env: readonly string[]): Promise<ShellRun> {
    if (this.#state !== "open" || !this.#launcher) return Promise.reject(new Error(`slot is ${this.#state}`));
    this.#shell ??= new SlotShell(this.#launcher, { run: this.#run, workspace: this.#workspace, env });
    return this.#shell.run(command);
  }

  /** What is known of its tmux sessions. */
  get tmux(): TmuxMemory {
    return this.#tmux;
  }

  /** Rejects with what was left behind; the slot may then not be opened again. */
  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closing";
    if (this.#launcher) await this.#endSandbox(this.#launcher);
    else await this.#endWarden();
    this.#launcher = undefined;
    await this.#folders.wipe();
    this.#state = "closed";
  }

  /** Closes it for good. */
  async end(): Promise<void> {
    try {
      await this.close();
    } finally {
      await this.#endWarden();
    }
  }

  /** Waits until what closed slots left is deleted; rejects when it could not be. */
  deleted(): Promise<void> {
    return this.#folders.deleted;
  }

  async #enter(entry: SandboxEntry): Promise<Home> {
    if (!entry.isWrapped) {
      this.#folders.makeFresh();
      return new Program(entry);
    }
    if (!this.#warden || this.#warden.isGone) {
      this.#folders.makeLasting();
      this.#warden = new Warden(entry, channelFolder(this.folder));
    }
    this.#folders.makeFresh();
    const warden = this.#warden;
    const late = starts.begin(() => warden.destroy());
    return warden.open().finally(() => late.cancel());
  }

  async #endSandbox(launcher: Launcher): Promise<void> {
    const { kind, patience } = this.settings;
    if (kind === "none" || kind === "container") {
      await inTime(patience, launcher.killAll(), "processes of the slot still live");
    }
    launcher.destroy();
    await inTime(patience, launcher.died, "the sandbox does not end");
    // A warden that lives has looked.
    if (!this.#warden || this.#warden.isGone) await this.#becomeEmpty();
    patience.done();
  }

  async #endWarden(): Promise<void> {
    const { patience } = this.settings;
    if (!this.#warden) return;
    this.#warden.destroy();
    await inTime(patience, this.#warden.gone, "the sandbox does not end");
    this.#warden = undefined;
    await this.#becomeEmpty();
    patience.done();
  }

  /** Resolves when nothing of the slot's user is left. */
  async #becomeEmpty(): Promise<void> {
    const { kind, uid, perl, patience } = this.settings;
    if (uid === undefined) return;
    let isOver = false;
    const limit = patience.begin(() => {
      isOver = true;
    });
    try {
      for (;;) {
        if (kind === "uid") await sweep(perl, uid, { PATH: SEARCH_PATH });
        const left = kind === "uid" ? remainsOf(uid) : processesOf(uid).map((pid) => `process ${pid}`);
        if (left.length === 0) return;
        if (isOver) throw new Error(`the slot left behind: ${left.slice(0, 20).join(", ")}`);
        await pause(10);
      }
    } finally {
      limit.cancel();
    }
  }

  #sandboxDied(launcher: Launcher, why: string): void {
    if (this.#launcher === launcher) this.fail(`the sandbox died: ${why}`);
  }
}

async function inTime<T>(patience: Patience, work: Promise<T>, otherwise: string): Promise<T> {
  let limit: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    limit = patience.begin(() => reject(new Error(otherwise)));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    limit?.cancel();
  }
}
