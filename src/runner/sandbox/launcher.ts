// The runner's end of one launcher: hands requests to its armed children, and turns its lines
// into the ends of runs.
// Invariants: every run that was handed over ends exactly once, also when the launcher dies, lies or falls silent; what it
// costs the runner is bounded, whoever has taken the launcher over.
import { closeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { ArmedChildren } from "./armed-children.js";
import { openFifo } from "./fifo.js";
import { FifoSets } from "./fifo-set.js";
import { type Home, LAST_LINES_MS } from "./home.js";
import { answers, starts } from "./launcher-patience.js";
import { readLines } from "./lines.js";
import { Lingering } from "./lingering.js";
import { OutputPipe } from "./output-pipe.js";
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
import { youngRuns } from "./young-runs.js";

/** Where programs are looked for, by the launcher and by the commands that it starts. */
export const SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const LATE = "no answer in time";
/** What waitpid(2) can give. */
const WAIT_STATUS = /^\d{1,5}$/;
/** After so long what weighs is taken to have been killed, or stopped. */
const WEIGHING_MS_MAX = 10_000;
/** Who is asked so often in vain keeps the slot from being weighed. */
const WEIGHINGS_MAX = 3;
/** What the launcher names children and FIFOs by. */
const NUMBER = /^\d{1,10}$/;
/** So many commands in a row let one expect another: a trajectory that runs one pays for no second shell. */
const HABIT_COMMANDS = 2;
const PROCESSORS = availableParallelism();
/** So many armed children in a row may be gone before they are of use. */
const LOST_MAX = 16;

export class Launcher {
  readonly #armed = new ArmedChildren(() => this.#tell("arm"));
  readonly #ends = new Map<string, (end: RunEnd) => void>();
  readonly #kills = new Map<string, () => void>();
  readonly #lingering = new Lingering();
  readonly #sets: FifoSets;
  #lostInARow = 0;
  #commandsInARow = 0;
  /** Of the runs that have not ended, those that outlive calls. */
  #lasting = 0;
  #weight: Weight = NO_WEIGHT;
  /** While a weight is awaited. */
  #lateWeight: NodeJS.Timeout | undefined;
  #gone = false;
  /** What we held against it. */
  readonly #complaints: string[] = [];
  /** Resolves with the reason when the launcher, and with it the sandbox, is gone. */
  readonly died: Promise<string>;

  /** `runFolder` is the run folder as the runner sees it. */
  constructor(
    private readonly home: Home,
    private readonly runFolder: string,
  ) {
    this.#sets = new FifoSets(runFolder);
    readLines(
      home.output,
      (line) => this.#obey(line),
      () => this.destroy(),
    );
    this.died = home.gone.then((how) => {
      this.#bury();
      return [how, ...this.#complaints].join("\n");
    });
  }

  /** Resolves when a run can begin without delay. Rejects when the launcher died first. */
  async prepare(): Promise<void> {
    this.#armed.putBack(await this.#takeArmed(starts));
  }

  /** Rejects, with nothing started, when the launcher is gone, or with CannotStart. */
  async run(fields: RunFields): Promise<Run> {
    const armed = this.#armed.takeReady() ?? (await this.#takeArmed());
    const run = this.#begin(armed);
    // What it starts is told by its birth from what was there before; measured here, as the launcher may lag behind.
    const sinceMs = performance.now();
    youngRuns.add(run);
    armed.set.send(requestOf(armed.id, this.#expecting(fields)));
    return { ...run, kill: () => this.#kill(`kill ${armed.id} ${since(sinceMs)}`, armed.id) };
  }

  /** As `run`, for a process that outlives calls, and works for those that are lent. */
  async start(fields: RunFields): Promise<Lasting> {
    const { id, set } = this.#armed.takeReady() ?? (await this.#takeArmed());
    const [stdout, stderr] = [new OutputPipe(set, "out").follow(), new OutputPipe(set, "err").follow()];
    const input = set.input();
    const holder = this.#holdOpen(`${join(this.runFolder, set.name)}.out`);
    this.#lasting += 1;
    const ended = this.#endOf(id, () => {
      this.#lasting -= 1;
      if (holder !== undefined) closeSync(holder);
      set.close();
    });
    input.write(requestOf(id, fields));
    this.#tell(`lasting ${id}`);
    return { id, fifos: set.name, input, stdout, stderr, ended, end: () => this.#tell(`end ${id}`) };
  }

  /** The FIFOs of a child that does nothing itself, for what a lasting process does. */
  async lend(): Promise<Lent> {
    const armed = this.#armed.takeReady() ?? (await this.#takeArmed());
    const { id, set } = armed;
    this.#commandsInARow = 0;
    const run = this.#begin(armed);
    for (const pipe of [run.stdout, run.stderr]) pipe.follow();
    const sinceMs = performance.now();
    const kill = (lasting: string, interrupted?: "interrupted") =>
      this.#kill(`kill ${id} ${since(sinceMs)} ${lasting}${interrupted ? " told" : ""}`, id);
    // Once the child has ended the set may be another's.
    const giveBack = () => {
      if (this.#ends.has(id)) set.send(requestOf(id, ["done"]));
    };
    return { ...run, id, fifos: set.name, giveBack, kill };
  }

  /** What the slot held when it was last weighed. */
  get weight(): Weight {
    return this.#weight;
  }

  /** Asks for a new weight, unless one is awaited. A slot that cannot be weighed for half a minute is given up. */
  weigh(): void {
    if (this.#lateWeight === undefined && !this.#gone) this.#askWeight(1);
  }

  /** Kills everything in the sandbox but the launcher. */
  killAll(): Promise<void> {
    return this.#kill("killall", "all");
  }

  /** Ends the launcher itself; with pids of its own, everything in its sandbox ends with it. `died` resolves after that. */
  destroy(): void {
    if (!this.#gone) this.home.destroy();
  }

  /** Has the next child be a shell that has been started, where there is likely to be another command and a processor for it. */
  #expecting(fields: RunFields): RunFields {
    const [kind, ...rest] = fields;
    this.#commandsInARow = kind === "bash" ? this.#commandsInARow + 1 : 0;
    const isExpected = this.#commandsInARow >= HABIT_COMMANDS && youngRuns.count <= PROCESSORS;
    return isExpected ? ["bash-again", ...rest] : fields;
  }

  #askWeight(asked: number): void {
    this.#lateWeight = setTimeout(() => {
      if (asked < WEIGHINGS_MAX) this.#askWeight(asked + 1);
      else this.#giveUp(LATE);
    }, WEIGHING_MS_MAX);
    this.#tell("weigh");
  }

  #endWeighing(): void {
    clearTimeout(this.#lateWeight);
    this.#lateWeight = undefined;
  }

  #giveUp(complaint: string): void {
    this.#complaints.push(complaint);
    this.destroy();
  }

  /** A lasting process opens its stdout anew for each word, which must not end with the first. */
  #holdOpen(path: string): number | undefined {
    try {
      return openFifo(path, "write");
    } catch (error) {
      this.#giveUp(String(error));
      return undefined;
    }
  }

  #begin({ id, set }: Armed): Omit<Run, "kill"> & { readonly stdout: OutputPipe; readonly stderr: OutputPipe } {
    const [stdout, stderr] = [new OutputPipe(set, "out"), new OutputPipe(set, "err")];
    const output = [stdout, stderr];
    const ended = this.#endOf(id, () => {
      youngRuns.delete(run);
      set.endInput();
      for (const pipe of output) pipe.drain();
      if (output.every(({ isAtEnd }) => isAtEnd)) return this.#sets.putBack(set);
      set.close();
      this.#lingering.add(set.name, output);
    });
    const run = { stdout, stderr, ended };
    return run;
  }

  #endOf(id: string, atEnd: () => void): Promise<RunEnd> {
    return new Promise((resolve) => {
      this.#ends.set(id, (end) => {
        atEnd();
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
      const late = answers.begin(() => this.#giveUp(LATE));
      this.#kills.set(id, () => {
        late.cancel();
        answers.done();
        resolve();
      });
      this.#tell(request);
    });
  }

  #takeArmed(patience = answers): Promise<Armed> {
    if (this.#gone) return Promise.reject(new Error("the sandbox is gone"));
    const late = patience.begin(() => this.#giveUp(LATE));
    return this.#armed.take(this.#ends.size > this.#lasting).finally(() => {
      late.cancel();
      patience.done();
    });
  }

  #obey(line: string): void {
    const [what, id = "", rest = ""] = line.split(" ");
    if (what === "armed") this.#connect(id, rest);
    else if (what === "exit" && WAIT_STATUS.test(rest)) this.#ended(id, Number(rest));
    else if (what === "killed") settle(this.#kills, id, undefined);
    else if (what === "unable") this.#armed.refuse(line.slice("unable ".length));
    else if (what === "weighs") {
      this.#weight = readWeight(line);
      this.#endWeighing();
    } else this.destroy();
  }

  #ended(id: string, waitStatus: number): void {
    if (this.#ends.has(id)) return settle(this.#ends, id, { waitStatus });
    this.#armed.drop(id);
  }

  #connect(id: string, set: string): void {
    if (!NUMBER.test(id) || !NUMBER.test(set) || this.#armed.isFull || this.#gone) return this.destroy();
    this.#lingering.end(set);
    try {
      const opened = this.#sets.open(set);
      this.#lostInARow = opened ? 0 : this.#lostInARow + 1;
      if (this.#lostInARow > LOST_MAX) throw new Error(`${LOST_MAX} children were gone at once`);
      if (opened) this.#armed.add({ id, set: opened });
      else this.#armed.lost();
    } catch (error) {
      this.#giveUp(String(error));
    }
  }

  #bury(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#endWeighing();
    this.#armed.end("the sandbox is gone");
    for (const id of [...this.#ends.keys()]) settle(this.#ends, id, {});
    for (const id of [...this.#kills.keys()]) settle(this.#kills, id, undefined);
    this.#sets.close();
    // What was written may still lie in the FIFOs.
    setTimeout(() => this.#lingering.endAll(), LAST_LINES_MS);
  }
}

/** As the launcher is told when a run began. */
function since(sinceMs: number): number {
  return ticksSinceBoot(performance.now() - sinceMs);
}

function settle<T>(waiting: Map<string, (value: T) => void>, id: string, value: T): void {
  const done = waiting.get(id);
  waiting.delete(id);
  done?.(value);
}
