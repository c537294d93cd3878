// The prompt of `switchyard call` without a tool: each line is a command of `bash`, all of them in one slot, with output
// as it comes. It reads a pipe as well as a terminal; only a terminal sees the prompt itself.
import { createInterface, type Interface } from "node:readline";
import { type CallOptions, SwitchyardClientError, type Trajectory, type TrajectoryEvent } from "../../client/index.js";
import { messageOf } from "../../core/errors.js";
import { objectOf } from "./arguments.js";
import { EXIT, exitCodeOf } from "./exit.js";
import { failureNote, LiveOutput } from "./live-output.js";
import { durationText } from "./units.js";

const PROMPT = "switchyard> ";
const HISTORY_MAX = 1000;
const HELP = `Each line is a command of bash, in one slot: files stay, the shell does not (cd, variables).
  :tool NAME JSON   call another tool, such as  :tool bash_stateful {"command": "cd /tmp"}
  :help             this
  :quit             end; so does Ctrl-D
Ctrl-C ends the command that runs; twice, the prompt.
`;

type Line =
  | { readonly kind: "call"; readonly tool: string; readonly args: Parameters<Trajectory["call"]>[1] }
  | { readonly kind: "help" | "quit" | "nothing" }
  | { readonly kind: "mistake"; readonly text: string };

/** Resolves with the exit code: of the last call where a pipe gives the lines, 0 where a person did. */
export async function prompt(trajectory: Trajectory, options: CallOptions, signal: AbortSignal): Promise<number> {
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
  const reader = createInterface({
    input: process.stdin,
    ...(isTerminal && { output: process.stdout, prompt: PROMPT, historySize: HISTORY_MAX }),
  });
  const session = new PromptSession(trajectory, options, reader, signal);
  if (isTerminal) process.stderr.write(`trajectory ${trajectory.trajectoryId}; :help says what can be done here\n`);
  const code = await session.run(isTerminal);
  return isTerminal ? EXIT.OK : code;
}

/** What a line means. A colon before a word is ours; any other, such as `: > file`, is a command of bash. */
export function readLine(text: string): Line {
  const line = text.trim();
  const [, name, rest = ""] = /^:(\w+)(?:\s+(.*))?$/s.exec(line) ?? [];
  if (line === "") return { kind: "nothing" };
  if (name === undefined) return { kind: "call", tool: "bash", args: { command: text } };
  if (name === "help") return { kind: "help" };
  if (name === "quit" || name === "q" || name === "exit") return { kind: "quit" };
  if (name !== "tool") return { kind: "mistake", text: `no such thing as :${name}; :help lists what there is` };
  const [, tool, json = "{}"] = /^(\S+)(?:\s+(.*))?$/s.exec(rest) ?? [];
  if (tool === undefined)
    return { kind: "mistake", text: ':tool needs a name, such as :tool read_file {"path": "file"}' };
  try {
    return { kind: "call", tool, args: objectOf(json) };
  } catch (error) {
    return { kind: "mistake", text: messageOf(error) };
  }
}

class PromptSession {
  readonly #output = new LiveOutput(process);
  #running: AbortController | undefined;
  /** Whether the next Ctrl-C ends the prompt. */
  #isLast = false;
  #code: number = EXIT.OK;

  constructor(
    private readonly trajectory: Trajectory,
    private readonly options: CallOptions,
    private readonly reader: Interface,
    private readonly signal: AbortSignal,
  ) {}

  async run(isTerminal: boolean): Promise<number> {
    const { reader, signal } = this;
    // Made at once: lines that come before it are lost.
    const lines = reader[Symbol.asyncIterator]();
    reader.on("SIGINT", () => this.#interrupt());
    const end = () => {
      this.#running?.abort();
      reader.close();
    };
    signal.addEventListener("abort", end, { once: true });
    const events = this.#tellEvents();
    try {
      let isAsking = isTerminal;
      if (isTerminal) reader.prompt();
      for await (const text of lines) {
        this.#isLast = false;
        isAsking = false;
        if (signal.aborted || !(await this.#take(readLine(text)))) break;
        isAsking = isTerminal;
        if (isTerminal) reader.prompt();
      }
      // The shell's own prompt gets a line of its own.
      if (isAsking) process.stdout.write("\n");
    } finally {
      signal.removeEventListener("abort", end);
      reader.close();
      await events.return?.();
      if (isTerminal) this.#output.endLine();
    }
    signal.throwIfAborted();
    return this.#code;
  }

  /** False: that was the last line. */
  async #take(line: Line): Promise<boolean> {
    if (line.kind === "quit") return false;
    if (line.kind === "help") process.stdout.write(HELP);
    if (line.kind === "mistake") {
      this.#output.note(line.text);
      this.#code = EXIT.USAGE;
    }
    if (line.kind === "call") await this.#call(line.tool, line.args);
    return true;
  }

  async #call(tool: string, args: Parameters<Trajectory["call"]>[1]): Promise<void> {
    const running = new AbortController();
    this.#running = running;
    const output = this.#output;
    try {
      const result = await this.trajectory.call(tool, args, {
        ...this.options,
        signal: running.signal,
        onOutput: output.take,
      });
      output.end(result);
      output.endLine();
      this.#code = exitCodeOf(result);
      const note = failureNote(result);
      if (note !== undefined) output.note(note);
      else if (this.#code !== EXIT.OK) output.note(`exit code ${this.#code}`);
    } catch (error) {
      if (!isOfTheCall(error)) throw error;
      output.note(error.message);
      this.#code = EXIT.USAGE;
    } finally {
      this.#running = undefined;
    }
  }

  #interrupt(): void {
    if (this.#isLast) {
      this.#running?.abort();
      this.reader.close();
      return;
    }
    this.#isLast = true;
    process.stdout.write("^C\n");
    if (this.#running) return this.#running.abort();
    process.stderr.write("(Ctrl-C again, or Ctrl-D, ends)\n");
    // Forgets what was typed.
    this.reader.write(null, { ctrl: true, name: "u" });
    this.reader.prompt();
  }

  /** What happens to the trajectory beside its calls. */
  #tellEvents(): AsyncIterableIterator<TrajectoryEvent> {
    const events = this.trajectory.events();
    const tell = async () => {
      for await (const event of events) {
        const text = eventText(event);
        if (text !== undefined) this.#output.note(text);
      }
    };
    // A trajectory that fails fails its calls, too, and those tell why.
    tell().catch(() => this.reader.close());
    return events;
  }
}

/** The call was never accepted, and the trajectory goes on. */
function isOfTheCall(error: unknown): error is SwitchyardClientError {
  return (
    error instanceof SwitchyardClientError && ["REJECTED", "INVALID_FIELD", "LIMIT_REACHED"].includes(error.reason)
  );
}

function eventText(event: TrajectoryEvent): string | undefined {
  switch (event.type) {
    case "slot_lost":
      return `the slot is lost (${event.reason}); the next command gets a new, empty one`;
    case "disconnected":
      return `disconnected (${event.error.message}); trying again in ${durationText(event.retryInMs)}`;
    case "reconnected":
      return event.resumed ? "reconnected" : "reconnected, to a new life of the trajectory, in an empty workspace";
    case "go_away":
      return `the server goes: ${event.reason}`;
    default:
      return undefined;
  }
}
