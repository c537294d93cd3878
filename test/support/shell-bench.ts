// A slot without the server around it, and bash itself, run directly: both give the exact bytes of a command.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { LAUNCHER } from "../../src/backend/package-files.js";
import { SEARCH_PATH } from "../../src/runner/sandbox/launcher.js";
import { patienceWithSandboxes, Slot } from "../../src/runner/slot.js";
import { supervise } from "../../src/runner/tools/supervise.js";

/** All that can be seen of a command from outside; its bytes as latin1 text, so that a difference is readable. */
export interface Seen {
  readonly stdout: string;
  readonly stderr: string;
  /** The exit code, or the name of the signal. */
  readonly end: number | string;
}

const MIB = 1024 * 1024;
const LIMITS = { timeoutS: 60, noOutputTimeoutS: 0, charsMax: MIB };
const SLOT_LIMITS = {
  processes: 4096,
  openFiles: 1024,
  fileBytes: 64 * MIB,
  memoryBytes: 1024 * MIB,
  workspaceBytes: 1024 * MIB,
  workspaceInMemory: false,
  scratchBytes: 64 * MIB,
};

export class ShellBench {
  readonly #folder = mkdtempSync(join(tmpdir(), "switchyard-shell-"));
  /** Its path is as long as the slot's. */
  readonly #direct = join(this.#folder, "direct", "0", "workspace");
  readonly #slot = new Slot(
    "0",
    {
      kind: "none",
      allowNetwork: false,
      hidden: [],
      slotsFolder: join(this.#folder, "slots0"),
      launcher: { path: LAUNCHER, fd: openSync(LAUNCHER, "r") },
      perl: ["perl"],
      limits: SLOT_LIMITS,
      patience: patienceWithSandboxes(),
    },
    () => undefined,
  );

  async open(): Promise<void> {
    await this.#slot.open();
    mkdirSync(this.#direct, { recursive: true });
  }

  async close(): Promise<void> {
    await this.#slot.end();
    await this.#slot.deleted();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** By the `bash` operation. */
  async bash(script: string): Promise<Seen> {
    empty(this.#slot.workspace);
    const env = environment(this.#slot.workspace);
    const entries = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    return this.#watch(
      await this.#slot.run(["bash", this.#slot.workspace, String(entries.length), ...entries, "bash", "-c", script]),
    );
  }

  /** By the `bash_stateful` operation, each command in the shell that the one before left. */
  async session(scripts: readonly string[]): Promise<Seen[]> {
    empty(this.#slot.workspace);
    const entries = Object.entries(environment(this.#slot.workspace)).map(([name, value]) => `${name}=${value}`);
    const seen: Seen[] = [];
    for (const script of scripts) seen.push(await this.#watch(await this.#slot.runInShell(script, entries)));
    // The next session begins with a shell of its own.
    await this.#watch(await this.#slot.runInShell("trap - EXIT; exec true", entries));
    return seen;
  }

  async directly(script: string): Promise<Seen> {
    empty(this.#direct);
    return this.#spawn(["-c", script]);
  }

  /** One bash that evaluates them one after the other; when it ends, the rest in another one. */
  async directSession(scripts: readonly string[]): Promise<Seen[]> {
    empty(this.#direct);
    const results = join(this.#folder, "results");
    mkdirSync(results, { recursive: true });
    const seen: Seen[] = [];
    while (seen.length < scripts.length) {
      empty(results);
      const rest = scripts.slice(seen.length);
      const lines = rest.map((_, at) => {
        const evaluated = `eval -- "\${${at + 1}}" </dev/null >'${results}/out${at}' 2>'${results}/err${at}'`;
        const before = at === 0 ? "0" : `"$(cat '${results}/end${at - 1}')"`;
        return `if (exit ${before}); then ${evaluated}; else ${evaluated}; fi; printf %s "$?" >'${results}/end${at}'`;
      });
      const { end } = await this.#spawn(["-s", "--", ...rest], `${lines.join("; ")}\n`);
      const names = new Set(readdirSync(results));
      for (let at = 0; names.has(`out${at}`); at += 1) {
        const read = (name: string) => readFileSync(join(results, `${name}${at}`), "latin1");
        seen.push({
          stdout: alike(read("out")),
          stderr: alike(read("err")),
          end: names.has(`end${at}`) ? Number(read("end")) : end,
        });
      }
    }
    return seen;
  }

  async #spawn(args: readonly string[], input = ""): Promise<Seen> {
    const child = spawn("bash", args, {
      cwd: this.#direct,
      env: environment(this.#direct),
      stdio: [input === "" ? "ignore" : "pipe", "pipe", "pipe"],
      detached: true,
    });
    // It may end before it has read all.
    child.stdin?.on("error", () => undefined).end(input);
    if (!child.stdout || !child.stderr) throw new Error("no pipes");
    const ended = new Promise<number | string>((resolve) =>
      child.once("exit", (code, signal) => resolve(code ?? String(signal))),
    );
    const [stdout, stderr, end] = await Promise.all([buffer(child.stdout), buffer(child.stderr), ended]);
    return { stdout: alike(stdout.toString("latin1")), stderr: alike(stderr.toString("latin1")), end };
  }

  async #watch(run: Parameters<typeof supervise>[0]): Promise<Seen> {
    const { stdout, stderr, waitStatus, endedFor } = await supervise(run, LIMITS, new AbortController().signal);
    if (waitStatus === undefined || endedFor) throw new Error(`not ended by itself: ${endedFor ?? "the slot died"}`);
    const signal = Object.entries(constants.signals).find(([, number]) => number === (waitStatus & 127));
    return {
      stdout: alike(stdout.kept().head.toString("latin1")),
      stderr: alike(stderr.kept().head.toString("latin1")),
      end: signal ? signal[0] : waitStatus >> 8,
    };
  }
}

function environment(home: string): Record<string, string> {
  const names = { USER: "agent", LOGNAME: "agent", SHELL: "/bin/bash", LANG: "C.UTF-8", TERM: "xterm-256color" };
  return { PATH: SEARCH_PATH, HOME: home, ...names };
}

function empty(folder: string): void {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
}

/** Messages about a child that was killed name its process id; and in a function that bash read from its stdin, `main`. */
export function alike(text: string): string {
  return text.replaceAll(/(line \d+:) +\d+ (?=[A-Z])/g, "$1 PID ").replaceAll(/^main: line/gm, "bash: line");
}
