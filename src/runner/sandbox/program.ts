// The process that runs the launcher's program: the launcher itself, or bubblewrap around the warden.
import { type ChildProcess, spawn } from "node:child_process";
import { Readable, Writable } from "node:stream";
import { killChildrenOf } from "./children.js";
import { type Home, lastLinesRead } from "./home.js";
import { SEARCH_PATH } from "./launcher.js";
import type { SandboxEntry } from "./sandbox.js";

const WORDS_MAX = 2000;

export class Program implements Home {
  readonly #process: ChildProcess;
  #lastWords = "";
  readonly input: Writable;
  readonly output: Readable;
  readonly gone: Promise<string>;

  constructor(private readonly entry: Omit<SandboxEntry, "perl" | "workspace" | "run">) {
    const [program = "", ...args] = entry.command;
    this.#process = spawn(program, args, {
      ...(entry.uid !== undefined && { uid: entry.uid, gid: entry.uid }),
      cwd: "/",
      env: { PATH: SEARCH_PATH },
      stdio: ["pipe", "pipe", "pipe", ...(entry.launcherFd === undefined ? [] : [entry.launcherFd])],
    });
    const { stdin, stdout, stderr } = this.#process;
    this.input = stdin ?? new Writable();
    this.output = stdout ?? Readable.from([]);
    this.input.on("error", () => undefined);
    stderr?.on("data", (chunk: Buffer) => {
      this.#lastWords = (this.#lastWords + chunk.toString("utf8")).slice(-WORDS_MAX);
    });
    this.gone = this.#end().then((how) => (this.lastWords ? `${how}: ${this.lastWords}` : how));
  }

  /** What it said on stderr. */
  get lastWords(): string {
    return this.#lastWords.trim();
  }

  /** What it said so far is no reason for its end. */
  forgetWords(): void {
    this.#lastWords = "";
  }

  /**
   * `gone` resolves after that: bubblewrap's outer process, which we wait for, ends only when the kernel has emptied the
   * sandbox's pid namespace.
   */
  destroy(): void {
    const { pid, exitCode, signalCode } = this.#process;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const killed = this.entry.isWrapped ? killChildrenOf(pid) : 0;
    if (killed === 0) this.#process.kill("SIGKILL");
  }

  #end(): Promise<string> {
    return new Promise((resolve) => {
      this.#process.once("error", (error) => resolve(error.message));
      this.#process.once("exit", (code, signal) => {
        const how = signal ? `killed by ${signal}` : `exit code ${code}`;
        void lastLinesRead(this.output).then(() => resolve(how));
      });
    });
  }
}
