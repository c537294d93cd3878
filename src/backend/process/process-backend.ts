// The embedded backend: the same runner as a child process of the server, for machines without Docker. Its runners end
// with the server, since their stdin does, and take their slots' folders with them.
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { SwitchyardError, withContext } from "../../core/errors.js";
import type { Logger } from "../../core/log.js";
import { removeTree } from "../../core/remove-tree.js";
import type { AdoptedContainer, Backend, Container } from "../backend.js";
import { LinkKeeper } from "../link-keeper.js";
import { onceDone } from "../once-done.js";
import { RUNNER_BUNDLE } from "../package-files.js";
import { RunnerClient } from "../runner-client.js";
import { initFrame, type RunnerSettings } from "../runner-settings.js";
import { logRunnerWords } from "../runner-words.js";
import type { UidBlock } from "../uid-block.js";

export interface ProcessBackendOptions {
  readonly instance: string;
  /** By pool name. */
  readonly pools: ReadonlyMap<string, RunnerSettings>;
  readonly uids: UidBlock;
  readonly log: Logger;
  /** Told how long each answered ping of a link took, in milliseconds. */
  readonly onRoundTrip?: (ms: number) => void;
}

/** How long a runner may take to kill its slots and go, in milliseconds. */
const END_MS_MAX = 15_000;

export class ProcessBackend implements Backend {
  readonly name = "process";
  readonly #containers = new Set<Container>();
  #warned = false;

  constructor(private readonly options: ProcessBackendOptions) {}

  async start(): Promise<void> {
    if (!existsSync(RUNNER_BUNDLE)) {
      throw new SwitchyardError("BACKEND_UNAVAILABLE", `${RUNNER_BUNDLE} is missing; make it with \`npm run build\``);
    }
    const prefix = basename(this.#folderPrefix());
    const left = readdirSync(tmpdir()).filter((name) => name.startsWith(prefix));
    await Promise.all(left.map((name) => removeTree(join(tmpdir(), name))));
  }

  /** None: its runners end with their server. */
  async adopt(): Promise<readonly AdoptedContainer[]> {
    return [];
  }

  /** `+` stands in no instance name, so one name's folders are never another's. */
  #folderPrefix(): string {
    return join(tmpdir(), `switchyard-${this.options.instance}+`);
  }

  async startContainer(pool: string, signal: AbortSignal, onLeft: (container: Container) => void): Promise<Container> {
    const settings = this.options.pools.get(pool);
    if (!settings) throw new SwitchyardError("UNKNOWN_POOL", `no pool is named ${pool}`);
    const folder = mkdtempSync(this.#folderPrefix());
    // Open for passage: the slots' own users must reach their workspaces below.
    chmodSync(folder, 0o711);
    const nonce = randomBytes(16).toString("hex");
    const child = spawn(process.execPath, [RUNNER_BUNDLE], {
      env: { SWITCHYARD_NONCE: nonce, SWITCHYARD_SLOTS_FOLDER: join(folder, "slots"), SWITCHYARD_SYSTEM: "host" },
      stdio: ["pipe", "pipe", "pipe"],
      cwd: "/",
      // Out of the terminal's reach: Ctrl-C is the server's to answer, and running calls are to finish.
      detached: true,
    });
    const container = this.#containerOf(child, folder, nonce, settings);
    try {
      await container.runner.start(signal);
      if (container.runner.isolation === "none") this.#admitMissingSandbox(container.runner, settings);
    } catch (error) {
      await container.destroy().catch(() => onLeft(container));
      throw withContext("process", error, "BACKEND_UNAVAILABLE");
    }
    return container;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#containers].map((container) => container.destroy()));
  }

  #containerOf(child: ChildProcess, folder: string, nonce: string, settings: RunnerSettings) {
    if (!child.stdin || !child.stdout || !child.stderr) throw new SwitchyardError("INTERNAL", "runner without stdio");
    const id = String(child.pid ?? "none");
    const log = this.options.log.child({ container_id: id });
    // Only root may give each slot a user of its own.
    const init = initFrame(settings, process.getuid?.() === 0 ? this.options.uids : undefined);
    // A runner whose stdin or stdout is gone ends: there is nothing to dial.
    const keeper = new LinkKeeper({ nonce, epoch: 1, dial: async () => "gone" }, init);
    if (this.options.onRoundTrip) keeper.on("roundTrip", this.options.onRoundTrip);
    keeper.begin({ fromRunner: child.stdout, toRunner: child.stdin });
    const runner = new RunnerClient({ id, keeper, init, key: randomBytes(32), containerHasNetwork: true });
    logRunnerWords(child.stderr, log, () => keeper.violation("more words than a runner has"));
    const gone = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    const container = {
      id,
      address: `process:${id}`,
      runner,
      leave: () => false,
      destroy: onceDone(async () => {
        await endRunner(child, runner, gone);
        await removeTree(folder);
        this.#containers.delete(container);
      }),
    };
    this.#containers.add(container);
    return container;
  }

  #admitMissingSandbox(runner: RunnerClient, settings: RunnerSettings): void {
    if (settings.requireSandbox) {
      throw new SwitchyardError("SANDBOX_UNAVAILABLE", `policy.require_sandbox is on, but ${runner.isolationReason}`);
    }
    if (this.#warned) return;
    this.#warned = true;
    this.options.log.warn(
      { reason: runner.isolationReason },
      "COMMANDS RUN WITHOUT A SANDBOX: model output can read and change whatever its user may on this machine. " +
        "Install bubblewrap, or start Docker and use the docker backend.",
    );
  }
}

async function endRunner(child: ChildProcess, runner: RunnerClient, gone: Promise<void>): Promise<void> {
  runner.shutdown();
  const timer = setTimeout(() => child.kill("SIGKILL"), END_MS_MAX);
  await gone;
  clearTimeout(timer);
}
