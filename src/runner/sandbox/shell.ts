// The lasting shell of a slot: one bash that evaluates the commands of stateful calls in its own process, so that all that a
// shell can hold stays from call to call. It is fed through the FIFO that is its script, opens a call's own FIFOs as
// stdout and stderr, and reports each exit status on a FIFO of its own that it opens for no longer: what it starts
// inherits neither, and nothing is read out of what a command prints.
// Invariant: a call ends once, by its report, or with the shell, whichever comes first.
import { setTimeout } from "node:timers/promises";
import type { Launcher } from "./launcher.js";
import type { Lasting, Lent, Run, RunEnd } from "./run.js";

export interface ShellPlace {
  /** The run folder as the shell sees it. */
  readonly run: string;
  readonly workspace: string;
  /** `NAME=value` each. */
  readonly env: readonly string[];
}

/** A call in the lasting shell. */
export interface ShellRun extends Run {
  /** Known once the run has ended: what became of the shell. */
  state(): ShellState;
}

export interface ShellState {
  /** Whether the call's shell took the place of one that had ended. */
  readonly restarted: boolean;
  /** Whether it lives on. */
  readonly kept: boolean;
}

/**
 * How long the shell may take to give a command up whose processes are dead, in milliseconds. It takes one; where five times as
 * many processes as processors ask for a turn, and the disk is written to without a pause, the worst of 400 took 390.
 */
const GIVE_UP_MS = 2_000;
/** How long the last reports of a shell that has ended may take to be read, in milliseconds. */
const LAST_REPORT_MS = 500;
/** No report is longer. */
const REPORT_MAX = 64;
/** Bytes that may be written to the shell's own channels beside its reports, before it is taken to be no shell any more. */
const NOISE_MAX = 64 * 1024;
/** What `$?` is after a command that was given up, as after Ctrl-C. */
const INTERRUPTED = 130;
/** The end of a call that was killed before it began. */
const NOTHING_RAN: RunEnd = { waitStatus: INTERRUPTED << 8 };
/** Ends the skipping; the only command that is not skipped. */
const GO_ON = "\\builtin trap - DEBUG";

export class SlotShell {
  #shell: Shell | undefined;

  constructor(
    private readonly launcher: Pick<Launcher, "lend" | "start">,
    private readonly place: ShellPlace,
  ) {}

  /** One at a time. Rejects, with nothing started, as Launcher.run does. */
  async run(command: string): Promise<ShellRun> {
    const before = this.#shell;
    let shell = before?.isAlive ? before : await this.#start();
    const lent = await this.launcher.lend();
    let run = shell.run(lent, command);
    let isUnwanted = false;
    // A shell that was killed between two calls may not be known to be dead when the second comes.
    const again = async () => {
      shell = await this.#start();
      if (isUnwanted) return NOTHING_RAN;
      run = shell.run(lent, command);
      return run.ended;
    };
    const ended = run.ended.then((end) => (run.hasBegun() || end.waitStatus === undefined ? end : again()));
    return {
      stdout: lent.stdout,
      stderr: lent.stderr,
      ended: ended.finally(() => lent.giveBack()),
      kill: () => {
        isUnwanted = true;
        return run.kill();
      },
      state: () => ({ restarted: before !== undefined && before !== shell, kept: shell.isAlive }),
    };
  }

  async #start(): Promise<Shell> {
    this.#shell = await Shell.start(this.launcher, this.place);
    return this.#shell;
  }
}

/** One evaluation. */
interface Evaluation {
  readonly ended: Promise<RunEnd>;
  kill(): Promise<void>;
  /** Whether the shell came to it, or need not any more. */
  hasBegun(): boolean;
}

class Shell {
  #isAlive = true;
  /** Whether all that it reported has been read. */
  #isHeard = false;
  /** Its end, after the last of its reports. */
  readonly #gone: Promise<RunEnd>;
  #lastStatus = 0;
  #heard = "";
  #noise = 0;
  readonly #reports = new Map<string, (status: number) => void>();

  private constructor(
    private readonly process: Lasting,
    private readonly runFolder: string,
  ) {
    const heard = new Promise<void>((resolve) => process.stdout.once("close", resolve)).then(() => {
      this.#isHeard = this.#noise <= NOISE_MAX;
    });
    this.#gone = process.ended.then(async (end) => {
      this.#isAlive = false;
      // Something else in the slot may hold the channel open.
      const late = new AbortController();
      await Promise.race([
        heard,
        setTimeout(LAST_REPORT_MS, undefined, { signal: late.signal }).catch(() => undefined),
      ]);
      late.abort();
      return end;
    });
    process.stdout.on("data", (chunk: Buffer) => this.#hear(chunk));
    process.stderr.on("data", (chunk: Buffer) => this.#count(chunk.length));
  }

  static async start(launcher: Pick<Launcher, "start">, { run, workspace, env }: ShellPlace): Promise<Shell> {
    const shell = new Shell(await launcher.start(["shell", String(env.length), ...env]), run);
    // As in a shell that began in the workspace: OLDPWD is there, and has no value.
    const enter = `\\cd -- ${quoted(workspace)}; \\unset OLDPWD; \\declare -x OLDPWD`;
    shell.#feed(`\\exec >/dev/null 2>/dev/null; ${enter}; \\trap ${quoted(GIVE_UP)} RTMAX`);
    return shell;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  run(lent: Lent, command: string): Evaluation {
    const { id, fifos } = lent;
    let hasBegun = false;
    let killed: Promise<RunEnd> | undefined;
    void this.#reported(`${id}+`).then(() => {
      hasBegun = true;
    });
    const ended = this.#endOf(lent, () => killed);
    const path = quoted(`${this.runFolder}/${fifos}`);
    // The arithmetic makes the next line the first, as messages count them. stderr is the command's own until it ends, so
    // that no `set -x` shows what is around it.
    const open = `\\exec </dev/null >${path}.out`;
    this.#feed(`{ ${this.#report(`${id}+`, "0")}; ${open}; } 2>&$((2 + 0 * (LINENO = 0)))`);
    this.#feed(`${restoring(this.#lastStatus)}\\builtin \\eval -- ${quoted(command)} 2>${path}.err`);
    this.#feed(`${this.#report(id, '"$?"')}; \\exec >/dev/null`);
    const kill = async () => {
      killed ??= this.#interrupt(lent);
      await killed;
    };
    return { ended, kill, hasBegun: () => hasBegun || killed !== undefined || !this.#isHeard };
  }

  async #endOf(lent: Lent, killed: () => Promise<RunEnd> | undefined): Promise<RunEnd> {
    const reported = this.#reported(lent.id).then((status) => {
      this.#lastStatus = status;
      return { waitStatus: status << 8 };
    });
    const first = await Promise.race([reported, this.#gone]);
    return (await killed()) ?? first;
  }

  /** What the call started is killed, and the shell gives the rest of the command up, or is killed too. */
  async #interrupt(lent: Lent): Promise<RunEnd> {
    await lent.kill(this.process.id);
    const givenUp = this.#reported(`${lent.id}-`);
    this.#feed(`${GO_ON}; \\builtin shopt -u extdebug; ${this.#report(`${lent.id}-`, String(INTERRUPTED))}`);
    this.#feed("\\exec >/dev/null 2>/dev/null");
    const late = new AbortController();
    void setTimeout(GIVE_UP_MS, undefined, { signal: late.signal }).then(
      () => this.process.end(),
      () => undefined,
    );
    const end = await Promise.race([givenUp, this.#gone]);
    late.abort();
    // It may have been about to make a process, which came after all others were dead.
    await lent.kill(this.process.id, "interrupted");
    if (typeof end !== "number") return end;
    this.#lastStatus = end;
    // A call whose own report was skipped ends by this.
    this.#reports.get(lent.id)?.(end);
    return { waitStatus: end << 8 };
  }

  #report(name: string, status: string): string {
    const words = quoted(`${this.runFolder}/${this.process.fifos}.shell/words`);
    return `\\builtin printf '%s %d\\n' ${name} ${status} >${words}`;
  }

  #reported(name: string): Promise<number> {
    return new Promise((resolve) => {
      this.#reports.set(name, (status) => {
        this.#reports.delete(name);
        resolve(status);
      });
    });
  }

  #feed(line: string): void {
    this.process.input.write(`${line}\n`);
  }

  /** Anything in the slot may write here: what is no report that is waited for is noise. */
  #hear(chunk: Buffer): void {
    const lines = (this.#heard + chunk.toString("latin1")).split("\n");
    const rest = lines.pop() ?? "";
    this.#heard = rest.slice(0, REPORT_MAX);
    this.#count(rest.length - this.#heard.length);
    for (const line of lines) {
      const [, name = "", status = ""] = /^(\d{1,10}[+-]?) (\d{1,3})$/.exec(line) ?? [];
      const settle = this.#reports.get(name);
      if (settle && Number(status) <= 255) settle(Number(status));
      else this.#count(line.length + 1);
    }
  }

  #count(bytes: number): void {
    this.#noise += bytes;
    if (this.#noise <= NOISE_MAX) return;
    this.process.stdout.destroy();
    this.process.stderr.destroy();
    this.process.end();
  }
}

/** Every command but one is skipped from now on, loops are left and functions returned from: bash knows no other way. */
const SKIP = `[[ $BASH_COMMAND == ${quoted(GO_ON)} ]] || { \\builtin break 999; \\builtin test x -eq 1; } 2>/dev/null`;
const GIVE_UP = `\\shopt -s extdebug; \\trap ${quoted(SKIP)} DEBUG`;

/** What comes before a command for `$?` to be as the one before left it, and neither `set -e` nor a trap to notice. */
function restoring(status: number): string {
  if (status === 0) return "";
  return status === 1 ? "[[ '' ]] || " : `(exit ${status}) || `;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
