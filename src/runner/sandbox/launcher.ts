// The runner's end of one launcher: starts it in its sandbox, hands requests to its armed children, and turns its lines
// into the ends of runs.
// Invariants: every run that was handed over ends exactly once, also when the launcher dies, lies or falls silent; what it
// costs the runner is bounded, whoever has taken the launcher over.
import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { uptime } from "node:os";
import { join } from "node:path";
import { type Readable, Writable } from "node:stream";
import { killChildrenOf } from "./children.js";
import { openFifo } from "./fifo.js";
import { LAUNCHER_SOURCE, SOURCE_FD } from "./launcher-source.js";
import type { SandboxEntry } from "./sandbox.js";
import { NO_WEIGHT, readWeight, type Weight } from "./weight.js";

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

/** The slot has no room for one more process: what runs in it has taken it. */
export class CannotStart extends Error {}

/** A child that waits for its request. */
interface Armed {
  readonly id: string;
  readonly request: Socket;
  readonly stdout: Socket;
  readonly stderr: Socket;
}

/** Where programs are looked for, by the launcher and by the commands that it starts. */
export const SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** No line of an honest launcher is longer. */
const LINE_MAX = 4096;
/** How long an honest launcher takes for anything, in milliseconds; one that takes longer is destroyed with its sandbox. */
const ANSWER_MS_MAX = 5_000;
/** Ended runs whose output something in the slot still holds open; the oldest beyond them is cut off. */
const LINGERING_MAX = 64;
/** How long the last lines of a dead launcher may take to be read, in milliseconds. */
const LAST_LINES_MS = 200;
/** What waitpid(2) can give. */
const WAIT_STATUS = /^\d{1,5}$/;
/** After so long what weighs is taken to have been killed. */
const WEIGHING_MS_MAX = 10_000;
/** Children that wait; an honest launcher never makes so many. */
const ARMED_MAX = 16;

export class Launcher {
  readonly #process: ChildProcess;
  readonly #ready: Armed[] = [];
  readonly #wanting: { resolve(armed: Armed): void; reject(error: Error): void }[] = [];
  readonly #ends = new Map<string, (end: RunEnd) => void>();
  readonly #kills = new Map<string, () => void>();
  readonly #lingering = new Set<Run>();
  #weight: Weight = NO_WEIGHT;
  #weighingSinceMs = Number.NEGATIVE_INFINITY;
  #gone = false;
  #heard = "";
  #lastWords = "";
  /** Resolves with the reason when the launcher, and with it the sandbox, is gone. */
  readonly died: Promise<string>;

  /** `runFolder` is the run folder as the runner sees it. */
  constructor(
    private readonly entry: SandboxEntry,
    private readonly runFolder: string,
  ) {
    const [program = "", ...args] = entry.command;
    this.#process = spawn(program, args, {
      ...(entry.uid !== undefined && { uid: entry.uid, gid: entry.uid }),
      cwd: "/",
      env: { PATH: SEARCH_PATH },
      stdio: ["pipe", "pipe", "pipe", "pipe"],
    });
    const source = this.#process.stdio[SOURCE_FD];
    if (source instanceof Writable) source.on("error", () => undefined).end(LAUNCHER_SOURCE);
    this.#process.stdin?.on("error", () => undefined);
    this.#process.stdout?.on("data", (chunk: Buffer) => this.#hear(chunk));
    this.#process.stderr?.on("data", (chunk: Buffer) => {
      this.#lastWords = (this.#lastWords + chunk.toString("utf8")).slice(-2000);
    });
    this.died = new Promise((resolve) => {
      const end = (how: string) => {
        resolve(this.#lastWords.trim() ? `${how}: ${this.#lastWords.trim()}` : how);
        this.#bury();
      };
      this.#process.once("error", (error) => end(error.message));
      // Its last lines may still be on their way.
      this.#process.once("exit", (code, signal) => {
        const how = signal ? `killed by ${signal}` : `exit code ${code}`;
        const late = setTimeout(() => end(how), LAST_LINES_MS);
        this.#process.stdout?.once("close", () => {
          clearTimeout(late);
          end(how);
        });
        if (this.#process.stdout?.closed) end(how);
      });
    });
  }

  /** Resolves when a run can begin without delay. Rejects when the launcher died first. */
  async prepare(): Promise<void> {
    this.#ready.unshift(await this.#takeArmed());
  }

  /** Rejects, with nothing started, when the launcher is gone, or with CannotStart. */
  async run(fields: RunFields): Promise<Run> {
    const { id, request, stdout, stderr } = await this.#takeArmed();
    const payload = Buffer.concat(fields.flatMap(lengthPrefixed));
    const ended = new Promise<RunEnd>((resolve) => {
      this.#ends.set(id, (end) => {
        request.destroy();
        resolve(end);
      });
    });
    // What it starts is told by its birth from what was there before; measured here, as the launcher may lag behind.
    const since = ticksSinceBoot();
    // Not ended yet: the child opens its side when it comes to it, and waits for ever once there is no other.
    request.write(Buffer.concat(lengthPrefixed(payload)));
    const kill = () => this.#kill(`kill ${id} ${since}`, id);
    const run = { stdout, stderr, ended, kill };
    void ended.then(() => this.#linger(run));
    return run;
  }

  /** What the slot held when it was last weighed. */
  get weight(): Weight {
    return this.#weight;
  }

  /** Asks for a new weight, unless one is awaited. */
  weigh(): void {
    if (performance.now() - this.#weighingSinceMs < WEIGHING_MS_MAX) return;
    this.#weighingSinceMs = performance.now();
    this.#tell("weigh");
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
    const { pid } = this.#process;
    const killed = this.entry.isWrapped && pid !== undefined ? killChildrenOf(pid) : 0;
    if (killed === 0) this.#process.kill("SIGKILL");
  }

  #tell(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  #kill(request: string, id: string): Promise<void> {
    if (this.#gone) return Promise.resolve();
    return new Promise((resolve) => {
      const late = setTimeout(() => this.destroy(), ANSWER_MS_MAX);
      this.#kills.set(id, () => {
        clearTimeout(late);
        resolve();
      });
      this.#tell(request);
    });
  }

  #takeArmed(): Promise<Armed> {
    if (this.#gone) return Promise.reject(new Error("the sandbox is gone"));
    const armed = this.#ready.shift();
    if (armed) return Promise.resolve(armed);
    // After a run's end the launcher arms the next child by itself; this one is wanted before.
    if (this.#ends.size > this.#wanting.length) this.#tell("arm");
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.destroy(), ANSWER_MS_MAX);
      this.#wanting.push({
        resolve: (given) => {
          clearTimeout(late);
          resolve(given);
        },
        reject: (error) => {
          clearTimeout(late);
          reject(error);
        },
      });
    });
  }

  /** Each costs two descriptors of the runner's, which all slots share. */
  #linger(run: Run): void {
    const streams = [run.stdout, run.stderr];
    const forget = () => {
      if (streams.every(({ closed }) => closed)) this.#lingering.delete(run);
    };
    this.#lingering.add(run);
    for (const stream of streams) stream.once("close", forget);
    forget();
    const [oldest] = this.#lingering;
    if (this.#lingering.size <= LINGERING_MAX || !oldest) return;
    this.#lingering.delete(oldest);
    oldest.stdout.destroy();
    oldest.stderr.destroy();
  }

  #hear(chunk: Buffer): void {
    const lines = (this.#heard + chunk.toString("latin1")).split("\n");
    this.#heard = lines.pop() ?? "";
    for (const line of lines) this.#obey(line);
    if (this.#heard.length > LINE_MAX) this.destroy();
  }

  #obey(line: string): void {
    const [what, id = "", status = ""] = line.split(" ");
    if (what === "armed") this.#connect(id);
    else if (what === "exit" && WAIT_STATUS.test(status)) this.#ended(id, Number(status));
    else if (what === "killed") settle(this.#kills, id, undefined);
    else if (what === "unable") {
      this.#wanting.shift()?.reject(new CannotStart(`Cannot start a process: ${line.slice("unable ".length)}`));
    } else if (what === "weighs") {
      this.#weight = readWeight(line);
      this.#weighingSinceMs = Number.NEGATIVE_INFINITY;
    } else this.destroy();
  }

  #ended(id: string, waitStatus: number): void {
    if (this.#ends.has(id)) return settle(this.#ends, id, { waitStatus });
    // Something in the slot killed the child while it waited.
    const at = this.#ready.findIndex((armed) => armed.id === id);
    const [dead] = at < 0 ? [] : this.#ready.splice(at, 1);
    if (dead) letGo(dead);
  }

  #connect(id: string): void {
    if (!/^\d{1,10}$/.test(id) || this.#ready.length >= ARMED_MAX || this.#gone) return this.destroy();
    const path = join(this.runFolder, id);
    const opened: Socket[] = [];
    const open = (kind: string, mode: "read" | "write") => {
      const socket = openFifo(`${path}.${kind}`, mode);
      opened.push(socket);
      return socket;
    };
    try {
      const armed = { id, request: open("in", "write"), stdout: open("out", "read"), stderr: open("err", "read") };
      const first = this.#wanting.shift();
      if (first) first.resolve(armed);
      else this.#ready.push(armed);
    } catch (error) {
      for (const socket of opened) socket.destroy();
      this.#lastWords += `\n${String(error)}`;
      this.destroy();
    }
  }

  #bury(): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const armed of this.#ready.splice(0)) letGo(armed);
    for (const { reject } of this.#wanting.splice(0)) reject(new Error("the sandbox is gone"));
    for (const id of [...this.#ends.keys()]) settle(this.#ends, id, {});
    for (const id of [...this.#kills.keys()]) settle(this.#kills, id, undefined);
  }
}

function settle<T>(waiting: Map<string, (value: T) => void>, id: string, value: T): void {
  const done = waiting.get(id);
  waiting.delete(id);
  done?.(value);
}

function letGo({ request, stdout, stderr }: Armed): void {
  for (const socket of [request, stdout, stderr]) socket.destroy();
}

function lengthPrefixed(field: string | Uint8Array): Uint8Array[] {
  const bytes = typeof field === "string" ? Buffer.from(field) : field;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}

/** In the hundredths of a second in which /proc tells when a process began. */
function ticksSinceBoot(): number {
  return Math.floor(uptime() * 100);
}
