// The runner's end of one launcher: hands requests to its armed children, and turns its lines
// into the ends of runs.
// Invariants: every run that was handed over ends exactly once, also when the launcher dies, lies or falls silent; what it
// costs the runner is bounded, whoever has taken the launcher over.
import type { Socket } from "node:net";
import { join } from "node:path";
import { ArmedChildren } from "./armed-children.js";
import { openFifo } from "./fifo.js";
import type { Home } from "./home.js";
import { Lingering } from "./lingering.js";
import {
  type Armed,
  type Lasting,
  type Lent,
  type Run,
  type RunEnd,
  type RunFields,
  requestOf,
  ticksSinceBoot,
} from "./run.js";
import { NO_WEIGHT, readWeight, type Weight } from "./weight.js";

/** Where programs are looked for, by the launcher and by the commands that it starts. */
export const SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** No line of an honest launcher is longer. */
const LINE_MAX = 4096;
/** How long an honest launcher takes for anything, in milliseconds; one that takes longer is destroyed with its sandbox. */
const ANSWER_MS_MAX = 5_000;
/** What waitpid(2) can give. */
const WAIT_STATUS = /^\d{1,5}$/;
/** After so long what weighs is taken to have been killed. */
const WEIGHING_MS_MAX = 10_000;
export class Launcher {
  readonly #armed = new ArmedChildren(() => this.#tell("arm"));
  readonly #ends = new Map<string, (end: RunEnd) => void>();
  readonly #kills = new Map<string, () => void>();
  readonly #lingering = new Lingering();
  /** Of the runs that have not ended, those that outlive calls. */
  #lasting = 0;
  #weight: Weight = NO_WEIGHT;
  #weighingSinceMs = Number.NEGATIVE_INFINITY;
  #gone = false;
  #heard = "";
  /** What we held against it. */
  readonly #complaints: string[] = [];
  /** Resolves with the reason when the launcher, and with it the sandbox, is gone. */
  readonly died: Promise<string>;

  /** `runFolder` is the run folder as the runner sees it. */
  constructor(
    private readonly home: Home,
    private readonly runFolder: string,
  ) {
    home.output.on("data", (chunk: Buffer) => this.#hear(chunk));
    this.died = home.gone.then((how) => {
      this.#bury();
      return [how, ...this.#complaints].join("\n");
    });
  }

  /** Resolves when a run can begin without delay. Rejects when the launcher died first, or was not ready in time. */
  async prepare(limitMs: number): Promise<void> {
    this.#armed.putBack(await this.#takeArmed(limitMs));
  }

  /** Rejects, with nothing started, when the launcher is gone, or with CannotStart. */
  async run(fields: RunFields): Promise<Run> {
    const armed = await this.#takeArmed();
    const { id, request, stdout, stderr } = armed;
    const ended = this.#endOf(armed);
    // What it starts is told by its birth from what was there before; measured here, as the launcher may lag behind.
    const since = ticksSinceBoot();
    // Not ended yet: the child opens its side when it comes to it, and waits for ever once there is no other.
    request.write(requestOf(fields));
    const kill = () => this.#kill(`kill ${id} ${since}`, id);
    const run = { stdout, stderr, ended, kill };
    void ended.then(() => this.#lingering.add(run));
    return run;
  }

  /** As `run`, for a process that outlives calls, and works for those that are lent. */
  async start(fields: RunFields): Promise<Lasting> {
    const armed = await this.#takeArmed();
    const { id, request: input, stdout, stderr } = armed;
    const ended = this.#endOf(armed);
    // It opens its stdout anew for each word, which must not end with the first.
    this.#holdOpen(`${join(this.runFolder, id)}.out`, ended);
    this.#lasting += 1;
    void ended.then(() => {
      this.#lasting -= 1;
    });
    input.write(requestOf(fields));
    this.#tell(`lasting ${id}`);
    return { id, input, stdout, stderr, ended, end: () => this.#tell(`end ${id}`) };
  }

  /** The FIFOs of a child that does nothing itself, for what a lasting process does. */
  async lend(): Promise<Lent> {
    const armed = await this.#takeArmed();
    const { id, request, stdout, stderr } = armed;
    const ended = this.#endOf(armed);
    const since = ticksSinceBoot();
    const kill = (lasting: string) => this.#kill(`kill ${id} ${since} ${lasting}`, id);
    const giveBack = () => {
      request.write(requestOf(["done"]));
    };
    void ended.then(() => this.#lingering.add({ stdout, stderr }));
    return { id, stdout, stderr, ended, giveBack, kill };
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

  /** Ends the launcher itself; with pids of its own, everything in its sandbox ends with it. `died` resolves after that. */
  destroy(): void {
    if (!this.#gone) this.home.destroy();
  }

  #giveUp(complaint: string): void {
    this.#complaints.push(complaint);
    this.destroy();
  }

  #holdOpen(path: string, ended: Promise<RunEnd>): void {
    try {
      const holder = openFifo(path, "write");
      void ended.then(() => holder.destroy());
    } catch (error) {
      this.#giveUp(String(error));
    }
  }

  #endOf({ id, request }: Armed): Promise<RunEnd> {
    return new Promise((resolve) => {
      this.#ends.set(id, (end) => {
        request.destroy();
        resolve(end);
      });
    });
  }

  #tell(line: string): void {
    this.home.input.write(`${line}\n`);
  }

  #kill(request: string, id: string): Promise<void> {
    if (this.#gone) return Promise.resolve();
    return new Promise((resolve) => {
      const late = setTimeout(() => this.#giveUp(noAnswerIn(ANSWER_MS_MAX)), ANSWER_MS_MAX);
      this.#kills.set(id, () => {
        clearTimeout(late);
        resolve();
      });
      this.#tell(request);
    });
  }

  #takeArmed(limitMs = ANSWER_MS_MAX): Promise<Armed> {
    if (this.#gone) return Promise.reject(new Error("the sandbox is gone"));
    const late = setTimeout(() => this.#giveUp(noAnswerIn(limitMs)), limitMs);
    return this.#armed.take(this.#ends.size > this.#lasting).finally(() => clearTimeout(late));
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
    else if (what === "unable") this.#armed.refuse(line.slice("unable ".length));
    else if (what === "weighs") {
      this.#weight = readWeight(line);
      this.#weighingSinceMs = Number.NEGATIVE_INFINITY;
    } else this.destroy();
  }

  #ended(id: string, waitStatus: number): void {
    if (this.#ends.has(id)) return settle(this.#ends, id, { waitStatus });
    this.#armed.drop(id);
  }

  #connect(id: string): void {
    if (!/^\d{1,10}$/.test(id) || this.#armed.isFull || this.#gone) return this.destroy();
    const path = join(this.runFolder, id);
    const opened: Socket[] = [];
    const open = (kind: string, mode: "read" | "write") => {
      const socket = openFifo(`${path}.${kind}`, mode);
      opened.push(socket);
      return socket;
    };
    try {
      this.#armed.add({ id, request: open("in", "write"), stdout: open("out", "read"), stderr: open("err", "read") });
    } catch (error) {
      for (const socket of opened) socket.destroy();
      this.#giveUp(String(error));
    }
  }

  #bury(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#armed.end("the sandbox is gone");
    for (const id of [...this.#ends.keys()]) settle(this.#ends, id, {});
    for (const id of [...this.#kills.keys()]) settle(this.#kills, id, undefined);
  }
}

function noAnswerIn(limitMs: number): string {
  return `no answer in ${Math.round(limitMs / 100) / 10} s`;
}

function settle<T>(waiting: Map<string, (value: T) => void>, id: string, value: T): void {
  const done = waiting.get(id);
  waiting.delete(id);
  done?.(value);
}
