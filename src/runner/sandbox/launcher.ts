// The runner's end of one launcher: starts it in its sandbox, hands it runs, and turns its lines into the ends of calls.
// Invariant: every run that was handed over ends exactly once, also when the launcher dies.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, fstatSync, open, readFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { type Readable, Writable } from "node:stream";
import { LAUNCHER_SOURCE, SOURCE_FD } from "./launcher-source.js";
import type { SandboxEntry } from "./sandbox.js";

/** What a run asks of the launcher; the fields' meaning is in launcher-source.ts. */
export type RunFields = readonly (string | Uint8Array)[];

export interface RunEnd {
  /** As waitpid(2) gives it; absent when the launcher died first. */
  readonly waitStatus?: number;
}

export interface Run {
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly ended: Promise<RunEnd>;
  /** Kills all that this run started; resolves when nothing of it is alive. */
  kill(): Promise<void>;
}

interface Pair {
  readonly name: string;
  readonly stdout: Socket;
  readonly stderr: Socket;
}

/** Where programs are looked for, by the launcher and by the commands that it starts. */
export const SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** No line of an honest launcher is longer. */
const LINE_MAX = 4096;

export class Launcher {
  readonly #process: ChildProcess;
  readonly #runFolder: string;
  readonly #ready: Pair[] = [];
  readonly #wanting: { resolve(pair: Pair): void; reject(error: Error): void }[] = [];
  readonly #ends = new Map<string, (end: RunEnd) => void>();
  readonly #kills = new Map<string, () => void>();
  readonly #opening = new Set<string>();
  #runs = 0;
  #gone = false;
  #heard = "";
  #lastWords = "";
  /** Resolves with the reason when the launcher, and with it the sandbox, is gone. */
  readonly died: Promise<string>;

  /** `runFolder` is the run folder as the runner sees it. */
  constructor(
    private readonly entry: SandboxEntry,
    runFolder: string,
  ) {
    const [program = "", ...args] = entry.command;
    this.#runFolder = runFolder;
    this.#process = spawn(program, args, {
      ...(entry.uid !== undefined && { uid: entry.uid, gid: entry.uid }),
      cwd: "/",
      env: { PATH: SEARCH_PATH },
      stdio: ["pipe", "pipe", "pipe", "pipe"],
    });
    const source = this.#process.stdio[SOURCE_FD];
    if (source instanceof Writable) source.on("error", () => undefined).end(LAUNCHER_SOURCE);
    this.#process.stdin?.on("error", () => undefined);
    this.#process.stderr?.on("data", (chunk: Buffer) => {
      this.#lastWords = (this.#lastWords + chunk.toString("utf8")).slice(-2000);
    });
    this.#process.stdout?.on("data", (chunk: Buffer) => this.#hear(chunk));
    this.died = new Promise((resolve) => {
      const end = (how: string) => {
        resolve(this.#lastWords.trim() ? `${how}: ${this.#lastWords.trim()}` : how);
        this.#bury();
      };
      this.#process.once("error", (error) => end(error.message));
      this.#process.once("exit", (code, signal) => end(signal ? `killed by ${signal}` : `exit code ${code}`));
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Resolves when a run can begin without delay. Rejects when the launcher died first. */
  async prepare(): Promise<void> {
    this.#ready.unshift(await this.#takePair());
  }

  /** Rejects when the launcher is gone before the run could be handed over. */
  async run(fields: RunFields): Promise<Run> {
    const pair = await this.#takePair();
    const id = String(++this.#runs);
    const payload = Buffer.concat(fields.flatMap(lengthPrefixed));
    const ended = new Promise<RunEnd>((resolve) => this.#ends.set(id, resolve));
    this.#process.stdin?.write(`run ${id} ${pair.name} ${payload.length}\n`);
    this.#process.stdin?.write(payload);
    return { stdout: pair.stdout, stderr: pair.stderr, ended, kill: () => this.#kill(`kill ${id}`, id) };
  }

  /** Kills everything in the sandbox but the launcher. */
  killAll(): Promise<void> {
    return this.#kill("killall", "all");
  }

  /**
   * Ends the launcher itself; with pids of its own, everything in its sandbox ends with it. `died` resolves after that:
   * bubblewrap's outer process, which we wait for, ends only when the kernel has emptied the sandbox's pid namespace.
   */
  destroy(): void {
    if (this.#gone) return;
    const inner = this.entry.isWrapped ? childrenOf(this.pid) : [];
    for (const pid of inner) killQuietly(pid);
    if (inner.length === 0) this.#process.kill("SIGKILL");
  }

  #kill(request: string, id: string): Promise<void> {
    if (this.#gone) return Promise.resolve();
    return new Promise((resolve) => {
      this.#kills.set(id, resolve);
      this.#process.stdin?.write(`${request}\n`);
    });
  }

  #takePair(): Promise<Pair> {
    if (this.#gone) return Promise.reject(new Error("the sandbox is gone"));
    const pair = this.#ready.shift();
    if (pair) return Promise.resolve(pair);
    return new Promise((resolve, reject) => this.#wanting.push({ resolve, reject }));
  }

  #hear(chunk: Buffer): void {
    const lines = (this.#heard + chunk.toString("latin1")).split("\n");
    this.#heard = lines.pop() ?? "";
    for (const line of lines) this.#obey(line);
    if (this.#heard.length > LINE_MAX) this.destroy();
  }

  #obey(line: string): void {
    const [what, id = "", status] = line.split(" ");
    if (what === "pair") this.#openPair(id);
    else if (what === "exit") this.#settle(this.#ends, id, { waitStatus: Number(status) });
    else if (what === "killed") this.#settle(this.#kills, id, undefined);
  }

  #settle<T>(waiting: Map<string, (value: T) => void>, id: string, value: T): void {
    const settle = waiting.get(id);
    waiting.delete(id);
    settle?.(value);
  }

  /** Two pairs are asked for at most; a launcher that was taken over cannot make the runner open more. */
  #openPair(name: string): void {
    if (!/^\d{1,10}$/.test(name) || this.#opening.size > 4 || this.#ready.length > 4) return;
    this.#opening.add(name);
    const path = join(this.#runFolder, name);
    const give = async () => {
      const stdout = await openFifo(`${path}.out`);
      const stderr = await openFifo(`${path}.err`);
      const pair = { name, stdout, stderr };
      const first = this.#wanting.shift();
      if (first) first.resolve(pair);
      else this.#ready.push(pair);
    };
    give()
      .catch((error: unknown) => {
        this.#lastWords += `\n${String(error)}`;
        this.destroy();
      })
      .finally(() => this.#opening.delete(name));
  }

  #bury(): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const { stdout, stderr } of this.#ready.splice(0)) {
      stdout.destroy();
      stderr.destroy();
    }
    for (const { reject } of this.#wanting.splice(0)) reject(new Error("the sandbox is gone"));
    for (const id of [...this.#ends.keys()]) this.#settle(this.#ends, id, {});
    for (const id of [...this.#kills.keys()]) this.#settle(this.#kills, id, undefined);
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended before us.
  }
}

function lengthPrefixed(field: string | Uint8Array): Uint8Array[] {
  const bytes = typeof field === "string" ? Buffer.from(field) : field;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}

/** The slot's code may have put anything in the FIFO's place, so no link is followed and nothing but a FIFO is read. */
function openFifo(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW, (error, fd) => {
      if (error) return reject(error);
      if (!fstatSync(fd).isFIFO()) {
        closeSync(fd);
        return reject(new Error(`${path} is not a FIFO`));
      }
      const socket = new Socket({ fd, readable: true, writable: false });
      socket.on("error", () => socket.destroy());
      resolve(socket);
    });
  });
}
